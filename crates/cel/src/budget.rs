//! What one rule may cost on one object. Policies and objects come from others; whatever they hold,
//! an evaluation ends. Knows nothing of policies: it only counts.

use std::cell::Cell;

use serde_json::Value;

/// Steps one rule may take on one object: comparisons, path steps, copied nodes.
const STEPS_PER_RULE: u64 = 400_000;

/// How deep an object may nest before it is refused an evaluation.
pub const MAX_OBJECT_DEPTH: usize = 256;

/// The budget is used up; the verdict is an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exhausted;

impl std::fmt::Display for Exhausted {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("the evaluation was cut off: the rule costs too much on this object")
    }
}

/// Counts down while a rule is evaluated.
#[derive(Debug)]
pub struct Budget {
    left: Cell<u64>,
}

impl Default for Budget {
    fn default() -> Budget {
        Budget::of(STEPS_PER_RULE)
    }
}

impl Budget {
    /// A budget of so many steps.
    pub fn of(steps: u64) -> Budget {
        Budget {
            left: Cell::new(steps),
        }
    }

    /// What is made with as many steps as one rule may take, or those that are left; they are taken from here.
    pub fn share<R>(&self, make: impl FnOnce(&Budget) -> R) -> R {
        let given = self.left().min(STEPS_PER_RULE);
        let share = Budget::of(given);
        let made = make(&share);
        self.left.set(self.left().saturating_sub(given - share.left()));
        made
    }

    /// How many steps are left.
    pub fn left(&self) -> u64 {
        self.left.get()
    }

    /// Takes `steps` from what is left.
    pub fn spend(&self, steps: usize) -> Result<(), Exhausted> {
        let steps = steps as u64;
        let left = self.left.get();
        if left < steps {
            self.left.set(0);
            return Err(Exhausted);
        }
        self.left.set(left - steps);
        Ok(())
    }

    /// Copies a value, paying for every node and every 64 bytes of text in it.
    pub fn copy(&self, value: &Value) -> Result<Value, Exhausted> {
        self.pay_for(value)?;
        Ok(value.clone())
    }

    /// Pays for walking over a value once. A value deeper than [`MAX_OBJECT_DEPTH`] is never walked.
    pub fn pay_for(&self, value: &Value) -> Result<(), Exhausted> {
        self.walk(value, 0)
    }

    fn walk(&self, value: &Value, depth: usize) -> Result<(), Exhausted> {
        if depth > MAX_OBJECT_DEPTH {
            return Err(Exhausted);
        }
        match value {
            Value::String(text) => self.spend(1 + text.len() / 64),
            Value::Array(items) => {
                self.spend(1)?;
                items.iter().try_for_each(|item| self.walk(item, depth + 1))
            }
            Value::Object(fields) => {
                self.spend(1 + fields.len())?;
                fields.values().try_for_each(|field| self.walk(field, depth + 1))
            }
            _ => self.spend(1),
        }
    }
}

/// Whether a value nests deeper than `limit`. Stops at the limit, so it is safe on any value.
pub fn deeper_than(value: &Value, limit: usize) -> bool {
    match value {
        Value::Array(items) => limit == 0 || items.iter().any(|item| deeper_than(item, limit - 1)),
        Value::Object(fields) => limit == 0 || fields.values().any(|field| deeper_than(field, limit - 1)),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn budget_runs_out_and_stays_out() {
        let budget = Budget::of(3);
        assert_eq!(budget.spend(2), Ok(()));
        assert_eq!(budget.spend(2), Err(Exhausted));
        assert_eq!(budget.spend(1), Err(Exhausted));
    }

    #[test]
    fn what_is_shared_is_taken_once() {
        let budget = Budget::of(STEPS_PER_RULE + 10);
        assert_eq!(budget.share(|share| share.spend(20)), Ok(()));
        assert_eq!(budget.left(), STEPS_PER_RULE - 10);
        let whole = usize::try_from(STEPS_PER_RULE).unwrap();
        assert_eq!(budget.share(|share| share.spend(whole)), Err(Exhausted));
        assert_eq!(budget.left(), 0);
        let budget = Budget::of(2 * STEPS_PER_RULE);
        assert_eq!(budget.share(|share| share.spend(whole + 1)), Err(Exhausted));
        assert_eq!(budget.left(), STEPS_PER_RULE);
    }

    #[test]
    fn copies_are_paid_for_by_size() {
        assert!(Budget::of(10).copy(&json!({"a": [1, 2, 3]})).is_ok());
        assert!(Budget::of(5).copy(&json!({"a": [1, 2, 3]})).is_err());
        assert!(Budget::of(5).copy(&json!("x".repeat(1000))).is_err());
    }

    #[test]
    fn depth_is_measured_to_the_limit() {
        let mut value = json!(1);
        for _ in 0..10 {
            value = json!([value]);
        }
        assert!(!deeper_than(&value, 10));
        assert!(deeper_than(&value, 9));
    }
}
