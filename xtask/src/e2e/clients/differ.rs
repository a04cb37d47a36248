//! Which lines one side has and the other has not.

/// A line that one side alone has; `-` says Kubernetes, `+` the sandbox.
pub(super) fn lines(kubernetes: &[String], sandbox: &[String]) -> Vec<String> {
    let head = kubernetes
        .iter()
        .zip(sandbox)
        .take_while(|(one, other)| one == other)
        .count();
    let (kubernetes, sandbox) = (&kubernetes[head..], &sandbox[head..]);
    // The lengths of the longest common subsequences of what is left from each place on.
    let width = sandbox.len() + 1;
    let mut longest = vec![0_usize; (kubernetes.len() + 1) * width];
    for row in (0..kubernetes.len()).rev() {
        for column in (0..sandbox.len()).rev() {
            longest[row * width + column] = if kubernetes[row] == sandbox[column] {
                longest[(row + 1) * width + column + 1] + 1
            } else {
                longest[(row + 1) * width + column].max(longest[row * width + column + 1])
            };
        }
    }
    let (mut row, mut column) = (0, 0);
    let mut found = Vec::new();
    while row < kubernetes.len() || column < sandbox.len() {
        match (kubernetes.get(row), sandbox.get(column)) {
            (Some(one), Some(other)) if one == other => {
                row += 1;
                column += 1;
            }
            (Some(one), other)
                if other.is_none()
                    || longest[(row + 1) * width + column] >= longest[row * width + column + 1] =>
            {
                found.push(format!("- {one}"));
                row += 1;
            }
            (_, Some(other)) => {
                found.push(format!("+ {other}"));
                column += 1;
            }
            (_, None) => break,
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_one_side_are_named() {
        let check = |one: &str, other: &str, expect: &[&str]| {
            let split = |text: &str| text.split_terminator(' ').map(str::to_owned).collect::<Vec<_>>();
            assert_eq!(lines(&split(one), &split(other)), expect, "{one} / {other}");
        };
        check("a b c", "a b c", &[]);
        check("a b c", "a c", &["- b"]);
        check("a c", "a b c", &["+ b"]);
        check("a b c d", "a x c y", &["- b", "+ x", "- d", "+ y"]);
        check("", "a", &["+ a"]);
        check("a", "", &["- a"]);
    }
}
