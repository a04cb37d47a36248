//! A Kyverno-compatible policy engine: policies and objects in, verdicts out.
