//! DER, as much of it as reading certificates needs. Bounded by the length of what is read.

pub(super) const BOOLEAN: u8 = 0x01;
pub(super) const INTEGER: u8 = 0x02;
pub(super) const BIT_STRING: u8 = 0x03;
pub(super) const OCTET_STRING: u8 = 0x04;
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
    /// What the value holds, when it is made of others.
    pub(super) fn reader(&self) -> Reader<'b> {
        Reader(self.content)
    }
}

impl<'b> Reader<'b> {
    /// The next value, whatever it is.
    pub(super) fn next(&mut self) -> Option<Element<'b>> {
        let (&tag, rest) = self.0.split_first()?;
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
        number = number.checked_mul(128)? | u64::from(byte & 0x7f);
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
        assert!(Reader(&[4, 2, 1]).next().is_none());
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
