//! What was answered survives a power cut: `strace` follows the servers and the service, and for each answer the bytes that
//! it stands for were written, and then synced, before the answer was sent (docs/power-cut.md).
//!
//! The same check finds fault with servers that are not set up so: otherwise it would prove nothing.

mod answered;
mod commands;
mod commits;
mod surroundings;
mod webhooks;
