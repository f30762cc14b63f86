//! A server's system calls, traced with `strace`: which bytes it writes to which file, when it syncs them, and when it
//! answers.
//!
//! One `strace` follows all processes involved, so its output has one order: a call that returned before another began
//! precedes it. No clock is read. From this order follows what would survive a power cut: a write is safe once an
//! `fsync` or `fdatasync` of its file, begun after the write had returned, has returned 0.
//!
//! A call that is not understood (a write without an offset, a file opened with `O_SYNC`) does not count as synced. So
//! the result can be wrong in that direction only.

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
