//! `cargo run -p schema --example generate -- OPENAPI_FOLDER OUT` writes the data file.

#[path = "../../../xtask/src/schema_data.rs"]
mod schema_data;

fn main() -> std::io::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let (Some(from), Some(out)) = (arguments.next(), arguments.next()) else {
        return Err(std::io::Error::other("usage: generate OPENAPI_FOLDER OUT"));
    };
    schema_data::generate(from.as_ref(), out.as_ref())
}
