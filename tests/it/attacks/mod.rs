//! Attacks: what somebody with a key, or without one, may try against others.

mod forwarding;
mod numbers;
mod phones;
mod scope;
