//! Deletion of data: by age (retention), and of a customer on request (erasure), and the export of a customer's. Consent to texts, as people record it.
//! Recovery after a restore.

pub mod consent;
pub mod erasure;
pub mod export;
pub mod recovery;
mod retention;

pub use retention::keep_for;
