//! Kyverno's functions, by name; those of CEL and Kubernetes are in the crate `cel`. Each pays for what it does beyond a
//! step.

mod codecs;
mod http;
mod images;
mod kyverno;
#[cfg(test)]
mod tests;
mod time;

use ::cel::{Args, Evaluated, Style};

use super::world::World;

/// A function; its first argument is what a method is called on.
type Function = for<'r, 'v> fn(&World<'v>, &Args<'r, 'v>) -> Evaluated<'v>;

type Table = &'static [(&'static str, Style, Function)];

const TABLES: [Table; 5] = [
    kyverno::TABLE,
    http::TABLE,
    codecs::TABLE,
    images::TABLE,
    time::TABLE,
];

fn all() -> impl Iterator<Item = &'static (&'static str, Style, Function)> {
    TABLES.into_iter().flatten()
}

/// The function of a name, and its number.
pub(super) fn find(name: &str, style: Style) -> Option<(&'static str, usize)> {
    let (number, (name, ..)) = all()
        .enumerate()
        .find(|(_, (known, its_style, _))| *known == name && *its_style == style)?;
    Some((name, number))
}

/// Calls the function of a number.
pub(super) fn call<'v>(world: &World<'v>, number: usize, args: &Args<'_, 'v>) -> Evaluated<'v> {
    let (.., run) = all().nth(number).ok_or_else(|| args.refuse())?;
    run(world, args)
}
