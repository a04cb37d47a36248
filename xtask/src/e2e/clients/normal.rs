//! What nobody can foresee in the output of a program is made the same on both sides:
//!
//! - points in time, dates and durations: the two engines are not asked at the same moment;
//! - uids, resource versions, generated ends of names, hashes of pod templates and revisions;
//! - addresses, drawn ports, the ports that servers listen on, issued tokens;
//! - the names of nodes: each engine has its own;
//! - who acts in the cluster's name, in events and managed fields: Kubernetes has a name for each of its controllers, the
//!   sandbox says everywhere that it is the sandbox;
//! - folders and files that a client makes for a moment, the head of a line of its log, places in memory;
//! - events about the repair of addresses: Kubernetes' own check may come between a Service and its address, or not;
//! - how wide a column is, since all of the above stand in columns.

/// The letters that Kubernetes makes names of: no vowels, nothing that looks like another.
const DRAWN: &str = "bcdfghjklmnpqrstvwxz2456789";
const DAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
/// Who acts in the cluster's name.
const CONTROLLERS: [&str; 11] = [
    "towpath-sandbox",
    "kube-controller-manager",
    "cronjob-controller",
    "daemonset-controller",
    "default-scheduler",
    "deployment-controller",
    "horizontal-pod-autoscaler",
    "job-controller",
    "persistentvolume-controller",
    "replicaset-controller",
    "statefulset-controller",
];

/// The reason of events of the check that Kubernetes repairs the addresses of Services by.
const REPAIR: &str = "ClusterIPNotAllocated";
/// How a description begins its events, and what follows where there are some.
const EVENTS: [&str; 3] = [
    "Events:",
    "  Type  Reason  Age  From  Message",
    "  ----  ------  ----  ----  -------",
];

/// Leaves out what comes or not as chance has it, of lines that are compared.
pub(super) fn leave_out(lines: &mut Vec<String>) {
    lines.retain(|line| !line.contains(REPAIR));
    // A description without events has no table of them.
    let mut at = 0;
    while let Some(rest) = lines.get(at..).filter(|rest| !rest.is_empty()) {
        let none_follows = rest.get(EVENTS.len()).is_none_or(|line| !line.starts_with("  "));
        if rest.len() >= EVENTS.len() && rest.iter().zip(EVENTS).all(|(line, of)| line == of) && none_follows
        {
            lines.splice(at..at + EVENTS.len(), ["Events:  <none>".to_owned()]);
        }
        at += 1;
    }
}

/// A line as it is compared; `nodes` are the names of the engine's nodes.
pub(super) fn line(text: &str, nodes: &[String]) -> String {
    let text = text.trim_end();
    let indent = text.len() - text.trim_start().len();
    let mut out = text[..indent].to_owned();
    let words = Words(&text[indent..]);
    let mut day = 0;
    let (mut versioned, mut measured) = (false, false);
    for (word, gap) in words {
        // The rest of "Sun, 22 Nov 2026 10:00:00 +0000" or "Sun Nov 22 10:00:00 2026".
        if day > 0 {
            day -= 1;
            if day == 0 {
                out.push_str(match gap.len() {
                    0 => "",
                    1 => " ",
                    _ => "  ",
                });
            }
            continue;
        }
        if DAYS.contains(&word.trim_end_matches(',')) && gap == " " {
            out.push_str("TIME");
            day = if word.ends_with(',') { 5 } else { 4 };
            continue;
        }
        if versioned
            && word
                .trim_matches(['"', ','])
                .bytes()
                .all(|byte| byte.is_ascii_digit())
        {
            out.push_str("VERSION");
        } else if measured {
            out.push_str(word);
        } else {
            out.push_str(&normal_word(word, nodes));
        }
        versioned = matches!(word, "resourceVersion:" | "\"resourceVersion\":" | "Version:");
        // What follows is a quantity, and 500m are no minutes.
        measured = word.trim_matches(['"', ':']).ends_with("cpu");
        out.push_str(match gap.len() {
            0 => "",
            1 => " ",
            _ => "  ",
        });
    }
    let words = out.split(' ').collect::<Vec<_>>();
    match words.as_slice() {
        // The head of a line of a log: level and day, time, process.
        [level, "TIME", "", process, rest @ ..] | [level, "TIME", process, rest @ ..]
            if is_log_level(level) && is_process(process) =>
        {
            format!("LOG {}", rest.join(" "))
        }
        _ => out,
    }
}

