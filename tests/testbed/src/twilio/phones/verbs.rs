//! The verbs of TwiML that the phones play.

/// A verb of a document.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Verb {
    /// Says a text.
    Say(String),
    /// Waits, in seconds.
    Pause(f64),
    /// Asks for keys.
    Gather(Gather),
    /// Rings a phone.
    Dial(Dial),
    /// Ends the call.
    Hangup,
    /// Refuses a call that rings: `busy` or `rejected`.
    Reject(String),
    /// Goes on with another document.
    Redirect(String),
}

impl Verb {
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Say(_) => "<Say>",
            Self::Pause(_) => "<Pause>",
            Self::Gather(_) => "<Gather>",
            Self::Dial(_) => "<Dial action>",
            Self::Hangup => "<Hangup>",
            Self::Reject(_) => "<Reject>",
            Self::Redirect(_) => "<Redirect>",
        }
    }

    /// Whether Twilio plays nothing that comes after it.
    pub(super) fn is_last(&self) -> bool {
        match self {
            Self::Hangup | Self::Reject(_) | Self::Redirect(_) => true,
            Self::Dial(dial) => dial.action.is_some(),
            Self::Gather(gather) => gather.on_empty,
            Self::Say(_) | Self::Pause(_) => false,
        }
    }
}

/// `<Gather>`. Times are in seconds.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Gather {
    pub(super) action: String,
    pub(super) timeout: f64,
    /// How many keys are waited for; without it, until the timeout.
    pub(super) digits: Option<u32>,
    /// Whether the action is requested even if no key was pressed.
    pub(super) on_empty: bool,
    pub(super) prompt: Vec<Verb>,
}

/// `<Dial>` of one number. Times are in seconds.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Dial {
    pub(super) number: String,
    /// The document for the phone that answers.
    pub(super) url: Option<String>,
    pub(super) status_callback: Option<String>,
    pub(super) events: Vec<String>,
    pub(super) action: Option<String>,
    pub(super) timeout: f64,
    pub(super) time_limit: f64,
    pub(super) caller_id: Option<String>,
    pub(super) answer_on_bridge: bool,
}
