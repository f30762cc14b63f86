//! Attacks, played from the attacker's side: what a tenant or an outsider must not be able to do
//! (docs/threat-model.md).

mod answers;
mod door;
mod failed_keys;
mod forwarding;
mod loops;
mod main_account;
mod moved_numbers;
mod numbers;
mod own_dispatchbots;
mod phones;
mod rule_book;
mod scope;
mod silence;
mod tokens;