/// Words and the blanks behind them.
struct Words<'a>(&'a str);

impl<'a> Iterator for Words<'a> {
    type Item = (&'a str, &'a str);

    fn next(&mut self) -> Option<Self::Item> {
        let blank = |c: char| c == ' ' || c == '\t';
        if self.0.is_empty() {
            return None;
        }
        let (word, rest) = self.0.split_at(self.0.find(blank).unwrap_or(self.0.len()));
        let (gap, rest) = rest.split_at(rest.find(|c| !blank(c)).unwrap_or(rest.len()));
        self.0 = rest;
        Some((word, gap))
    }
}

/// A process's number, which may look like a drawn port.
fn is_process(word: &str) -> bool {
    word == "DRAWN" || word.bytes().all(|byte| byte.is_ascii_digit())
}

fn is_log_level(word: &str) -> bool {
    let mut bytes = word.bytes();
    word.len() == 5
        && bytes.next().is_some_and(|byte| b"IWEF".contains(&byte))
        && bytes.all(|byte| byte.is_ascii_digit())
}

fn normal_word(word: &str, nodes: &[String]) -> String {
    let mut out = String::new();
    let mut rest = word;
    while !rest.is_empty() {
        let part = |c: char| c.is_ascii_alphanumeric() || "-.:+".contains(c);
        let end = rest.find(|c| !part(c)).unwrap_or(rest.len());
        if end == 0 {
            let next = rest.chars().next().map_or(1, char::len_utf8);
            out.push_str(&rest[..next]);
            rest = &rest[next..];
            continue;
        }
        let (piece, others) = rest.split_at(end);
        // What ends a sentence is not of the word.
        let bare = piece.trim_end_matches(['.', ':', '-', '+']);
        // An object within a text, as what was applied last.
        if out.ends_with("\"resourceVersion\":\"") && bare.bytes().all(|byte| byte.is_ascii_digit()) {
            out.push_str("VERSION");
        } else {
            out.push_str(&normal_piece(bare, nodes));
        }
        out.push_str(&piece[bare.len()..]);
        rest = others;
    }
    out
}

fn normal_piece(piece: &str, nodes: &[String]) -> String {
    if nodes.iter().any(|node| node == piece) {
        return "NODE".to_owned();
    }
    if CONTROLLERS.contains(&piece) {
        return "CONTROLLER".to_owned();
    }
    // A place in memory, in a client's last words.
    if piece
        .strip_prefix("0x")
        .is_some_and(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()))
    {
        return "PLACE".to_owned();
    }
    if is_shaped(piece, "0000-00-00") {
        return "DATE".to_owned();
    }
    if is_time(piece) {
        return "TIME".to_owned();
    }
    if is_duration(piece) {
        return "AGE".to_owned();
    }
    if let Some((address, port)) = piece.split_once(':')
        && is_address(address)
    {
        return if port.bytes().all(|byte| byte.is_ascii_digit()) {
            "ADDRESS:PORT".to_owned()
        } else {
            format!("ADDRESS:{port}")
        };
    }
    if is_address(piece) {
        return "ADDRESS".to_owned();
    }
    if piece.starts_with("eyJ") && piece.len() > 60 {
        return "TOKEN".to_owned();
    }
    // Seconds since 1970, which Helm labels its records with.
    if is_shaped(piece, "0000000000") {
        return "TIME".to_owned();
    }
    if let Some((before, port)) = piece.split_once(':')
        && is_drawn_port(port)
    {
        return format!("{before}:DRAWN");
    }
    if is_drawn_port(piece) {
        return "DRAWN".to_owned();
    }
    for (folder, end) in [("LIVE-", ""), ("MERGED-", ""), ("kubectl-edit-", ".yaml")] {
        let number = piece.strip_prefix(folder).and_then(|rest| rest.strip_suffix(end));
        if number.is_some_and(|number| number.bytes().all(|byte| byte.is_ascii_digit())) {
            return folder.trim_end_matches('-').to_owned();
        }
    }
    normal_name(&without_uids(piece))
}

