//! Attacks, each played as the attacker would: what one tenant, or somebody outside, must not be able to do
//! (docs/threat-model.md).

mod answers;
mod connections;
mod door;
mod forwarding;
mod http2;
mod loops;
mod main_account;
mod moved_numbers;
mod numbers;
mod patience;
mod phones;
mod places;
mod rule_book;
mod scope;
mod silence;
mod tokens;
