//! The end of data: what is deleted by its age, and how a customer is erased.

pub mod erasure;
mod retention;

pub use retention::keep_for;
