//! Packed charts: a gzipped tar archive, as `helm package` makes it, becomes files. Archives come from anywhere:
//! names that lead out, links and what would not end when unpacked are refused.

use std::collections::BTreeMap;
use std::io::{self, Read};
use std::sync::Arc;

use flate2::read::MultiGzDecoder;

use crate::error::ChartError;
use crate::source::{Allowance, without_mark};

/// The files of a packed chart, by their paths in the chart.
pub(crate) fn unpack(
    data: &[u8],
    allowance: &mut Allowance,
) -> Result<BTreeMap<String, Arc<[u8]>>, ChartError> {
    // Beside the files there are headers, padding and names; twice the room is plenty.
    let bounded = Bounded {
        inner: MultiGzDecoder::new(data),
        left: 2 * allowance.bytes() + (1 << 20),
    };
    let mut archive = tar::Archive::new(bounded);
    let mut files = BTreeMap::new();
    for entry in archive.entries().map_err(|error| broken(&error))? {
        let mut entry = entry.map_err(|error| broken(&error))?;
        let raw = entry.path_bytes().into_owned();
        let kind = entry.header().entry_type();
        if kind.is_dir() || raw.ends_with(b"/") || kind.is_pax_global_extensions() {
            allowance.take_entry()?;
            continue;
        }
        let Ok(name) = std::str::from_utf8(&raw) else {
            return refuse("the chart holds a file whose name is not UTF-8");
        };
        if !(kind.is_file() || kind.is_contiguous()) {
            return refuse(format!("the chart holds {name:?}, which is not a plain file"));
        }
        let path = inner_path(name)?;
        let size = entry.size();
        allowance.take_file(name, size)?;
        let mut content = Vec::new();
        let read = entry.by_ref().take(size).read_to_end(&mut content);
        if read.map_err(|error| broken(&error))? as u64 != size {
            return refuse(format!("the archive ends in the middle of {name:?}"));
        }
        files.insert(path, Arc::from(without_mark(&content)));
    }
    if files.is_empty() {
        return refuse("no files in chart archive");
    }
    Ok(files)
}

fn refuse<T>(message: impl Into<String>) -> Result<T, ChartError> {
    Err(ChartError::Invalid(message.into()))
}

fn broken(error: &io::Error) -> ChartError {
    ChartError::Invalid(format!("cannot unpack the chart: {error}"))
}

/// A path without the folder that the whole chart is in.
fn inner_path(name: &str) -> Result<String, ChartError> {
    // Archives made on Windows.
    let name = name.replace('\\', "/");
    let (folder, inner) = name.split_once('/').unwrap_or((&name, ""));
    if folder == "Chart.yaml" {
        return refuse("chart yaml not in base directory");
    }
    if inner.starts_with('/') {
        return refuse("chart illegally contains absolute paths");
    }
    let mut steps: Vec<&str> = Vec::new();
    for step in inner.split('/') {
        match step {
            ".." if steps.pop().is_none() => return refuse("chart illegally references parent directory"),
            "" | "." | ".." => {}
            step => steps.push(step),
        }
    }
    match steps.first() {
        None => refuse(format!(
            "chart illegally contains content outside the base directory: {name:?}"
        )),
        // Helm refuses every name that begins so.
        Some(first) if first.starts_with("..") => refuse("chart illegally references parent directory"),
        Some(first) if first.len() == 2 && first.ends_with(':') && steps.len() > 1 => {
            refuse("chart contains illegally named files")
        }
        Some(_) => Ok(steps.join("/")),
    }
}

/// A reader that fails when it gives too much.
struct Bounded<R> {
    inner: R,
    left: u64,
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(into)?;
        self.left = self
            .left
            .checked_sub(read as u64)
            .ok_or_else(|| io::Error::other("it is too large when unpacked"))?;
        Ok(read)
    }
}
