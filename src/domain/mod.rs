//! The rules. Pure code: no clock, no I/O and no randomness, except what a caller passes in.

pub mod after_hours;
pub mod alert_pace;
pub mod answer_check;
pub mod appointment_check;
pub mod business;
pub mod business_policy;
pub mod call;
pub mod channel;
pub mod conversation;
pub mod day_limits;
pub mod dispatchbot;
pub mod emergency;
pub mod hours;
pub mod invisible;
pub mod language;
pub mod number_registration;
pub mod number_setup;
pub mod owner;
pub mod phone;
pub mod phones;
pub mod policy_time;
pub mod price_check;
pub mod quiet_hours;
pub mod sms_segments;
pub mod text_enum;
pub mod typography;
