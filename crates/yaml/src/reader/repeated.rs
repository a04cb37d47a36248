//! Finds the keys that a mapping has more than once.

use granit_parser::Event;

use super::{Reader, is_merge, locate::skip, place};

/// No more keys are named: by then somebody knows.
const MOST: usize = 100;

/// The keys of the first document that stand more than once in their mapping, each with the line of the value that came
/// too late, as go-yaml counts them in its strict mode; the first hundred of them. A text that cannot be read has none.
pub fn repeated_keys(text: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    let mut reader = Reader::new(text.strip_prefix('\u{feff}').unwrap_or(text));
    loop {
        match reader.next() {
            Ok(Some((Event::StreamStart | Event::DocumentStart(..), _))) => {}
            Ok(Some((event, _))) => {
                // What cannot be read is told by whoever reads the values.
                let _ = walk(&mut reader, &event, &mut found);
                return found;
            }
            Ok(None) | Err(_) => return found,
        }
    }
}

/// Walks one node whose opening event was read; the parser bounds how deep.
fn walk(reader: &mut Reader<'_>, event: &Event<'_>, found: &mut Vec<(usize, String)>) -> Option<()> {
    match event {
        Event::MappingStart(..) => {
            let mut seen = std::collections::HashSet::new();
            loop {
                let (event, span) = reader.next().ok()??;
                if matches!(event, Event::MappingEnd) {
                    return Some(());
                }
                let key = if matches!(event, Event::Scalar(..)) && !is_merge(&event) {
                    Some(reader.key(event, &span, 0).ok()?.0)
                } else {
                    skip(reader, &event)?;
                    None
                };
                let (event, span) = reader.next().ok()??;
                walk(reader, &event, found)?;
                if let Some(key) = key
                    && !seen.insert(key.clone())
                    && found.len() < MOST
                {
                    found.push((place(&span).line, key));
                }
            }
        }
        Event::SequenceStart(..) => loop {
            let (event, _) = reader.next().ok()??;
            if matches!(event, Event::SequenceEnd) {
                return Some(());
            }
            walk(reader, &event, found)?;
        },
        _ => Some(()),
    }
}
