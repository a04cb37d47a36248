//! What others say (registries, kubelets, provisioners), in plain words. No I/O.

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
    if !said.contains(':') || (said.starts_with("Back-off pulling image") && !said.contains("rpc error")) {
        return None;
    }
    let core = said.rsplit_once("desc = ").map_or(said, |(_, core)| core);
    let mut core = core
        .strip_prefix("Error response from daemon: ")
        .unwrap_or(core)
        .trim();
    // `failed to pull and unpack image "x": failed to resolve reference "x": x: not found`
    for wrapper in [
        "failed to pull and unpack image \"",
        "failed to resolve reference \"",
        "failed to resolve image \"",
        "Failed to pull image \"",
    ] {
        if let Some((_, rest)) = core
            .strip_prefix(wrapper)
            .and_then(|rest| rest.split_once("\": "))
        {
            core = rest;
        }
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
