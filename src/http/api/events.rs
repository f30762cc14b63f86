//! `/events`: events as Server-Sent Events, which a client can resume.

use std::borrow::Cow;
use std::time::Duration;

use futures::stream::BoxStream;
use futures::{StreamExt, future};
use poem::web::sse::Event;
use poem_openapi::param::{Header, Query};
use poem_openapi::payload::EventStream;
use poem_openapi::registry::{MetaSchema, MetaSchemaRef, Registry};
use poem_openapi::types::{ParseFromJSON, ParseResult, ToJSON, Type};
use poem_openapi::{ApiResponse, Object, OpenApi};
use serde::Deserialize;
use serde_json::Value;
use tokio::sync::OwnedSemaphorePermit;

use super::auth::{Caller, Reader};
use super::conversations::{conversation_id, load_authorized};
use super::failure::Failure;
use super::validation::Problems;
use super::{EdgeData, Group};
use crate::adapters::jetstream::Followed;
use crate::domain::conversation::EventData;
use crate::http::Edge;
use crate::http::problem::{Code, Problem};

/// Interval of keep-alive messages, by which both sides notice that the other is gone.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// How often an open stream checks whether its key was revoked.
const STILL_VALID: Duration = Duration::from_secs(1);

/// An event, in the envelope that subscribers of JetStream and Redis get as well.
#[derive(Debug, Object, Deserialize)]
pub struct Envelope {
    /// The event's id, the same in every redelivery.
    event_id: String,
    /// The type of the event, such as `message.received`.
    event_type: String,
    /// When the event occurred.
    occurred_at: String,
    /// A number that rises by one with each event of a conversation. Events without a conversation are counted within
    /// the call or other object that they are about.
    sequence: i64,
    /// The id of the business. Null in `service.*` events.
    business_id: Option<String>,
    /// The id of the business's owner in the App Server. Null in `service.*` events.
    user_id: Option<String>,
    /// The id of the conversation. Null if the event does not belong to one.
    conversation_id: Option<String>,
    /// The customer's number. Null if the event is not about a customer.
    customer_phone: Option<String>,
    /// The data of the event. Its fields depend on `event_type`.
    data: Data,
    /// The position in the stream.
    #[oai(skip)]
    #[serde(skip)]
    place: u64,
}

/// The data of an event. Its schema depends on `event_type`.
#[derive(Debug, Deserialize)]
#[serde(transparent)]
struct Data(Value);

impl Type for Data {
    const IS_REQUIRED: bool = true;
    type RawValueType = Self;
    type RawElementValueType = Self;

    fn name() -> Cow<'static, str> {
        "EventData".into()
    }

    fn schema_ref() -> MetaSchemaRef {
        let mut any_of: Vec<MetaSchemaRef> = Vec::new();
        for schema in EventData::schemas() {
            if !any_of.contains(&schema) {
                any_of.push(schema);
            }
        }
        MetaSchemaRef::Inline(Box::new(MetaSchema { any_of, ..MetaSchema::ANY }))
    }

    fn register(registry: &mut Registry) {
        EventData::register(registry);
    }

    fn as_raw_value(&self) -> Option<&Self> {
        Some(self)
    }

    fn raw_element_iter<'a>(&'a self) -> Box<dyn Iterator<Item = &'a Self> + 'a> {
        Box::new(std::iter::once(self))
    }
}

impl ToJSON for Data {
    fn to_json(&self) -> Option<Value> {
        Some(self.0.clone())
    }
}

impl ParseFromJSON for Data {
    fn parse_from_json(value: Option<Value>) -> ParseResult<Self> {
        Ok(Self(value.unwrap_or_default()))
    }
}

/// An endless stream of events.
#[derive(ApiResponse)]
enum Events {
    /// The events, as they occur. The `id` of each is the position from which to resume, `event` is its type, and
    /// `data` is the envelope.
    #[oai(status = 200)]
    Stream(EventStream<BoxStream<'static, Envelope>>),
}

pub(super) struct EventsApi;

#[OpenApi(tag = "Group::Events")]
impl EventsApi {
    /// Streams events as Server-Sent Events, as they occur.
    ///
    /// The stream starts with new events or, if `Last-Event-ID` is given, after that event, as long as events are kept
    /// (30 days). It does not end by itself; after a disconnect, reconnect with the `id` of the last event. A key may
    /// read at most 16 streams at once.
    #[oai(path = "/events", method = "get", operation_id = "read_events")]
    async fn events(
        &self,
        edge: EdgeData<'_>,
        key: Reader,
        /// Return only events of this conversation.
        conversation_id: Query<Option<String>>,
        /// The `id` of the last event that was received. The stream continues after it.
        #[oai(name = "Last-Event-ID")]
        last_event_id: Header<Option<String>>,
    ) -> Result<Events, Failure> {
        let mut problems = Problems::default();
        let after = problems.parsed::<u64>("Last-Event-ID", last_event_id.0.as_deref());
        problems.into_result()?;
        let only = match conversation_id.0 {
            Some(id) => Some(load_authorized(&key.0, &edge, self::conversation_id(&id)?).await?.id),
            None => None,
        };
        let Some(seat) = edge.keys.stream_permit(&key.0) else {
            let message = "this API key already reads the maximum number of event streams; close one first";
            return Err(Problem::new(Code::RateLimited, message).retry_after(1).into());
        };
        let events = edge.jetstream.follow_events(only, after).await.map_err(|error| Problem::unavailable(&error))?;
        Ok(Events::Stream(as_sent(edge.0.clone(), key.0, seat, events.boxed())))
    }
}

/// The events that the caller may see, until the service stops, the key is revoked, or the client disconnects.
fn as_sent(
    edge: Edge,
    caller: Caller,
    seat: OwnedSemaphorePermit,
    events: BoxStream<'static, Followed>,
) -> EventStream<BoxStream<'static, Envelope>> {
    let over = {
        let (edge, key) = (edge.clone(), caller.key);
        async move {
            tokio::select! {
                () = edge.shutdown.cancelled() => {}
                () = revoked(&edge, &key) => {}
            }
        }
    };
    let seen = events.filter_map(move |followed| {
        // An event without a business is visible to every key.
        let seen = |event: &Envelope| event.business_id.as_ref().is_none_or(|id| caller.sees(id, "event").is_ok());
        let envelope = readable(&followed).filter(seen);
        future::ready(envelope)
    });
    let seated = seen.take_until(over).inspect(move |_| {
        let _taken_until_the_stream_ends = &seat;
    });
    let sent = EventStream::new(seated.boxed()).keep_alive(KEEP_ALIVE);
    sent.to_event(|event| {
        Event::message(event.to_json_string()).id(event.place.to_string()).event_type(event.event_type)
    })
}

/// Parses an event. One that cannot be parsed is skipped, so that the others are still delivered.
fn readable(followed: &Followed) -> Option<Envelope> {
    match serde_json::from_slice::<Envelope>(&followed.payload) {
        Ok(envelope) => Some(Envelope { place: followed.sequence, ..envelope }),
        Err(error) => {
            // The error text would quote the event.
            tracing::warn!(sequence = followed.sequence, line = error.line(), "an event was skipped: it is malformed");
            None
        }
    }
}

async fn revoked(edge: &Edge, key: &[u8; 32]) {
    loop {
        tokio::time::sleep(STILL_VALID).await;
        if matches!(edge.keys.scope(key).await, Ok(None)) {
            return;
        }
    }
}
