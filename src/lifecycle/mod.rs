//! Deletion of data: by age (retention), and of a customer on request (erasure).

pub mod erasure;
mod retention;

pub use retention::keep_for;
