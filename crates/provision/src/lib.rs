//! Database and cache claims, filled by real backing services.
