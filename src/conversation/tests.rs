//! The rules as case tables.
