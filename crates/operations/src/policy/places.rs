//! Where in a file the value stands that a rule speaks of. Files are read again for it, one at a time.

use std::path::Path;

use guardrails::{Outcome, Verdict};
use yaml::{Document, Position};

use super::files::documents;

/// Each search reads a text again; after so many an answer is where the object begins.
const SEARCHES: usize = 1_000;

/// Answers, in the order of the objects.
#[derive(Debug, Default)]
pub struct Places {
    file: String,
    documents: Vec<Document>,
    searches: usize,
}

impl Places {
    /// The line and column of what a verdict is about, for an object that begins at a line of a file.
    pub fn of(&mut self, file: &str, line: usize, verdict: &Verdict) -> (usize, usize) {
        let problem = !matches!(verdict.outcome, Outcome::Pass | Outcome::Skip);
        let Some(path) = verdict.path.as_deref().filter(|_| problem && !file.is_empty()) else {
            return (line, 1);
        };
        if self.searches == SEARCHES {
            return (line, 1);
        }
        self.searches += 1;
        if self.file != file {
            // What cannot be read again, such as standard input, has no places.
            self.documents = documents(Path::new(file)).unwrap_or_default();
            file.clone_into(&mut self.file);
        }
        let document = self.documents.iter().find(|document| document.line() == line);
        // The objects of a list have paths of their own.
        let document = document.filter(|document| document.value.get("items").is_none());
        let place = document.and_then(|document| nearest(document, path, ""));
        place.map_or((line, 1), |place| (place.line, place.column))
    }
}

/// Where a value stands in an object of a document; where it is missing, what it is missing from. Nothing where that is
/// the whole document.
pub(crate) fn nearest(document: &Document, pointer: &str, object: &str) -> Option<Position> {
    let mut at = pointer;
    while at.len() > object.len() {
        if document.value.pointer(at).is_some() {
            return document.position(at);
        }
        at = at.rsplit_once('/').map_or("", |(above, _)| above);
    }
    document.position(object).filter(|_| !object.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_missing_from_something() {
        let text = "kind: Pod\nspec:\n  containers:\n    - name: a\n      image: b\n";
        let document = yaml::parse(text).unwrap();
        let check = |pointer: &str, expect: Option<(usize, usize)>| {
            let place = nearest(&document, pointer, "").map(|place| (place.line, place.column));
            assert_eq!(place, expect, "{pointer}");
        };
        check("/spec/containers/0/image", Some((5, 14)));
        check("/spec/containers/0/resources/limits", Some((4, 7)));
        check("/spec/volumes/0", Some((2, 1)));
        check("/metadata/labels", None);
        check("", None);
    }
}
