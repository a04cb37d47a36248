//! DER, as much of it as reading certificates needs. Bounded by the length of what is read.

const BOOLEAN: u8 = 0x01;
const INTEGER: u8 = 0x02;
pub(super) const BIT_STRING: u8 = 0x03;
pub(super) const OCTET_STRING: u8 = 0x04;
pub(super) const NULL: u8 = 0x05;
pub(super) const IDENTIFIER: u8 = 0x06;
pub(super) const UTC_TIME: u8 = 0x17;
pub(super) const SEQUENCE: u8 = 0x30;
pub(super) const SET: u8 = 0x31;

/// What is left to read.
#[derive(Clone, Copy)]
pub(super) struct Reader<'b>(pub(super) &'b [u8]);

/// One value.
#[derive(Clone, Copy)]
pub(super) struct Element<'b> {
    pub(super) tag: u8,
    pub(super) content: &'b [u8],
    /// Tag, length and content.
    pub(super) whole: &'b [u8],
}

impl<'b> Element<'b> {
    /// Its content as a number in its shortest form.
    pub(super) fn number(&self) -> Option<&'b [u8]> {
        match self.content {
            [] => None,
            [0, second, ..] if *second < 0x80 => None,
            [0xff, second, ..] if *second >= 0x80 => None,
            content => Some(content),
        }
    }

    /// What the value holds, when it is made of others.
    pub(super) fn reader(&self) -> Reader<'b> {
        Reader(self.content)
    }
}

impl<'b> Reader<'b> {
    /// The next value, whatever it is.
    pub(super) fn next(&mut self) -> Option<Element<'b>> {
        let (&tag, rest) = self.0.split_first()?;
        if tag & 0x1f == 0x1f {
            return None;
        }
        let (&first, mut rest) = rest.split_first()?;
        let mut length = usize::from(first);
        if first & 0x80 != 0 {
            let count = usize::from(first & 0x7f);
            if !(1..=4).contains(&count) {
                return None;
            }
            let (bytes, after) = rest.split_at_checked(count)?;
            length = bytes
                .iter()
                .fold(0, |length, byte| length << 8 | usize::from(*byte));
            // There is one way to write each length.
            if length < 0x80 || bytes.first() == Some(&0) {
                return None;
            }
            rest = after;
        }
        let head = self.0.len() - rest.len();
        let whole = self.0.get(..head.checked_add(length)?)?;
        self.0 = &self.0[whole.len()..];
        let content = &whole[head..];
        Some(Element { tag, content, whole })
    }

    /// The next value if it has this tag.
    pub(super) fn expect(&mut self, tag: u8) -> Option<Element<'b>> {
        let mut ahead = *self;
        let element = ahead.next().filter(|element| element.tag == tag)?;
        *self = ahead;
        Some(element)
    }

    /// The next value if it has this tag; it may also not be there.
    #[expect(
        clippy::option_option,
        reason = "what cannot be read is not the same as what is not there"
    )]
    pub(super) fn optional(&mut self, tag: u8) -> Option<Option<Element<'b>>> {
        if self.0.first() == Some(&tag) {
            self.expect(tag).map(Some)
        } else {
            Some(None)
        }
    }

    /// A number in its shortest form, as bytes.
    pub(super) fn integer(&mut self) -> Option<&'b [u8]> {
        self.expect(INTEGER)?.number()
    }

    /// Whether a flag is there and set.
    pub(super) fn flag(&mut self) -> Option<bool> {
        match self.optional(BOOLEAN)?.map(|flag| flag.content) {
            None | Some([0]) => Some(false),
            Some([0xff]) => Some(true),
            Some(_) => None,
        }
    }

    /// All that is left.
    pub(super) fn all(mut self) -> Option<Vec<Element<'b>>> {
        let mut elements = Vec::new();
        while !self.0.is_empty() {
            elements.push(self.next()?);
        }
        Some(elements)
    }
}

