//! How a number must be set up at Twilio so that its calls and texts reach the service, and what differs.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

use crate::text_enum;

text_enum! {
    /// A setting of a number at Twilio; the word is its field in `IncomingPhoneNumbers`.
    pub enum Setting {
        /// Where a call is reported.
        VoiceUrl = "voice_url",
        VoiceMethod = "voice_method",
        /// Where a call is reported if that fails.
        VoiceFallbackUrl = "voice_fallback_url",
        VoiceFallbackMethod = "voice_fallback_method",
        /// Where the end of a call is reported.
        StatusCallback = "status_callback",
        StatusCallbackMethod = "status_callback_method",
        /// Where a text is reported.
        SmsUrl = "sms_url",
        SmsMethod = "sms_method",
        /// Where a text is reported if that fails.
        SmsFallbackUrl = "sms_fallback_url",
        SmsFallbackMethod = "sms_fallback_method",
        /// The TwiML app that handles calls; Twilio then ignores the settings above.
        VoiceApplicationSid = "voice_application_sid",
        /// The TwiML app that handles texts.
        SmsApplicationSid = "sms_application_sid",
    }
}

/// What a number receives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Traffic {
    /// Calls.
    Calls,
    /// Texts.
    Texts,
}

impl Setting {
    /// What it is about.
    pub const fn traffic(self) -> Traffic {
        match self {
            Self::SmsUrl
            | Self::SmsMethod
            | Self::SmsFallbackUrl
            | Self::SmsFallbackMethod
            | Self::SmsApplicationSid => Traffic::Texts,
            _ => Traffic::Calls,
        }
    }

    /// Whether it says where Twilio posts if the service does not answer.
    pub const fn is_fallback(self) -> bool {
        matches!(
            self,
            Self::VoiceFallbackUrl | Self::VoiceFallbackMethod | Self::SmsFallbackUrl | Self::SmsFallbackMethod
        )
    }
}

/// The value of each setting; Twilio shows one that is not set as an empty text.
pub type Settings = BTreeMap<Setting, String>;

/// The URLs to which Twilio must post.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Urls {
    /// For calls, and for their ends.
    pub call: String,
    /// For texts.
    pub sms: String,
    /// For calls, if the first one fails.
    pub call_fallback: String,
    /// For texts, if the first one fails.
    pub sms_fallback: String,
}

impl Urls {
    /// The settings of a number whose calls and texts the service handles.
    pub fn settings(&self) -> Settings {
        let post = || "POST".to_owned();
        [
            (Setting::VoiceUrl, self.call.clone()),
            (Setting::VoiceMethod, post()),
            (Setting::VoiceFallbackUrl, self.call_fallback.clone()),
            (Setting::VoiceFallbackMethod, post()),
            (Setting::StatusCallback, self.call.clone()),
            (Setting::StatusCallbackMethod, post()),
            (Setting::SmsUrl, self.sms.clone()),
            (Setting::SmsMethod, post()),
            (Setting::SmsFallbackUrl, self.sms_fallback.clone()),
            (Setting::SmsFallbackMethod, post()),
            (Setting::VoiceApplicationSid, String::new()),
            (Setting::SmsApplicationSid, String::new()),
        ]
        .into()
    }
}

/// A setting that differs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Change {
    /// Which.
    pub setting: Setting,
    /// Its value at Twilio.
    pub now: String,
    /// The value that it must have.
    pub then: String,
}

/// `voice_url: "https://a.example" → "https://b.example"`.
impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {:?} → {:?}", self.setting, self.now, self.then)
    }
}

/// A Messaging Service that has a number among its senders.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Service {
    /// `MG…`.
    pub sid: String,
    /// Its name.
    pub name: String,
    /// Where it posts texts to its senders; `None`: nowhere.
    pub inbound_url: Option<String>,
    /// Whether texts go where the number's own settings say instead.
    pub defers_to_number: bool,
}

/// What else handles a number's calls or texts, so that its own settings are not used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Handler {
    /// A TwiML app.
    App {
        /// What it handles.
        traffic: Traffic,
        /// `AP…`.
        sid: String,
    },
    /// A SIP trunk, which takes all calls.
    Trunk {
        /// `TK…`.
        sid: String,
    },
    /// A Messaging Service, which takes all texts.
    Service(Service),
}

impl fmt::Display for Handler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::App { traffic: Traffic::Calls, sid } => write!(f, "calls are handled by the TwiML app {sid}"),
            Self::App { traffic: Traffic::Texts, sid } => write!(f, "texts are handled by the TwiML app {sid}"),
            Self::Trunk { sid } => write!(f, "calls are handled by the SIP trunk {sid}"),
            Self::Service(Service { sid, name, inbound_url, .. }) => {
                let to = inbound_url.as_deref().map_or("drops them".to_owned(), |url| format!("posts them to {url}"));
                write!(f, "texts are handled by the Messaging Service {sid} ({name}), which {to}")
            }
        }
    }
}

/// A number as Twilio has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found<'a> {
    /// Its settings.
    pub settings: &'a Settings,
    /// The SIP trunk that it belongs to.
    pub trunk_sid: Option<&'a str>,
    /// The Messaging Service that has it among its senders.
    pub service: Option<&'a Service>,
}

/// What must be done about a number.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Comparison {
    /// The settings to be changed.
    pub changes: Vec<Change>,
    /// What else handles its calls or texts. Nothing of that is changed.
    pub handled: Vec<Handler>,
}

/// Compares a number with what the service needs. What something else handles is left alone, apart from TwiML apps if
/// `replaces_apps`.
pub fn compare(found: &Found<'_>, wanted: &Settings, replaces_apps: bool) -> Comparison {
    let app = |setting| found.settings.get(&setting).filter(|sid| !sid.is_empty() && !replaces_apps);
    let mut handled = Vec::new();
    let (mut leaves_calls, mut leaves_texts) = (false, false);
    if let Some(sid) = found.trunk_sid {
        leaves_calls = true;
        handled.push(Handler::Trunk { sid: sid.to_owned() });
    } else if let Some(sid) = app(Setting::VoiceApplicationSid) {
        leaves_calls = true;
        handled.push(Handler::App { traffic: Traffic::Calls, sid: sid.clone() });
    }
    if let Some(service) = found.service.filter(|service| !service.defers_to_number) {
        leaves_texts = true;
        // One that posts to the service is as good as the number's own settings, which it does not use.
        if service.inbound_url.as_ref() != wanted.get(&Setting::SmsUrl) {
            handled.push(Handler::Service(service.clone()));
        }
    } else if let Some(sid) = app(Setting::SmsApplicationSid) {
        leaves_texts = true;
        handled.push(Handler::App { traffic: Traffic::Texts, sid: sid.clone() });
    }
    let is_left = |setting: Setting| match setting.traffic() {
        Traffic::Calls => leaves_calls,
        Traffic::Texts => leaves_texts,
    };
    let mut changes = differences(found.settings, wanted);
    changes.retain(|change| !is_left(change.setting));
    Comparison { changes, handled }
}

/// The settings that differ.
pub fn differences(now: &Settings, then: &Settings) -> Vec<Change> {
    let differing = then.iter().filter_map(|(setting, then)| {
        let now = now.get(setting).map_or("", String::as_str);
        (now != then).then(|| Change { setting: *setting, now: now.to_owned(), then: then.clone() })
    });
    differing.collect()
}

#[cfg(test)]
mod tests;
