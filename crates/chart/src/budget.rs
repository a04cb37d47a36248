//! What one render may cost. Charts are untrusted: work, text and nesting are counted, and whoever spends
//! too much ends with an error that says so.

use std::cell::Cell;

/// How much of everything one render may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Steps of work; a step is an evaluated node, an element visited, or some sixty bytes of text made.
    pub steps: u64,
    /// The longest single text, in bytes.
    pub text: usize,
    /// How deep templates may include each other.
    pub includes: usize,
    /// How much of its caller's stack the render may use, in bytes.
    pub stack: usize,
    /// How large the stack may be on which a render that needs more is done again, in bytes; it is a thread of its
    /// own. Memory is only taken as far as the stack is used.
    pub deep_stack: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            steps: 20_000_000,
            text: 16 << 20,
            includes: 1000,
            stack: 1 << 20,
            deep_stack: 64 << 20,
        }
    }
}

/// What is left of a stack beneath those who look at it: functions that no template runs in.
pub(crate) const STACK_BELOW: usize = 1 << 20;

/// How deep values may nest when they are written, copied or compared.
pub(crate) const MAX_DEPTH: usize = 128;

/// Counts what a render uses.
pub(crate) struct Budget {
    limits: Limits,
    left: Cell<u64>,
    base: usize,
    is_too_deep: Cell<bool>,
}

impl Budget {
    pub(crate) fn new(limits: Limits) -> Self {
        Self {
            limits,
            left: Cell::new(limits.steps),
            base: stack_address(),
            is_too_deep: Cell::new(false),
        }
    }

    /// Whether the stack was used up.
    pub(crate) fn is_too_deep(&self) -> bool {
        self.is_too_deep.get()
    }

    pub(crate) fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Takes steps.
    pub(crate) fn spend(&self, steps: u64) -> Result<(), String> {
        match self.left.get().checked_sub(steps) {
            Some(left) => {
                self.left.set(left);
                Ok(())
            }
            None => Err(format!(
                "rendering takes more than {} steps; it was stopped",
                self.limits.steps
            )),
        }
    }

    /// Takes the steps for a text about to be made, and refuses one that is too long.
    pub(crate) fn text(&self, bytes: usize) -> Result<(), String> {
        self.length(bytes)?;
        self.spend(1 + bytes as u64 / 64)
    }

    /// Refuses a text that is too long, for those who make it piece by piece.
    pub(crate) fn length(&self, bytes: usize) -> Result<(), String> {
        if bytes > self.limits.text {
            return Err(format!(
                "a text would be {bytes} bytes long, more than {} are not made",
                self.limits.text
            ));
        }
        Ok(())
    }

    /// Refuses to go deeper when the stack is nearly used up.
    pub(crate) fn stack(&self) -> Result<(), String> {
        if self.base.abs_diff(stack_address()) > self.limits.stack {
            self.is_too_deep.set(true);
            return Err("templates are nested too deep; rendering was stopped".to_owned());
        }
        Ok(())
    }

    /// Takes a step at a depth of a value.
    pub(crate) fn descend(&self, depth: usize) -> Result<(), String> {
        if depth > MAX_DEPTH {
            return Err(format!("a value is nested more than {MAX_DEPTH} deep"));
        }
        self.spend(1)
    }
}

/// Where the stack is right now, near enough.
#[inline(never)]
fn stack_address() -> usize {
    let here = 0_u8;
    std::ptr::from_ref(std::hint::black_box(&here)) as usize
}
