//! The rules, one file for each part of a conversation's life.

pub mod alert_taken;
pub(super) mod alerts;
pub(super) mod answer;
pub(super) mod delivery;
pub(super) mod disclosure;
pub(super) mod emergency;
pub(super) mod idle;
pub(super) mod inbound;
pub(super) mod ladder;
pub(super) mod landline;
pub(super) mod limits;
pub(super) mod missed_call;
pub(super) mod opening;
pub(super) mod opting;
pub(super) mod own_side;
pub(super) mod ownership;
pub(super) mod recovered;
pub(super) mod relays;
pub(super) mod reminders;
pub(super) mod texts;
pub(super) mod waiting;
pub(super) mod window;
