//! Deletion of data: by age (retention), and of a customer on request (erasure). Recovery after a restore.

pub mod erasure;
pub mod recovery;
mod retention;

pub use retention::keep_for;
