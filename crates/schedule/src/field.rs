//! One field of a schedule: which of the numbers from 0 to 59 it takes.

/// The numbers a field takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Field {
    bits: u64,
    /// Written with a star, and so restricting nothing.
    open: bool,
}

impl Field {
    /// Every `step`th number from `from` to `to`.
    pub(crate) fn range(from: u8, to: u8, step: usize, open: bool) -> Self {
        let numbers = (from..=to.min(63)).step_by(step.max(1));
        Self {
            bits: numbers.fold(0, |bits, number| bits | 1 << number),
            open,
        }
    }

    /// What one or the other takes.
    pub(crate) fn or(self, other: Self) -> Self {
        Self {
            bits: self.bits | other.bits,
            open: self.open || other.open,
        }
    }

    /// Does it take this number?
    pub(crate) fn has(&self, number: i8) -> bool {
        u32::try_from(number)
            .ok()
            .and_then(|number| self.bits.checked_shr(number))
            .is_some_and(|bits| bits & 1 == 1)
    }

    /// Does it take every number, and say so?
    pub(crate) fn is_open(&self) -> bool {
        self.open
    }

    /// Does it take no number at all?
    pub(crate) fn is_empty(&self) -> bool {
        self.bits == 0
    }
}
