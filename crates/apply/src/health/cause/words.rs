//! What others say (registries, kubelets, provisioners, programs that fall), in plain words. No I/O.

use serde_json::Value;

/// As much of somebody else's message as is repeated.
const MESSAGE_LIMIT: usize = 300;

/// Somebody else's words, fit to be repeated: one line, no control characters, not endless.
pub(super) fn quote(text: &str) -> String {
    let line: String = text
        .trim()
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    match line.char_indices().nth(MESSAGE_LIMIT) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}

/// What the registry said, out of the layers of what kubelet and containerd said around it.
pub(super) fn registry_says(said: &str) -> Option<String> {
    // `Back-off pulling image "x": ErrImagePull: …`; older kubelets say no more than that they wait.
    let said = match said.strip_prefix("Back-off pulling image ") {
        Some(rest) => rest.split_once("ErrImagePull: ")?.1,
        None => said,
    };
    if !said.contains(':') {
        return None;
    }
    let core = said.rsplit_once("desc = ").map_or(said, |(_, core)| core);
    let mut core = core
        .strip_prefix("Error response from daemon: ")
        .unwrap_or(core)
        .trim();
    if core.starts_with("Error: ") {
        return None;
    }
    // `failed to pull and unpack image "x": failed to resolve reference "x": x: not found`
    for wrapper in [
        "Failed to pull image \"",
        "failed to pull and unpack image \"",
        "failed to resolve reference \"",
        "failed to resolve image \"",
    ] {
        if let Some((_, rest)) = core
            .strip_prefix(wrapper)
            .and_then(|rest| rest.split_once("\": "))
        {
            core = rest;
        }
    }
    if let Some(unreachable) = unreachable_registry(core) {
        return Some(unreachable);
    }
    // `unexpected status from HEAD request to https://…: 401 Unauthorized` and `…: not found` say it at the end.
    let plain = core.rsplit_once(": ").map_or(core, |(_, end)| end);
    let plain = match plain {
        "not found" | "manifest unknown" => "the registry has no such image or tag",
        "no such host" => "the registry's name cannot be resolved",
        _ => core,
    };
    let plain = if plain.contains("401 Unauthorized")
        || plain.contains("403 Forbidden")
        || plain.contains("pull access denied")
    {
        format!("the registry refuses access ({})", quote(core))
    } else {
        quote(plain)
    };
    Some(plain).filter(|plain| !plain.is_empty())
}

/// `failed to do request: Head "https://registry/v2/…": dial tcp: lookup …: no such host`: nobody answered at all.
fn unreachable_registry(core: &str) -> Option<String> {
    let request = core.strip_prefix("failed to do request: ")?;
    let (address, why) = request.split_once("://")?.1.split_once("\": ")?;
    let host = address.split('/').next()?;
    let why = match why.rsplit_once(": ").map_or(why, |(_, end)| end) {
        "no such host" => "its name cannot be resolved",
        "EOF" => "it hangs up",
        end => end,
    };
    Some(format!(
        "the registry {} cannot be reached: {}",
        quote(host),
        quote(why)
    ))
}

/// `secret "x" not found` in plain words; anything else as it is.
pub(super) fn missing_object(said: &str) -> String {
    if let Some((before, "not found")) = said.rsplit_once("\" ").map(|(b, a)| (b, a.trim()))
        && let Some((kind, name)) = before.rsplit_once(" \"").or_else(|| before.split_once(" \""))
    {
        let kind = kind.rsplit([' ', ':']).next().unwrap_or(kind);
        let kind = if kind == "configmap" { "config map" } else { kind };
        return format!("{kind} {} does not exist", quote(name));
    }
    if let Some((key, place)) = said
        .strip_prefix("couldn't find key ")
        .and_then(|rest| rest.split_once(" in "))
    {
        return format!("key {} is missing in {}", quote(key), quote(place));
    }
    quote(last_part(said))
}

pub(super) fn last_part(said: &str) -> &str {
    said.rsplit_once("desc = ").map_or(said, |(_, core)| core)
}

/// The class in `storageclass.storage.k8s.io "fast" not found`.
pub(super) fn missing_class(said: &str) -> Option<&str> {
    let (_, rest) = said.split_once("storageclass")?;
    let mut parts = rest.splitn(3, '"');
    let (_, class, after) = (parts.next()?, parts.next()?, parts.next()?);
    after.contains("not found").then_some(class)
}

/// What a program said when it fell, out of the last lines of its log: the error, not the stack that was printed
/// after it, and of a structured line what it says.
pub(super) fn last_words(log: &str) -> Option<String> {
    // Go prints its stacks after the reason, without a mark that would tell them from other lines.
    let cried = log
        .lines()
        .find(|line| line.starts_with("panic: ") || line.starts_with("fatal error: "));
    let line = cried
        .or_else(|| last_told(log))
        .or_else(|| log.lines().rfind(|line| !is_trace(line)))
        .or_else(|| log.lines().rfind(|line| !line.trim().is_empty()))?;
    let line = colourless(line);
    Some(quote(&structured(line.trim()).unwrap_or(line)))
}

/// The last line that is no part of a stack, nor of what Node.js prints in braces of an error after its stack.
fn last_told(log: &str) -> Option<&str> {
    let mut open: usize = 0;
    log.lines().rev().find(|line| {
        let line = line.trim();
        if open > 0 && line.ends_with('{') {
            open -= 1;
        } else if matches!(line, "}" | "},") {
            open += 1;
        }
        open == 0 && !is_trace(line)
    })
}

/// Without the sequences that colour text on a terminal.
fn colourless(line: &str) -> String {
    let mut parts = line.split("\u{1b}[");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |plain, part| {
        // Numbers and semicolons, then a letter that says what they are.
        let mut rest = part
            .trim_start_matches(|c: char| c.is_ascii_digit() || c == ';')
            .chars();
        rest.next();
        plain + rest.as_str()
    })
}

/// Lines that Java, Node.js and Rust print after the error itself.
fn is_trace(line: &str) -> bool {
    let line = line.trim();
    line.is_empty()
        || line == "}"
        || line.starts_with("at ")
        || line.starts_with("Emitted 'error' event")
        || (line.starts_with("... ") && line.ends_with(" more"))
        || line.starts_with("Node.js v")
        || line.starts_with("note: run with `RUST_BACKTRACE")
        || line.starts_with("note: Some details are omitted, run with `RUST_BACKTRACE")
}

/// The message and the error of a line of JSON, as the usual loggers name them.
fn structured(line: &str) -> Option<String> {
    let fields: Value = serde_json::from_str(line).ok().filter(Value::is_object)?;
    let places = [&fields, &fields["fields"]];
    let text = |names: &[&str]| {
        let found = places
            .iter()
            .flat_map(|place| names.iter().map(|name| &place[*name]))
            .find_map(|value| value.as_str().or_else(|| value["message"].as_str()));
        found.map(str::trim).filter(|text| !text.is_empty())
    };
    match (text(&["msg", "message"]), text(&["error", "err", "exception"])) {
        (Some(message), Some(error)) if !message.contains(error) => Some(format!("{message}: {error}")),
        (Some(message), _) => Some(message.to_owned()),
        (None, error) => error.map(str::to_owned),
    }
}
