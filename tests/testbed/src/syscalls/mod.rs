//! What a server really asks of the kernel, followed by `strace`: which bytes it writes to which file, when it has them
//! synced, and when it answers.
//!
//! One `strace` follows all processes that take part, so its output has one order: a call that had returned before another
//! began stands before it. No clock is read. What a power cut would leave is derived from that: a write counts from the
//! moment on when an `fsync` or `fdatasync` of its file, begun after the write had returned, has returned 0.
//!
//! Where something is not understood (a write without an offset, a file opened with `O_SYNC`) it does not count as synced:
//! the answer may be wrong in that direction only.

mod call;
mod disk;
mod exchange;
mod trace;
mod tracer;

pub use call::{Call, Descriptor};
pub use disk::{Footprint, Kept};
pub use exchange::Exchange;
pub use trace::Trace;
pub use tracer::Tracer;
