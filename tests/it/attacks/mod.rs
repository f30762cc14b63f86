//! Attacks, each played as the attacker would: what one tenant, or somebody outside, must not be able to do
//! (docs/threat-model.md).

mod answers;
mod door;
mod forwarding;
mod loops;
mod main_account;
mod moved_numbers;
mod numbers;
mod phones;
mod rule_book;
mod scope;
mod silence;
mod tokens;
