//! A business's own settings of this service: the object `policy` of its document. DispatchBot does not see them.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::config::IDLE_AFTER;
use crate::domain::after_hours::AfterHours;
use crate::domain::answer_check::Domain;
use crate::domain::call::Ring;
use crate::domain::channel::Channel;
use crate::domain::dispatchbot::OwnDispatchBot;
use crate::domain::emergency::Language;
use crate::domain::hours::DailyHours;
use crate::domain::owner::OwnerSms;
use crate::domain::phone::PhoneNumber;
use crate::domain::phones::Region;
use crate::domain::policy_time::{PolicyTime, RemindAfter, Shown};
use crate::text_enum;

/// An answer of DispatchBot may have so many SMS segments, unless the business sets another limit.
pub const DEFAULT_MAX_SEGMENTS: u32 = 3;

text_enum! {
    /// Whether the AI's first text in a conversation says that an AI writes.
    pub enum AiDisclosure {
        /// It does.
        Always = "always",
        /// It is sent as DispatchBot wrote it.
        Off = "off",
    }
}

/// The settings. For those that are not set, the service's own apply.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BusinessPolicy {
    /// A conversation ends after this time without activity.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idle_after: Option<IdleAfter>,
    /// The regions whose callers get a missed-call text. Not set: that of the number that was called.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub regions: Option<Vec<Region>>,
    /// Whether a caller whose number the carrier could not confirm gets a missed-call text. Not set: yes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text_unverified: Option<bool>,
    /// How many texts the service may write to customers in a day.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub day_texts: Option<u32>,
    /// How many numbers it may text for the first time in a day.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub day_new_numbers: Option<u32>,
    /// How many requests it may make to DispatchBot in a day.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub day_ai: Option<u32>,
    /// How many alerts it may send in a day, apart from those about a danger to life.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub day_alerts: Option<u32>,
    /// The domains to which an answer of DispatchBot may link. Not set: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub links: Option<Vec<Domain>>,
    /// How many SMS segments an answer of DispatchBot may have.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_segments: Option<u32>,
    /// Whether the AI's first text in a conversation says that an AI writes. Not set: always.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ai_disclosure: Option<AiDisclosure>,
    /// The DispatchBot that the business has itself. Not set: the service's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dispatchbot: Option<OwnDispatchBot>,
    /// Whether people are called in an emergency, one after the other. Not set: no.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub voice_ladder: Option<bool>,
    /// The API of Twilio by which texts to customers go. Not set: Programmable Messaging.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub channel: Option<Channel>,
    /// Whether the owner's phone is asked for a key before a call is connected. Not set: no.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub screening: Option<bool>,
    /// In which order the phones of `forward_to` ring. Not set: one after the other.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ring: Option<Ring>,
    /// The language in which a screened phone is asked to press 1. Not set: English.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner_language: Option<Language>,
    /// Which texts of customers the owner's phone gets. Not set: only alerts of emergencies.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner_sms: Option<OwnerSms>,
    /// What is different outside the business's hours. Not set: nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after_hours: Option<AfterHours>,
    /// When the owner gets no text, except about an emergency.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner_quiet_hours: Option<DailyHours>,
    /// When the owner is reminded of a customer who waits for a person. Not set: after [`REMIND_AFTER`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remind_after: Option<RemindAfter>,
    /// When a conversation with a waiting customer goes back to the AI, counted from what the person did last. Not set:
    /// never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub return_to_ai_after: Option<ReturnAfter>,
}

/// At least five minutes, at most a week.
pub type ReturnAfter = PolicyTime<300, 604_800>;

/// The owner is reminded after this time, unless the business has set another.
pub const REMIND_AFTER: Duration = Duration::from_secs(600);

impl BusinessPolicy {
    /// When the owner is reminded of a customer who waits for a person; `None` if never.
    pub fn remind_after(&self) -> Option<Duration> {
        match self.remind_after {
            None => Some(REMIND_AFTER),
            Some(RemindAfter::Time(time)) => Some(time.into()),
            Some(RemindAfter::Off) => None,
        }
    }

    /// Whether the owner gets reminders by SMS. The events about waiting customers do not depend on it.
    pub fn reminds_by_sms(&self) -> bool {
        self.owner_sms() != OwnerSms::Off
    }

    /// The API of Twilio by which texts to customers go.
    pub fn channel(&self) -> Channel {
        self.channel.unwrap_or(Channel::Messaging)
    }

    /// Whether the owner's phone is asked for a key before a call is connected.
    pub fn screens_calls(&self) -> bool {
        self.screening.unwrap_or(false)
    }

    /// The language in which the owner's phone is spoken to.
    pub fn owner_language(&self) -> Language {
        self.owner_language.unwrap_or_default()
    }

    /// Whether people are called in an emergency.
    pub fn voice_ladder(&self) -> bool {
        self.voice_ladder == Some(true)
    }

    /// Which texts of customers the owner's phone gets.
    pub fn owner_sms(&self) -> OwnerSms {
        self.owner_sms.unwrap_or(OwnerSms::Emergencies)
    }

    /// The domains to which an answer may link.
    pub fn links(&self) -> &[Domain] {
        self.links.as_deref().unwrap_or_default()
    }

    /// How many SMS segments an answer may have.
    pub fn max_segments(&self) -> u32 {
        self.max_segments.unwrap_or(DEFAULT_MAX_SEGMENTS)
    }

    /// Whether the AI's first text in a conversation says that an AI writes.
    pub fn discloses_ai(&self) -> bool {
        self.ai_disclosure != Some(AiDisclosure::Off)
    }

    /// Whether callers of this region get a missed-call text after a call to that number. A number whose region is not
    /// known counts as one of the business's own region.
    pub fn texts_region(&self, caller: &PhoneNumber, called: &PhoneNumber) -> bool {
        let Some(region) = Region::of(caller) else { return true };
        match &self.regions {
            Some(regions) => regions.contains(&region),
            None => region == Region::of(called).unwrap_or_else(|| Region::main_of(called)),
        }
    }
}

/// A time without activity, written like the service's own setting: `72h`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct IdleAfter(Duration);

impl From<IdleAfter> for Duration {
    fn from(IdleAfter(time): IdleAfter) -> Self {
        time
    }
}

impl FromStr for IdleAfter {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        humantime::parse_duration(text)
            .ok()
            .filter(|time| IDLE_AFTER.contains(time))
            .map(Self)
            .ok_or_else(|| "must be a time from 1s to 365d, such as 72h".to_owned())
    }
}

impl TryFrom<String> for IdleAfter {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<IdleAfter> for String {
    fn from(time: IdleAfter) -> Self {
        time.to_string()
    }
}

impl fmt::Display for IdleAfter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Shown(self.0).fmt(f)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("72h", "72h")]
    #[case("3d", "72h")]
    #[case("90m", "90m")]
    #[case("1h 30s", "3630s")]
    #[case("1500ms", "1500ms")]
    fn a_time_is_shown_as_it_can_be_written(#[case] written: &str, #[case] shown: &str) {
        let time: IdleAfter = written.parse().unwrap();
        assert_eq!(time.to_string(), shown);
        assert_eq!(shown.parse(), Ok(time));
    }

    #[rstest]
    #[case("")]
    #[case("72")]
    #[case("0s")]
    #[case("366d")]
    #[case("soon")]
    fn what_is_no_time_is_refused(#[case] written: &str) {
        assert!(written.parse::<IdleAfter>().is_err());
    }
}
