//! The protobuf wire format: a message is a run of numbered fields. Knows nothing of what they mean.

use super::WireError;

/// How deep groups may be nested. No message of Kubernetes has any; they are only stepped over.
const GROUPS: usize = 32;

/// Reads the fields of one message, in order.
pub(super) struct Reader<'a> {
    rest: &'a [u8],
}

/// The value of a field, as it is on the wire.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Payload<'a> {
    Varint(u64),
    Fixed64(u64),
    Fixed32,
    Bytes(&'a [u8]),
    Group,
}

impl<'a> Payload<'a> {
    fn wire(self) -> u8 {
        match self {
            Payload::Varint(_) => 0,
            Payload::Fixed64(_) => 1,
            Payload::Bytes(_) => 2,
            Payload::Group => 3,
            Payload::Fixed32 => 5,
        }
    }

    /// The error for a field that is written otherwise than its type is.
    pub(super) fn refused(self, field: &'static str) -> WireError {
        WireError::WireType {
            wire: self.wire(),
            field,
        }
    }

    pub(super) fn bytes(self, field: &'static str) -> Result<&'a [u8], WireError> {
        match self {
            Payload::Bytes(bytes) => Ok(bytes),
            other => Err(other.refused(field)),
        }
    }

    /// A string; what is not UTF-8 is replaced, as Go does when it writes JSON.
    pub(super) fn text(self, field: &'static str) -> Result<String, WireError> {
        Ok(String::from_utf8_lossy(self.bytes(field)?).into_owned())
    }

    pub(super) fn varint(self, field: &'static str) -> Result<u64, WireError> {
        match self {
            Payload::Varint(number) => Ok(number),
            other => Err(other.refused(field)),
        }
    }
}

impl<'a> Reader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// The next field; `None` at the end.
    pub(super) fn field(&mut self) -> Result<Option<(u32, Payload<'a>)>, WireError> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        let (number, wire) = self.tag()?;
        let payload = match wire {
            3 => {
                self.skip_group()?;
                Payload::Group
            }
            4 => return Err(WireError::Group),
            wire => self.payload(number, wire)?,
        };
        Ok(Some((number, payload)))
    }

    fn tag(&mut self) -> Result<(u32, u8), WireError> {
        let tag = self.varint()?;
        let (number, wire) = (tag >> 3, (tag & 7) as u8);
        match u32::try_from(number) {
            Ok(short) if (1..1 << 29).contains(&short) => Ok((short, wire)),
            _ => Err(WireError::Tag { number, wire }),
        }
    }

    fn payload(&mut self, number: u32, wire: u8) -> Result<Payload<'a>, WireError> {
        Ok(match wire {
            0 => Payload::Varint(self.varint()?),
            1 => {
                let (taken, rest) = self.rest.split_first_chunk::<8>().ok_or(WireError::End)?;
                self.rest = rest;
                Payload::Fixed64(u64::from_le_bytes(*taken))
            }
            2 => {
                let length = self.varint()?;
                if i64::try_from(length).is_err() {
                    return Err(WireError::Length);
                }
                let length = usize::try_from(length).map_err(|_| WireError::Length)?;
                let (taken, rest) = self.rest.split_at_checked(length).ok_or(WireError::End)?;
                self.rest = rest;
                Payload::Bytes(taken)
            }
            5 => {
                let (_, rest) = self.rest.split_first_chunk::<4>().ok_or(WireError::End)?;
                self.rest = rest;
                Payload::Fixed32
            }
            wire => {
                return Err(WireError::Tag {
                    number: u64::from(number),
                    wire,
                });
            }
        })
    }

    /// A number of its own, without a tag: the values of a packed list follow one another so.
    pub(super) fn varint(&mut self) -> Result<u64, WireError> {
        let mut number = 0_u64;
        for shift in (0..64).step_by(7) {
            let (byte, rest) = self.rest.split_first().ok_or(WireError::End)?;
            self.rest = rest;
            number |= u64::from(byte & 0x7f) << shift;
            if *byte < 0x80 {
                return Ok(number);
            }
        }
        Err(WireError::Overflow)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    fn skip_group(&mut self) -> Result<(), WireError> {
        let mut open = 1;
        while open > 0 {
            if self.rest.is_empty() {
                return Err(WireError::End);
            }
            let (number, wire) = self.tag()?;
            match wire {
                3 if open == GROUPS => return Err(WireError::Depth(GROUPS)),
                3 => open += 1,
                4 => open -= 1,
                wire => drop(self.payload(number, wire)?),
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::{Payload, Reader};
    use crate::protobuf::WireError;

    fn check(bytes: &[u8], expect: &Result<&[(u32, Payload<'_>)], WireError>) {
        let mut reader = Reader::new(bytes);
        let mut found = Vec::new();
        let outcome = loop {
            match reader.field() {
                Ok(Some(field)) => found.push(field),
                Ok(None) => break Ok(found.as_slice()),
                Err(error) => break Err(error),
            }
        };
        assert_eq!(&outcome, expect, "{bytes:?}");
    }

    #[test]
    fn fields_are_read_in_order() {
        check(b"", &Ok(&[]));
        check(b"\x08\x96\x01", &Ok(&[(1, Payload::Varint(150))]));
        check(
            b"\x0a\x02hi\x12\x00",
            &Ok(&[(1, Payload::Bytes(b"hi")), (2, Payload::Bytes(b""))]),
        );
        check(
            b"\x09\x01\0\0\0\0\0\0\0\x15\0\0\0\0",
            &Ok(&[(1, Payload::Fixed64(1)), (2, Payload::Fixed32)]),
        );
        check(
            b"\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
            &Ok(&[(1, Payload::Varint(u64::MAX))]),
        );
    }

    #[test]
    fn groups_are_stepped_over() {
        check(
            b"\x0b\x10\x01\x0b\x0c\x0c\x08\x01",
            &Ok(&[(1, Payload::Group), (1, Payload::Varint(1))]),
        );
        check(b"\x0b\x10\x01", &Err(WireError::End));
        check(b"\x0c", &Err(WireError::Group));
        check(&[0x0b; 64], &Err(WireError::Depth(32)));
    }

    #[test]
    fn what_is_malformed_is_refused() {
        check(b"\x08", &Err(WireError::End));
        check(b"\x0a\x05hi", &Err(WireError::End));
        check(b"\x09\x01", &Err(WireError::End));
        check(b"\x0d\x01", &Err(WireError::End));
        check(
            b"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
            &Err(WireError::Length),
        );
        check(
            b"\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01",
            &Err(WireError::Overflow),
        );
        check(b"\x00\x01", &Err(WireError::Tag { number: 0, wire: 0 }));
        check(b"\x0e", &Err(WireError::Tag { number: 1, wire: 6 }));
    }
}