/// Names whose ends were drawn, and hashes that end a name or stand alone.
fn normal_name(name: &str) -> String {
    let drawn = |text: &str, lengths: std::ops::RangeInclusive<usize>| {
        lengths.contains(&text.len()) && text.chars().all(|letter| DRAWN.contains(letter))
    };
    let hash = |text: &str| drawn(text, 8..=10);
    match name.rsplit_once('-') {
        Some((before, end)) if drawn(end, 5..=5) => match before.rsplit_once('-') {
            Some((before, middle)) if hash(middle) => format!("{before}-HASH-DRAWN"),
            _ => format!("{before}-DRAWN"),
        },
        Some((before, end)) if hash(end) => format!("{before}-HASH"),
        None if hash(name) => "HASH".to_owned(),
        _ => name.to_owned(),
    }
}

fn without_uids(piece: &str) -> String {
    const LENGTH: usize = 36;
    let at = (0..piece.len().saturating_sub(LENGTH - 1)).find(|&at| {
        piece.get(at..at + LENGTH).is_some_and(|text| {
            text.bytes().enumerate().all(|(place, byte)| match place {
                8 | 13 | 18 | 23 => byte == b'-',
                _ => byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte),
            })
        })
    });
    match at {
        Some(at) => format!("{}UID{}", &piece[..at], &piece[at + LENGTH..]),
        None => piece.to_owned(),
    }
}

/// Whether a text has digits where `shape` has them, and else is the same.
fn is_shaped(text: &str, shape: &str) -> bool {
    text.len() == shape.len()
        && text.bytes().zip(shape.bytes()).all(|(byte, shape)| {
            if shape == b'0' {
                byte.is_ascii_digit()
            } else {
                byte == shape
            }
        })
}

fn is_time(text: &str) -> bool {
    let clock = text
        .get(..11)
        .filter(|day| is_shaped(day, "0000-00-00T"))
        .map_or(text, |_| &text[11..]);
    clock.get(..8).is_some_and(|clock| is_shaped(clock, "00:00:00"))
        && clock[8..]
            .bytes()
            .all(|byte| byte.is_ascii_digit() || b".Z+:".contains(&byte))
}

fn is_duration(text: &str) -> bool {
    let mut rest = text;
    while !rest.is_empty() {
        let digits = rest.len()
            - rest
                .trim_start_matches(|c: char| c.is_ascii_digit() || c == '.')
                .len();
        let unit = ["ms", "s", "m", "h", "d", "y"]
            .into_iter()
            .find(|unit| rest[digits..].starts_with(unit));
        match unit {
            Some(unit) if digits > 0 => rest = &rest[digits + unit.len()..],
            _ => return false,
        }
    }
    !text.is_empty()
}

fn is_address(text: &str) -> bool {
    let parts: Vec<&str> = text.split('.').collect();
    parts.len() == 4 && parts.iter().all(|part| part.parse::<u8>().is_ok())
}

