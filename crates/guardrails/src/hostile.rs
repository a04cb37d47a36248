//! What tests of both languages throw at them: texts that functions choke on, patterns that explode.

use proptest::prelude::*;
use serde_json::{Value, json};

/// Texts that functions choke on: patterns, templates, numbers, addresses, dates.
pub(crate) const TEXTS: [&str; 26] = [
    "",
    "a",
    "é",
    "(a+)+$",
    "[01]*1[01]{900}x",
    "(((a{50}){50}){50})",
    "%s %d %.900f",
    "%",
    "1e999999999",
    "-1e-999999999",
    "99999999999999999999999Ei",
    "1.2.3-rc.1+b",
    "::/0",
    "10.0.0.0/8",
    "https://[::1%25a]:80/%41?x=%zz",
    "a,b,,c",
    "2026-11-21T10:00:00.5+01:00",
    "9999-12-31T23:59:59Z",
    "2562047h47m16.854775807s",
    "Europe/Berlin",
    "aGVsbG8=",
    "[[[[[[[[[[]]]]]]]]]]",
    "a: &a [*a, *a]",
    "-----BEGIN CERTIFICATE-----\\nMIIB\\n-----END CERTIFICATE-----",
    "\\\\1\\\\9",
    "nginx:1@sha256:0",
];

/// What is known to be slow, over texts as long as an object may hold them.
pub(crate) const PATTERNS: [&str; 4] = [
    "[01]*1[01]{900}x",
    "(?:[01]?){900}x",
    "([01]*1[01]{60})x$",
    "(0|1|01|10)*x",
];

/// An object with texts of such a length.
pub(crate) fn long(text: &str, times: usize) -> Value {
    json!({"data": {"a": text.repeat(times), "b": [1, 2.5, null, {"c": "d"}]}})
}

/// It ended soon, and made nothing that is larger than what may be made.
pub(crate) fn ends(
    expression: &str,
    evaluate: impl FnOnce() -> Result<Value, String>,
) -> Result<(), TestCaseError> {
    let begun = std::time::Instant::now();
    let result = evaluate();
    let took = begun.elapsed();
    prop_assert!(
        took < std::time::Duration::from_secs(20),
        "{took:?}: {expression}"
    );
    match result {
        Ok(value) => prop_assert!(value.to_string().len() < 64 << 20, "{expression}"),
        Err(reason) => prop_assert!(reason.len() < 10_000, "{expression}: {} bytes", reason.len()),
    }
    Ok(())
}
