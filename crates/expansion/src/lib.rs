//! The pure function at the heart: intent, golden path and team defaults in, objects out.
