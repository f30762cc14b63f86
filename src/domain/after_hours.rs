//! What a business does differently while it is closed: `policy.after_hours` of its document.

use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::domain::conversation::Business;
use crate::domain::emergency::Language;
use crate::domain::hours::opens_in_words;
use crate::domain::policy_time::PolicyTime;

/// What stands in a template for the time at which the business opens.
pub const OPENS: &str = "{opens}";

/// The settings for the time outside the business's hours.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AfterHours {
    /// How long a person has to answer before the AI does. Not set: not at all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hold: Option<PolicyTime<0, 3_600>>,
    /// The text after a missed call, in English. Not set: the usual one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub template: Option<String>,
    /// The same in Spanish.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub es: Option<AfterHoursTexts>,
}

/// The texts in another language.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AfterHoursTexts {
    /// The text after a missed call.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub template: Option<String>,
}

impl AfterHours {
    fn template(&self, language: Language) -> Option<&str> {
        match language {
            Language::En => self.template.as_deref(),
            Language::Es => self.es.as_ref()?.template.as_deref(),
        }
    }
}

impl Business {
    /// The settings that replace the usual ones at this moment, if the business is closed then and has such settings.
    pub fn after_hours(&self, at: DateTime<Utc>) -> Option<&AfterHours> {
        self.policy.after_hours.as_ref().filter(|_| !self.schedule.is_open(at))
    }

    /// How long a person has to answer a window that opened at this moment before the AI does; `usual` within hours.
    pub fn hold(&self, opened_at: DateTime<Utc>, usual: Duration) -> Duration {
        self.after_hours(opened_at).map_or(usual, |after| after.hold.map_or(Duration::ZERO, Duration::from))
    }

    /// The template of the text after a missed call that is sent at this moment, if the business is closed then and has
    /// one. It says when the business opens; if that is not known and the template is to say it, there is none.
    pub fn after_hours_template(&self, at: DateTime<Utc>, language: Language) -> Option<String> {
        let template = self.after_hours(at)?.template(language)?;
        if !template.contains(OPENS) {
            return Some(template.to_owned());
        }
        let opens = self.schedule.opens_after(at)?;
        Some(template.replace(OPENS, &opens_in_words(opens, at, self.zone, language)))
    }

    /// When the owner may be texted, if not at this moment: the end of `policy.owner_quiet_hours`. An emergency does not
    /// wait for it.
    pub fn owner_quiet_until(&self, at: DateTime<Utc>) -> Option<DateTime<Utc>> {
        self.policy.owner_quiet_hours.and_then(|quiet| quiet.over_at(at, self.zone))
    }

    /// Whether the owner may be texted at this moment about something that is not an emergency.
    pub fn owner_may_be_texted(&self, at: DateTime<Utc>) -> bool {
        self.owner_quiet_until(at).is_none()
    }
}
