//! Answered requests survive a power cut: `strace` follows the servers and the service, and shows that the bytes behind
//! each answer were written and synced before the answer was sent (docs/power-cut.md).
//!
//! The same check must fail for servers without these settings; otherwise it would prove nothing.

mod answered;
mod commands;
mod commits;
mod surroundings;
mod webhooks;
