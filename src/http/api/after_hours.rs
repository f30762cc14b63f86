//! What a business does outside its hours, in a PUT: `policy.after_hours` and `policy.owner_quiet_hours`.

use poem_openapi::Object;

use super::validation::Problems;
use crate::domain::after_hours as domain;
use crate::domain::hours::DailyHours;
use crate::domain::sms_segments::MAX_BODY_CHARS;

/// What is different outside `business_hours`. A business whose hours are not known is always open.
#[derive(Debug, Clone, Object)]
#[oai(skip_serializing_if_is_none, deny_unknown_fields)]
pub(super) struct AfterHours {
    /// How long a person has to answer a text before the AI does, if its window opened outside the hours: from 0s to 1h, and
    /// at most `NMC_WINDOW_MAX`. Default: `0s`, so that the AI answers as soon as the customer stops writing.
    hold: Option<String>,
    /// The SMS after a call that is missed outside the hours, instead of `templates.missed_call`; at most 1,600 characters.
    /// `{opens}` in it stands for when the business opens next, such as `Monday 8:00 AM`: if it does not within a year, the
    /// usual text is sent. `{opt_out}` is as in `templates.missed_call`. Default: the usual text.
    template: Option<String>,
    /// The same text in Spanish, in which `{opens}` is such as `el lunes a las 8:00 a. m.`.
    es: Option<AfterHoursTexts>,
}

/// The texts outside the hours in another language.
#[derive(Debug, Clone, Object)]
#[oai(skip_serializing_if_is_none, deny_unknown_fields)]
pub(super) struct AfterHoursTexts {
    /// The SMS after a missed call.
    template: Option<String>,
}

impl AfterHours {
    pub(super) fn validated(&self, problems: &mut Problems) -> domain::AfterHours {
        let es = self.es.as_ref().map(|es| domain::AfterHoursTexts { template: es.template.clone() });
        let spanish = es.as_ref().and_then(|es| es.template.as_deref());
        for (field, text) in [("template", self.template.as_deref()), ("es.template", spanish)] {
            if let Some(text) = text {
                problems.text(&format!("policy.after_hours.{field}"), text, MAX_BODY_CHARS);
            }
        }
        let hold = problems.parsed("policy.after_hours.hold", self.hold.as_deref());
        domain::AfterHours { hold, template: self.template.clone(), es }
    }
}

impl From<domain::AfterHours> for AfterHours {
    fn from(domain::AfterHours { hold, template, es }: domain::AfterHours) -> Self {
        let es = es.map(|es| AfterHoursTexts { template: es.template });
        Self { hold: hold.map(String::from), template, es }
    }
}

/// Hours of every day in the business's time zone; across midnight if the end is before the start.
#[derive(Debug, Clone, Object)]
#[oai(deny_unknown_fields)]
pub(super) struct OwnerQuietHours {
    /// When they start, such as `21:00`.
    start: String,
    /// When they end, such as `08:00`.
    end: String,
}

impl OwnerQuietHours {
    pub(super) fn validated(&self, problems: &mut Problems) -> Option<DailyHours> {
        DailyHours::new(&self.start, &self.end).map_err(|why| problems.add("policy.owner_quiet_hours", why)).ok()
    }
}

impl From<DailyHours> for OwnerQuietHours {
    fn from(hours: DailyHours) -> Self {
        Self { start: hours.start(), end: hours.end() }
    }
}
