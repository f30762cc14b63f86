//! Items used by the integration tests, the fuzz targets and the benchmarks. Nothing here is stable.

pub use crate::adapters::dispatchbot::{DispatchBotClient, Endpoint, Question, Said, Sender, read_answer};
pub use crate::adapters::http_client;
pub use crate::adapters::jetstream::{JetStream, Outgoing, ProbeMarks, subjects};
pub use crate::adapters::postgres::{KeyScope, Store};
pub use crate::adapters::twilio::{
    Account, Binding, OpenedConversation, OutgoingMessage, OutgoingSms, SendOutcome, TwilioClient, read_created,
    read_page,
};
pub use crate::app::{Application, Role};
pub use crate::config::{Config, Dialect, Secret, Settings};
pub use crate::dead_letters::{DeadLetterBody, dead_letter};
pub use crate::domain::business::{Profile, Trade};
pub use crate::domain::conversation::Priority;
pub use crate::domain::phone::{PhoneNumber, conversation_key};
pub use crate::domain::price_check::{PriceRange, are_estimated};
pub use crate::domain::{emergency, sms_segments};
pub use crate::engine::{AnalyzeTask, SendTask};
pub use crate::failpoint::NAMES as FAILPOINTS;
pub use crate::http::DurablePublisher;
pub use crate::http::api::Envelope;
pub use crate::http::twilio::{signature, twiml};
pub use crate::secrets::{generate_api_key, hash_api_key};
pub use crate::store::{Claim, CodeAnswer, Kept, PhoneAnswer, SendingAccount};
pub use crate::telemetry::Metrics;
pub use crate::trace::Trace;
pub use crate::webhook::{Inbound, form};
pub use crate::worker::{AlertAnswered, TimerFired, answer_alert};
