//! Which scaffolds there are: those that ship with the platform, and the platform team's own in
//! `platform/scaffolds/<language>/` of the infrastructure repository. An own one takes the place of a shipped one
//! of the same name, whole. Knows nothing of what is in them.

use std::collections::BTreeSet;

use api::Name;
use delivery::Snapshot;

use crate::error::OperationError;

/// Where the platform team's own scaffolds are.
const OWN: &str = "platform/scaffolds/";
/// An own scaffold is first source code, not a history or a binary: bounds well above any honest one.
const FILES_LIMIT: usize = 1000;
const BYTES_LIMIT: usize = 8 * 1024 * 1024;

/// A file of a scaffold.
pub(super) struct ScaffoldFile {
    /// Its path inside the scaffold.
    pub path: String,
    /// Its text.
    pub text: String,
}

/// A scaffold, before anything is done to it.
pub(super) struct Scaffold {
    /// The folder it comes from, for messages; ends with a slash.
    pub origin: String,
    /// Its files.
    pub files: Vec<ScaffoldFile>,
}

/// The languages there is a scaffold for, shipped and own, in order.
pub(crate) fn languages(snapshot: &Snapshot) -> BTreeSet<String> {
    let mut languages = own_languages(snapshot);
    languages.extend(api::LANGUAGES.iter().map(|language| (*language).to_owned()));
    languages
}

/// The languages the platform team has a scaffold for, in order.
pub(super) fn own_languages(snapshot: &Snapshot) -> BTreeSet<String> {
    let own = snapshot.files.keys().filter_map(|path| {
        let (language, _) = path.as_str().strip_prefix(OWN)?.split_once('/')?;
        Name::parse("language", language)
            .ok()
            .map(|name| name.to_string())
    });
    own.collect()
}

/// The scaffold of a language.
pub(super) fn scaffold(language: &str, snapshot: &Snapshot) -> Result<Scaffold, OperationError> {
    let own = own(language, snapshot)?;
    if !own.files.is_empty() {
        return Ok(own);
    }
    let origin = format!("scaffolds/{language}/");
    let mut files = Vec::new();
    for (path, content) in expansion::builtin::scaffold(language)? {
        let text = text(&format!("{origin}{path}"), &content)?;
        files.push(ScaffoldFile { path, text });
    }
    Ok(Scaffold { origin, files })
}

fn own(language: &str, snapshot: &Snapshot) -> Result<Scaffold, OperationError> {
    let origin = format!("{OWN}{language}/");
    // What a snapshot leaves out would be missed in the new repository.
    if let Some(finding) = snapshot.findings.iter().find(|f| f.file.starts_with(&origin)) {
        return Err(mistake(&finding.file, finding.line, &finding.message));
    }
    let mut files = Vec::new();
    let mut bytes = 0;
    for (path, file) in &snapshot.files {
        let Some(inner) = path.as_str().strip_prefix(&origin) else {
            continue;
        };
        bytes += file.contents.len();
        if files.len() == FILES_LIMIT {
            let why = format!("the scaffold has more than {FILES_LIMIT} files");
            return Err(mistake(&origin, None, &why));
        }
        if bytes > BYTES_LIMIT {
            let why = format!("the scaffold has more than {BYTES_LIMIT} bytes");
            return Err(mistake(&origin, None, &why));
        }
        files.push(ScaffoldFile {
            path: inner.to_owned(),
            text: text(path.as_str(), &file.contents)?,
        });
    }
    Ok(Scaffold { origin, files })
}

fn text(file: &str, content: &[u8]) -> Result<String, OperationError> {
    match std::str::from_utf8(content) {
        Ok(text) if !text.contains('\0') => Ok(text.to_owned()),
        _ => Err(mistake(file, None, "the file is not plain UTF-8 text")),
    }
}

/// A mistake in a scaffold.
pub(super) fn mistake(file: &str, line: Option<usize>, why: &str) -> OperationError {
    OperationError::Scaffold {
        file: file.to_owned(),
        line,
        why: why.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_scaffolds_stand_beside_the_shipped_ones_and_win() {
        let snapshot = Snapshot::of_files([
            ("platform/scaffolds/java/src/Main.java", "class Main {}\n"),
            ("platform/scaffolds/go/main.go", "package own\n"),
            ("platform/scaffolds/README.md", "not a language\n"),
            ("platform/scaffolds/C_Sharp/x", "not a name\n"),
            ("teams/demo/scaffolds/perl/x.pl", "not the platform team's\n"),
        ])
        .unwrap();
        let mut expect: Vec<&str> = api::LANGUAGES.to_vec();
        expect.push("java");
        expect.sort_unstable();
        assert_eq!(languages(&snapshot).into_iter().collect::<Vec<_>>(), expect);

        let java = scaffold("java", &snapshot).unwrap();
        assert_eq!(java.files[0].path, "src/Main.java");
        let go = scaffold("go", &snapshot).unwrap();
        assert_eq!(
            go.files.len(),
            1,
            "an own scaffold replaces the shipped one as a whole"
        );
        assert!(scaffold("go", &Snapshot::default()).unwrap().files.len() > 5);
        assert!(scaffold("perl", &snapshot).is_err());
    }

    #[test]
    fn an_own_scaffold_is_plain_text_of_bounded_size() {
        let check = |snapshot: &Snapshot, expect: &str| {
            let error = scaffold("java", snapshot).err().expect(expect).to_string();
            assert!(error.contains(expect), "{error}");
        };
        check(
            &Snapshot::of_files([("platform/scaffolds/java/x", "a\0b")]).unwrap(),
            "platform/scaffolds/java/x: the file is not plain UTF-8 text",
        );
        let paths: Vec<String> = (0..=FILES_LIMIT)
            .map(|n| format!("platform/scaffolds/java/{n}"))
            .collect();
        check(
            &Snapshot::of_files(paths.iter().map(|path| (path.as_str(), ""))).unwrap(),
            "more than 1000 files",
        );
        let large = "x".repeat(BYTES_LIMIT / 2 + 1);
        check(
            &Snapshot::of_files([
                ("platform/scaffolds/java/a", large.as_str()),
                ("platform/scaffolds/java/b", &large),
            ])
            .unwrap(),
            "bytes",
        );

        let folder = tempfile::tempdir().unwrap();
        let java = folder.path().join("platform/scaffolds/java");
        std::fs::create_dir_all(&java).unwrap();
        std::fs::write(java.join("a"), "a").unwrap();
        std::os::unix::fs::symlink("/etc/passwd", java.join("b")).unwrap();
        check(
            &Snapshot::of_folder(folder.path()).unwrap(),
            "platform/scaffolds/java/b: only plain files",
        );
        std::fs::remove_file(java.join("b")).unwrap();
        std::fs::write(java.join("b"), [0xff, 0xfe]).unwrap();
        check(&Snapshot::of_folder(folder.path()).unwrap(), "UTF-8");
    }
}
