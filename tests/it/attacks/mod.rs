//! Attacks, each played as the attacker would: what one tenant, or somebody outside, must not be able to do
//! (docs/threat-model.md).

mod forwarding;
mod main_account;
mod moved_numbers;
mod numbers;
mod phones;
mod scope;
mod tokens;
