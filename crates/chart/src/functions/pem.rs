//! PEM, the text form of keys and certificates.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// A block as it was read.
pub(super) struct Block {
    pub(super) label: String,
    pub(super) bytes: Vec<u8>,
}

/// Writes a block as Go does: lines of 64 characters, a newline at the end.
pub(super) fn write(label: &str, bytes: &[u8]) -> String {
    let packed = STANDARD.encode(bytes);
    let mut out = format!("-----BEGIN {label}-----\n");
    for (index, character) in packed.chars().enumerate() {
        if index > 0 && index.is_multiple_of(64) {
            out.push('\n');
        }
        out.push(character);
    }
    if !packed.is_empty() {
        out.push('\n');
    }
    out.push_str("-----END ");
    out.push_str(label);
    out.push_str("-----\n");
    out
}

/// Reads the first block of a text.
pub(super) fn read(text: &str) -> Option<Block> {
    let mut rest = text;
    loop {
        let start = rest.find("-----BEGIN ")?;
        let begins_line = start == 0 || rest[..start].ends_with('\n');
        rest = &rest[start + "-----BEGIN ".len()..];
        if let Some(block) = begins_line.then(|| read_body(rest)).flatten() {
            return Some(block);
        }
    }
}

fn read_body(text: &str) -> Option<Block> {
    let (label, rest) = text.split_once("-----")?;
    if label.contains('\n') {
        return None;
    }
    let end = rest.find(&format!("-----END {label}-----"))?;
    let packed: String = rest[..end]
        .lines()
        .filter(|line| !line.contains(':'))
        .flat_map(str::chars)
        .filter(|character| !character.is_ascii_whitespace())
        .collect();
    Some(Block {
        label: label.to_owned(),
        bytes: STANDARD.decode(packed).ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_back() {
        let check = |length: u8| {
            let bytes: Vec<u8> = (0..length).collect();
            let text = format!("some words\n{}more", write("A THING", &bytes));
            let block = read(&text).unwrap();
            assert_eq!((block.label.as_str(), block.bytes), ("A THING", bytes));
        };
        check(0);
        check(1);
        check(48);
        check(200);
    }

    #[test]
    fn what_is_no_block_is_not_read() {
        let check = |text: &str| assert!(read(text).is_none(), "{text}");
        check("");
        check("-----BEGIN A-----\nAAAA\n");
        check("-----BEGIN A-----\nAAAA\n-----END B-----\n");
        check("-----BEGIN A-----\n!!!!\n-----END A-----\n");
        check("words -----BEGIN A-----\nAAAA\n-----END A-----\n");
    }

    #[test]
    fn headers_are_skipped() {
        let block = read("-----BEGIN A-----\nProc-Type: 4\n\nAAEC\n-----END A-----").unwrap();
        assert_eq!(block.bytes, [0, 1, 2]);
    }
}
