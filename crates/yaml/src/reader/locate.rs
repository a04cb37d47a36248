//! Finds the place of a value in its text again.

use granit_parser::{Event, ScalarStyle, Span};

use super::{Reader, is_merge, place};
use crate::document::Position;

/// Finds the place of the value under a JSON pointer in the text of one document.
pub(crate) fn locate(text: &str, pointer: &str) -> Option<Position> {
    let mut steps: Vec<String> = Vec::new();
    if !pointer.is_empty() {
        for step in pointer.strip_prefix('/')?.split('/') {
            steps.push(step.replace("~1", "/").replace("~0", "~"));
        }
    }
    let mut reader = Reader::new(text);
    loop {
        match reader.next().ok()?? {
            (Event::StreamStart | Event::DocumentStart(..), _) => {}
            (event, span) => return find(&mut reader, &event, &span, None, &steps),
        }
    }
}

/// Walks one node whose opening event was read; consumes it wholly unless the place is found.
fn find(
    reader: &mut Reader<'_>,
    event: &Event<'_>,
    span: &Span,
    key: Option<Position>,
    steps: &[String],
) -> Option<Position> {
    let Some((step, rest)) = steps.split_first() else {
        // Nothing was written, or a block whose text starts on a later line.
        let hidden = span.start.index() == span.end.index()
            || matches!(
                event,
                Event::Scalar(_, ScalarStyle::Literal | ScalarStyle::Folded, _, _)
            );
        let own = place(span);
        return Some(match event {
            Event::MappingStart(..) | Event::SequenceStart(..) => key.unwrap_or(own),
            _ if hidden => key.unwrap_or(own),
            _ => own,
        });
    };
    match event {
        Event::MappingStart(..) => {
            // The last of equal keys wins, so the whole mapping is walked.
            let mut found = None;
            let mut merged = None;
            loop {
                let (event, span) = reader.next().ok()??;
                if matches!(event, Event::MappingEnd) {
                    return found.or(merged);
                }
                let here = place(&span);
                if is_merge(&event) {
                    let (event, _) = reader.next().ok()??;
                    skip(reader, &event)?;
                    merged = Some(here);
                    continue;
                }
                let matches_step = if let Event::Scalar(..) = &event {
                    reader.key(event, &span, 0).ok()?.0 == *step
                } else {
                    skip(reader, &event)?;
                    false
                };
                let (event, span) = reader.next().ok()??;
                if matches_step {
                    let is_collection = matches!(event, Event::MappingStart(..) | Event::SequenceStart(..));
                    let inner = find(reader, &event, &span, Some(here), rest);
                    if is_collection && rest.is_empty() {
                        skip(reader, &event)?;
                    }
                    found = inner;
                } else {
                    skip(reader, &event)?;
                }
            }
        }
        Event::SequenceStart(..) => {
            let wanted = step.parse().unwrap_or(usize::MAX);
            let mut index = 0;
            let mut found = None;
            loop {
                let (event, span) = reader.next().ok()??;
                if matches!(event, Event::SequenceEnd) {
                    return found;
                }
                if index == wanted {
                    found = find(reader, &event, &span, Some(place(&span)), rest);
                    let is_collection = matches!(event, Event::MappingStart(..) | Event::SequenceStart(..));
                    if is_collection && rest.is_empty() {
                        skip(reader, &event)?;
                    }
                } else {
                    skip(reader, &event)?;
                }
                index += 1;
            }
        }
        // What an alias holds stands elsewhere; the alias is where it came in here.
        Event::Alias(_) => Some(place(span)),
        _ => None,
    }
}

/// Consumes the rest of a node whose opening event was read.
pub(super) fn skip(reader: &mut Reader<'_>, event: &Event<'_>) -> Option<()> {
    if !matches!(event, Event::MappingStart(..) | Event::SequenceStart(..)) {
        return Some(());
    }
    let mut open = 1_usize;
    while open > 0 {
        match reader.next().ok()??.0 {
            Event::MappingStart(..) | Event::SequenceStart(..) => open += 1,
            Event::MappingEnd | Event::SequenceEnd => open -= 1,
            _ => {}
        }
    }
    Some(())
}