/// The numbers of an object identifier.
pub(super) fn identifier(content: &[u8]) -> Option<Vec<u64>> {
    let mut numbers = Vec::new();
    let mut number: u64 = 0;
    for byte in content {
        // There is one way to write each number, and none for those beyond 31 bits.
        if (number == 0 && *byte == 0x80) || number > u64::from(u32::MAX >> 8) {
            return None;
        }
        number = number << 7 | u64::from(byte & 0x7f);
        if byte & 0x80 == 0 {
            if numbers.is_empty() {
                let first = (number / 40).min(2);
                numbers.extend([first, number - first * 40]);
            } else {
                numbers.push(number);
            }
            number = 0;
        }
    }
    let complete = content.last().is_some_and(|last| last & 0x80 == 0);
    complete.then_some(numbers)
}

/// The numbers of an object identifier, as they are written: `1.2.840`.
pub(super) fn dotted(numbers: &[u64]) -> String {
    let numbers: Vec<String> = numbers.iter().map(u64::to_string).collect();
    numbers.join(".")
}

/// A number that is not negative, if it is so small.
pub(super) fn small(bytes: &[u8]) -> Option<i64> {
    if bytes.len() > 8 || bytes.first()? & 0x80 != 0 {
        return None;
    }
    Some(bytes.iter().fold(0, |sum, byte| sum << 8 | i64::from(*byte)))
}

/// A number that is not negative, in decimal digits.
pub(super) fn decimal(bytes: &[u8]) -> String {
    const BASE: u64 = 1_000_000_000;
    let mut parts: Vec<u64> = vec![0];
    for byte in bytes {
        let mut carry = u64::from(*byte);
        for part in &mut parts {
            let value = *part * 256 + carry;
            (*part, carry) = (value % BASE, value / BASE);
        }
        if carry > 0 {
            parts.push(carry);
        }
    }
    let mut parts = parts.iter().rev();
    let first = parts.next().map(u64::to_string).unwrap_or_default();
    parts.fold(first, |text, part| format!("{text}{part:09}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn numbers_and_identifiers() {
        assert_eq!(decimal(&[]), "0");
        assert_eq!(decimal(&[1, 0]), "256");
        assert_eq!(decimal(&[0xff; 16]), u128::MAX.to_string());
        assert_eq!(identifier(&[0x55, 4, 3]), Some(vec![2, 5, 4, 3]));
        assert_eq!(identifier(&[0x2a, 0x86, 0x48]), Some(vec![1, 2, 840]));
        assert_eq!(identifier(&[0x2a, 0x86]), None);
        assert_eq!(identifier(&[0x2a, 0x80, 0x01]), None);
        assert_eq!(identifier(&[0x2a, 0x88, 0x80, 0x80, 0x80, 0]), None);
        assert_eq!(dotted(&[2, 5, 29]), "2.5.29");
        assert_eq!(
            (small(&[1, 0]), small(&[0x80]), small(&[1; 9])),
            (Some(256), None, None)
        );
        assert!(Reader(&[4, 2, 1]).next().is_none());
        assert!(Reader(&[4, 0x81, 1, 1]).next().is_none());
        assert_eq!(Reader(&[2, 2, 0, 1]).integer(), None);
        assert_eq!(Reader(&[2, 2, 0, 0x81]).integer(), Some(&[0, 0x81][..]));
        assert_eq!(
            (
                Reader(&[1, 1, 1]).flag(),
                Reader(&[1, 1, 0xff]).flag(),
                Reader(&[]).flag()
            ),
            (None, Some(true), Some(false))
        );
        assert!(Reader(&[4, 0x84, 0xff, 0xff, 0xff, 0xff, 1]).next().is_none());
    }

    proptest! {
        #[test]
        fn never_panics(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
            let _ = Reader(&bytes).all();
            let _ = identifier(&bytes);
        }
    }
}
