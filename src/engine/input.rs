//! What the engine is asked to apply, and what came of it.

use std::sync::Arc;
use std::time::Duration;

use uuid::Uuid;

use crate::domain::business;
use crate::domain::call::{Call, CallStatus};
use crate::domain::conversation::{self, Conversation, InboundSms, MessageReport, RecoveredText, RingReport, Status};
use crate::domain::emergency::Reading;
use crate::domain::phone::PhoneNumber;
use crate::store::{OutboxRow, Parties};
use crate::trace::Trace;

/// An input: it changes its conversation once, however often it is applied.
#[derive(Debug, Clone)]
pub struct Input {
    /// The id, as recorded in the inbox.
    pub id: String,
    /// A hash of the body, if another body may come under the same id.
    pub body_hash: Option<String>,
    pub trace: Trace,
    pub target: Target,
    pub happening: Happening,
}

/// The conversation to which an input applies.
#[derive(Debug, Clone)]
pub enum Target {
    /// The open conversation of a customer with a business number; the input opens one if there is none.
    Open {
        business_phone: PhoneNumber,
        customer_phone: PhoneNumber,
        /// The business that has the number.
        business: Arc<business::Profile>,
    },
    Id(Uuid),
}

impl Target {
    /// The business whose number was looked up. At the commit, the number must still belong to it.
    pub(super) fn business_id(&self) -> Option<&str> {
        match self {
            Self::Open { business, .. } => Some(&business.id),
            Self::Id(_) => None,
        }
    }

    /// The parties whose open conversation is meant.
    pub(super) fn parties(&self) -> Option<Parties> {
        match self {
            Self::Open { business_phone, customer_phone, business } => {
                Some(Parties::of(&business.id, business_phone, customer_phone))
            }
            Self::Id(_) => None,
        }
    }
}

/// What has happened.
#[derive(Debug, Clone)]
pub enum Happening {
    /// An input with everything that the rules need.
    Input(conversation::Input),
    /// The outcome of an analysis, and how long DispatchBot took.
    Analyzed { outcome: conversation::Input, took: Duration },
    /// A report on a message. The engine also reads the message's row.
    Message {
        /// The message's id.
        id: Uuid,
        /// What was reported about it.
        report: MessageReport,
    },
}

impl Happening {
    /// Whether an answer of the AI may follow: one is requested, or one is decided on.
    pub(super) fn may_be_answered(&self) -> bool {
        use conversation::Input;
        match self {
            Self::Input(Input::SmsReceived(sms)) => sms.reading != Reading::default(),
            Self::Input(other) | Self::Analyzed { outcome: other, .. } => {
                matches!(other, Input::WindowDue { .. } | Input::AnalysisReady { .. } | Input::AnalysisFailed { .. })
            }
            Self::Message { .. } => false,
        }
    }

    /// Whether the business may use more of its limits of the day: something may be written to a customer, DispatchBot may
    /// be asked, or people may be alerted.
    pub(super) fn may_spend(&self) -> bool {
        use conversation::{DeliveryStatus, Input};
        match self {
            Self::Input(Input::SmsReceived(sms) | Input::TextRecovered(RecoveredText { sms, .. })) => {
                sms.reading != Reading::default()
            }
            Self::Input(other) | Self::Analyzed { outcome: other, .. } => {
                matches!(
                    other,
                    Input::CallMissed(_)
                        | Input::WindowDue { .. }
                        | Input::AnalysisReady { .. }
                        | Input::RingReported { .. }
                )
            }
            // After an alert that did not arrive, the next one is due.
            Self::Message { report, .. } => match report {
                MessageReport::Accepted { .. } => false,
                MessageReport::Delivery { status, .. } => {
                    matches!(status, DeliveryStatus::Undelivered | DeliveryStatus::Failed)
                }
                _ => true,
            },
        }
    }

    /// Whether a person may take the conversation over.
    pub(super) fn may_take_over(&self) -> bool {
        use conversation::Input;
        let Self::Input(input) = self else { return false };
        matches!(
            input,
            Input::UserTookOver { .. }
                | Input::UserReplied { .. }
                | Input::AlertTaken { .. }
                | Input::RingReported { report: RingReport::Took { .. }, .. }
        )
    }

    /// Whether a text of the customer arrived.
    pub(super) fn is_text(&self) -> bool {
        matches!(self, Self::Input(conversation::Input::SmsReceived(_)))
    }

    /// The text of the customer that arrived, or was found at Twilio.
    pub(super) fn text(&self) -> Option<&InboundSms> {
        match self {
            Self::Input(input) => conversation::pairing::text_of(input),
            Self::Analyzed { .. } | Self::Message { .. } => None,
        }
    }

    /// How long DispatchBot took, if this is the outcome of an analysis.
    pub(super) fn analysis_took(&self) -> Option<Duration> {
        match self {
            Self::Analyzed { took, .. } => Some(*took),
            Self::Input(_) | Self::Message { .. } => None,
        }
    }

    /// The message that is reported on.
    pub(super) fn message_id(&self) -> Option<Uuid> {
        match self {
            Self::Message { id, .. } => Some(*id),
            Self::Input(_) | Self::Analyzed { .. } => None,
        }
    }
}

/// The result of an input.
#[derive(Debug, Clone, PartialEq)]
pub enum Applied {
    /// It was applied now.
    Now(Box<Change>),
    /// It changed nothing.
    Nothing {
        /// The conversation's status at that decision; `None` if there is no conversation. It may have changed since.
        status: Option<Status>,
    },
    /// It is a duplicate: it was decided before.
    Before {
        /// Whether the body was the same then.
        same_body: bool,
    },
}

/// What an input has changed.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    /// The conversation after the change.
    pub conversation: Conversation,
    /// The ids of the new messages.
    pub messages: Vec<Uuid>,
}

/// A call record that changes in the same transaction, with its own outbox rows.
#[derive(Debug, Clone)]
pub(super) struct CallPart {
    pub(super) call: Call,
    pub(super) rows: Vec<OutboxRow>,
    /// How the call ended, if that became known or was corrected.
    pub(super) outcome: Option<CallStatus>,
}
