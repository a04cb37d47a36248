//! Results of suites as others read them: Markdown for merge requests, JUnit for pipelines.

use std::fmt::Write as _;

use operations::{PolicyTested, TestRow};

/// A table.
pub(super) fn markdown(tested: &PolicyTested, detailed: bool) -> String {
    let mut text = String::from("| ID | POLICY | RULE | RESOURCE | RESULT | REASON |");
    text.push_str(if detailed { " MESSAGE |\n" } else { "\n" });
    text.push_str("|----|----|----|----|----|----|");
    text.push_str(if detailed { "----|\n" } else { "\n" });
    let cell = |text: &str| text.replace('|', "\\|").replace('\n', " ");
    for (index, row) in tested.suites.iter().flat_map(|suite| &suite.rows).enumerate() {
        // Writing to a string cannot fail.
        let _ = write!(
            text,
            "| {} | {} | {} | {} | {} | {} |",
            index + 1,
            cell(&row.policy),
            cell(&row.rule),
            cell(&row.resource),
            if row.ok { "Pass" } else { "Fail" },
            cell(&row.reason)
        );
        if detailed {
            let _ = write!(text, " {} |", cell(&row.message));
        }
        text.push('\n');
    }
    text
}

/// JUnit XML: a suite of the file is a suite, an expectation a case.
pub(super) fn junit(tested: &PolicyTested) -> String {
    let all = || tested.suites.iter().flat_map(|suite| &suite.rows);
    let failures = |rows: &mut dyn Iterator<Item = &TestRow>| rows.filter(|row| !row.ok).count();
    let mut text = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites tests=\"{}\" failures=\"{}\">\n",
        all().count(),
        failures(&mut all())
    );
    for suite in &tested.suites {
        let _ = writeln!(
            text,
            "  <testsuite name=\"{}\" tests=\"{}\" failures=\"{}\">",
            escaped(&suite.file),
            suite.rows.len(),
            failures(&mut suite.rows.iter())
        );
        for row in &suite.rows {
            let _ = write!(
                text,
                "    <testcase classname=\"{}\" name=\"{} {}\"",
                escaped(&row.policy),
                escaped(&row.rule),
                escaped(&row.resource)
            );
            let _ = if row.ok {
                writeln!(text, "/>")
            } else {
                writeln!(
                    text,
                    ">\n      <failure message=\"{}\">{}</failure>\n    </testcase>",
                    escaped(&row.reason),
                    escaped(&row.message)
                )
            };
        }
        text.push_str("  </testsuite>\n");
    }
    text.push_str("</testsuites>\n");
    text
}

fn escaped(text: &str) -> String {
    let escaped = |letter: char| match letter {
        '&' => "&amp;".to_owned(),
        '<' => "&lt;".to_owned(),
        '>' => "&gt;".to_owned(),
        '"' => "&quot;".to_owned(),
        '\n' => "&#10;".to_owned(),
        letter if letter.is_control() => "?".to_owned(),
        letter => letter.to_string(),
    };
    text.chars().map(escaped).collect()
}
