//! DER, as much of it as keys and certificates need: what stands in front of a value, and how it is read back.

/// The tags in use.
pub(super) mod tag {
    pub(crate) const BOOLEAN: u8 = 0x01;
    pub(crate) const INTEGER: u8 = 0x02;
    pub(crate) const BIT_STRING: u8 = 0x03;
    pub(crate) const OCTET_STRING: u8 = 0x04;
    pub(crate) const NULL: u8 = 0x05;
    pub(crate) const OBJECT_IDENTIFIER: u8 = 0x06;
    pub(crate) const UTF8_STRING: u8 = 0x0c;
    pub(crate) const PRINTABLE_STRING: u8 = 0x13;
    pub(crate) const UTC_TIME: u8 = 0x17;
    pub(crate) const GENERALIZED_TIME: u8 = 0x18;
    pub(crate) const SEQUENCE: u8 = 0x30;
    pub(crate) const SET: u8 = 0x31;

    /// A host among the alternative names of a certificate.
    pub(crate) const DNS_NAME: u8 = 0x82;
    /// An address among them.
    pub(crate) const IP_ADDRESS: u8 = 0x87;
    /// The key by which an authority is known.
    pub(crate) const KEY_IDENTIFIER: u8 = 0x80;

    /// A tag that the surrounding structure gives its meaning.
    pub(crate) const fn context(number: u8) -> u8 {
        0xa0 | number
    }
}

/// A value with its tag and length.
pub(super) fn element(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = content.len();
    let mut out = Vec::with_capacity(length + 6);
    out.push(tag);
    if length < 0x80 {
        out.push(length as u8);
    } else {
        let bytes = length.to_be_bytes();
        let bytes = &bytes[bytes.iter().take_while(|byte| **byte == 0).count()..];
        out.push(0x80 | bytes.len() as u8);
        out.extend_from_slice(bytes);
    }
    out.extend_from_slice(content);
    out
}

pub(super) fn sequence(parts: &[Vec<u8>]) -> Vec<u8> {
    element(tag::SEQUENCE, &parts.concat())
}

/// A number that is not negative, from its bytes with the highest first.
pub(super) fn integer(bytes: &[u8]) -> Vec<u8> {
    let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
    let mut content = bytes[zeros..].to_vec();
    if content.first().is_none_or(|first| first & 0x80 != 0) {
        content.insert(0, 0);
    }
    element(tag::INTEGER, &content)
}

/// Bytes as a string of bits, none unused.
pub(super) fn bit_string(bytes: &[u8]) -> Vec<u8> {
    element(tag::BIT_STRING, &[&[0], bytes].concat())
}

/// An object identifier from its encoded content.
pub(super) fn identifier(content: &[u8]) -> Vec<u8> {
    element(tag::OBJECT_IDENTIFIER, content)
}

/// What a reader has left.
#[derive(Clone, Copy)]
pub(super) struct Reader<'bytes>(pub(super) &'bytes [u8]);

/// One value as it was read.
#[derive(Clone, Copy)]
pub(super) struct Element<'bytes> {
    pub(super) tag: u8,
    pub(super) content: &'bytes [u8],
    /// Tag, length and content.
    pub(super) whole: &'bytes [u8],
}

impl<'bytes> Reader<'bytes> {
    pub(super) fn is_empty(self) -> bool {
        self.0.is_empty()
    }

    /// The next value, whatever it is.
    pub(super) fn next(&mut self) -> Option<Element<'bytes>> {
        let (&tag, rest) = self.0.split_first()?;
        let (&first, mut rest) = rest.split_first()?;
        let mut length = usize::from(first);
        if first & 0x80 != 0 {
            let count = usize::from(first & 0x7f);
            if count == 0 || count > 4 || rest.len() < count {
                return None;
            }
            let (bytes, after) = rest.split_at(count);
            length = bytes
                .iter()
                .fold(0, |length, byte| length << 8 | usize::from(*byte));
            rest = after;
        }
        let head = self.0.len() - rest.len();
        let whole = self.0.get(..head.checked_add(length)?)?;
        self.0 = &self.0[whole.len()..];
        Some(Element {
            tag,
            content: &whole[head..],
            whole,
        })
    }

    /// The next value if it has this tag.
    pub(super) fn expect(&mut self, tag: u8) -> Option<Element<'bytes>> {
        let mut ahead = *self;
        let element = ahead.next().filter(|element| element.tag == tag)?;
        *self = ahead;
        Some(element)
    }

    /// What the next sequence holds.
    pub(super) fn sequence(&mut self) -> Option<Self> {
        Some(Self(self.expect(tag::SEQUENCE)?.content))
    }

    /// The bytes of the next number, without leading zeros. Negative numbers are refused.
    pub(super) fn integer(&mut self) -> Option<&'bytes [u8]> {
        let content = self.expect(tag::INTEGER)?.content;
        if content.first().is_none_or(|first| first & 0x80 != 0) {
            return None;
        }
        let zeros = content.iter().take_while(|byte| **byte == 0).count();
        Some(&content[zeros..])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_back() {
        let check = |content: &[u8], head: &[u8]| {
            let written = element(tag::OCTET_STRING, content);
            assert_eq!(&written[..head.len()], head);
            let mut reader = Reader(&written);
            let read = reader.next().unwrap();
            assert_eq!((read.tag, read.content), (tag::OCTET_STRING, content));
            assert!(reader.is_empty());
        };
        check(&[], &[4, 0]);
        check(&[7; 127], &[4, 127]);
        check(&[7; 128], &[4, 0x81, 128]);
        check(&vec![7; 70_000], &[4, 0x83, 1, 0x11, 0x70]);
    }

    #[test]
    fn numbers_are_never_negative() {
        let check = |bytes: &[u8], expect: &[u8]| assert_eq!(integer(bytes), expect);
        check(&[], &[2, 1, 0]);
        check(&[0, 0], &[2, 1, 0]);
        check(&[0, 5], &[2, 1, 5]);
        check(&[0x80], &[2, 2, 0, 0x80]);
    }

    #[test]
    fn what_is_cut_off_or_forged_is_not_read() {
        let check = |bytes: &[u8]| assert!(Reader(bytes).next().is_none(), "{bytes:?}");
        check(&[]);
        check(&[4]);
        check(&[4, 2, 1]);
        check(&[4, 0x80]);
        check(&[4, 0x84, 0xff, 0xff, 0xff, 0xff, 1]);
        check(&[4, 0x89, 1, 1, 1, 1, 1, 1, 1, 1, 1]);
    }
}
