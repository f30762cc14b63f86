//! The rules of a call as case tables.
