//! Text from elsewhere on a terminal: what would move its cursor, colour it or turn its writing around is shown, not
//! obeyed.

use std::borrow::Cow;

/// Whether a character does something to a terminal, or to what a person believes to read there.
fn acts(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\u{61c}' | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}'
        )
}

fn escaped(text: &str, kept: &[char], escape: impl Fn(char) -> String) -> String {
    let acts = |c: char| acts(c) && !kept.contains(&c);
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        if acts(c) {
            shown.push_str(&escape(c));
        } else {
            shown.push(c);
        }
    }
    shown
}

/// Text of several lines for people: `\u{1b}` is written out.
pub(crate) fn lines(text: &str) -> Cow<'_, str> {
    const KEPT: [char; 2] = ['\n', '\t'];
    if !text.chars().any(|c| acts(c) && !KEPT.contains(&c)) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(escaped(text, &KEPT, |c| c.escape_default().to_string()))
}

/// The same for what must stay on its line.
pub(crate) fn line(text: &str) -> String {
    escaped(text, &[], |c| c.escape_default().to_string())
}

/// JSON that says the same, where such characters can only be in strings.
pub(crate) fn json(text: &str) -> String {
    escaped(text, &['\n'], |c| format!("\\u{:04x}", u32::from(c)))
}

/// The beginning of what is too long to be read.
pub(crate) fn begin(text: &str) -> Cow<'_, str> {
    const LIMIT: usize = 2000;
    match text.char_indices().nth(LIMIT) {
        Some((end, _)) => Cow::Owned(format!("{}…", &text[..end])),
        None => Cow::Borrowed(text),
    }
}

/// The beginning and the end of what is too long to be read: a chain of errors ends with its reason.
pub(crate) fn both_ends(text: &str) -> Cow<'_, str> {
    const BEGIN: usize = 1200;
    const END: usize = 800;
    if text.chars().nth(BEGIN + END).is_none() {
        return Cow::Borrowed(text);
    }
    let place = |at: Option<(usize, char)>| at.map_or(text.len(), |(place, _)| place);
    let (begin, end) = (
        place(text.char_indices().nth(BEGIN)),
        place(text.char_indices().nth_back(END - 1)),
    );
    Cow::Owned(format!("{} … {}", &text[..begin], &text[end..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_acts_is_shown() {
        for (text, several, one) in [
            ("größe\t日本 👩‍💻", "größe\t日本 👩‍💻", "größe\\t日本 👩‍💻"),
            ("a\nb", "a\nb", "a\\nb"),
            ("a\rb\u{7f}", "a\\rb\\u{7f}", "a\\rb\\u{7f}"),
            (
                "\u{1b}]0;x\u{7}\u{9b}31m",
                "\\u{1b}]0;x\\u{7}\\u{9b}31m",
                "\\u{1b}]0;x\\u{7}\\u{9b}31m",
            ),
            (
                "\u{202e}gpj\u{2069}",
                "\\u{202e}gpj\\u{2069}",
                "\\u{202e}gpj\\u{2069}",
            ),
        ] {
            assert_eq!(lines(text), several);
            assert_eq!(line(text), one);
        }
    }

    #[test]
    fn json_stays_what_it_says() {
        let value = serde_json::json!({"a\u{9b}": ["\u{1b}[31m", "\u{202e}gpj", "ü\n\t\u{7f}"]});
        let shown = json(&serde_json::to_string_pretty(&value).unwrap());
        assert!(shown.chars().all(|c| c == '\n' || !acts(c)), "{shown}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&shown).unwrap(), value);
    }

    #[test]
    fn what_is_too_long_is_cut_between_characters() {
        assert_eq!(begin("ü"), "ü");
        assert_eq!(begin(&"ü".repeat(5000)).chars().count(), 2001);
        let chain = format!("{}the reason", "ü: ".repeat(5000));
        let shown = both_ends(&chain);
        assert_eq!(shown.chars().count(), 2003);
        assert!(
            shown.starts_with("ü: ") && shown.ends_with("ü: the reason"),
            "{shown}"
        );
        let whole = "ü".repeat(2000);
        assert_eq!(both_ends(&whole), whole);
    }
}