fn is_drawn_port(text: &str) -> bool {
    text.len() == 5
        && text
            .parse()
            .is_ok_and(|port: u16| (30_000..=32_767).contains(&port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_of_repairs_are_left_out() {
        let check = |text: &[&str], expect: &[&str]| {
            let mut lines = text.iter().map(|line| (*line).to_owned()).collect();
            leave_out(&mut lines);
            assert_eq!(lines, expect, "{text:?}");
        };
        let repair = "  Warning  ClusterIPNotAllocated  AGE  ipallocator-repair-controller  Cluster IP [IPv4]: ADDRESS";
        let other = "  Normal  Scheduled  AGE  CONTROLLER  placed";
        let [events, head, rule] = EVENTS;
        check(
            &[
                "Name:  web",
                events,
                head,
                rule,
                repair,
                "",
                "Name:  b",
                events,
                head,
                rule,
                repair,
            ],
            &["Name:  web", "Events:  <none>", "", "Name:  b", "Events:  <none>"],
        );
        check(&[events, head, rule, repair, other], &[events, head, rule, other]);
        check(&["Events:  <none>", "Name:  b"], &["Events:  <none>", "Name:  b"]);
        check(&[], &[]);
    }

    #[test]
    fn what_is_drawn_or_timed_is_made_the_same() {
        let nodes = ["node-0".to_owned()];
        let check = |text: &str, expect: &str| assert_eq!(line(text, &nodes), expect, "{text}");
        check(
            "web-5d9c8b7f6-x2vzq   1/1     Running   0          3m2s",
            "web-HASH-DRAWN  1/1  Running  0  AGE",
        );
        check("    cpu: 500m", "    cpu: 500m");
        check("limits.cpu  200m  1", "limits.cpu  200m  1");
        check("pod/web-x2vzq condition met", "pod/web-DRAWN condition met");
        check(
            "deployment.apps/front-end created",
            "deployment.apps/front-end created",
        );
        check("    pod-template-hash: 5d9c8b7f6", "    pod-template-hash: HASH");
        check("  uid: 0f8fad5b-d9cb-469f-a165-70867728950e", "  uid: UID");
        check(
            "pvc-0f8fad5b-d9cb-469f-a165-70867728950e   Bound",
            "pvc-UID  Bound",
        );
        check("  resourceVersion: \"123\"", "  resourceVersion: VERSION");
        check("\"resourceVersion\": \"123\",", "\"resourceVersion\": VERSION");
        check(
            "{\"name\":\"web\",\"resourceVersion\":\"123\"}",
            "{\"name\":\"web\",\"resourceVersion\":\"VERSION\"}",
        );
        check("  time: \"2026-11-22T00:00:00Z\"", "  time: \"TIME\"");
        check(
            "Start Time:       Sun, 22 Nov 2026 00:00:00 +0000",
            "Start Time:  TIME",
        );
        check(
            "--- /tmp/LIVE-12/v1.web\t2026-11-22 00:00:00.123456789 +0000",
            "--- /tmp/LIVE/v1.web DATE TIME +0000",
        );
        check("LAST DEPLOYED: Sun Nov 22 00:00:00 2026", "LAST DEPLOYED: TIME");
        check("modifiedAt=1795308978,name=web", "modifiedAt=TIME,name=web");
        check(
            "Normal  Created  3s  job-controller  Created",
            "Normal  Created  AGE  CONTROLLER  Created",
        );
        check(
            "stored to \"/tmp/kubectl-edit-437199188.yaml\"",
            "stored to \"/tmp/kubectl-edit\"",
        );
        check("Run(0x17b358621a40)", "Run(PLACE)");
        check("80:31234/TCP  10.96.0.1", "80:DRAWN/TCP  ADDRESS");
        check("https://127.0.0.1:6443/api", "https://ADDRESS:PORT/api");
        check(
            "E1122 00:38:11.123456   12345 memcache.go:265] x",
            "LOG memcache.go:265] x",
        );
        check(
            "E1122 00:38:11.123456   31234 memcache.go:265] x",
            "LOG memcache.go:265] x",
        );
        check("assigned to node-0 (3s ago)", "assigned to NODE (AGE ago)");
        check("replicas: 3", "replicas: 3");
        check(
            "http-get http://:http/health delay=0s #success=1",
            "http-get http://:http/health delay=AGE #success=1",
        );
    }
}
