//! The label values of metrics. Every set is closed, so no request can add a time series.

crate::text_enum! {
    /// How a connection to the edge ended.
    pub enum ConnectionEnd {
        /// Its requests were answered, or the client disconnected.
        Done = "done",
        /// No request arrived in time.
        Quiet = "quiet",
        /// A request head was not complete in time.
        Head = "head",
        /// The client did not read a response in time.
        Write = "write",
        /// There were too many connections.
        Bound = "bound",
        /// The process had no descriptors left.
        Descriptors = "descriptors",
        /// Incomplete bodies used too much memory.
        Memory = "memory",
        /// It was still in use when the process stopped.
        Shutdown = "shutdown",
    }
}

crate::text_enum! {
    /// The steps of a window of customer messages.
    pub enum WindowEvent {
        /// The first message arrived.
        Opened = "opened",
        /// It closed and is being answered.
        Claimed = "claimed",
        /// Its reply was sent.
        Answered = "answered",
        /// Newer messages arrived before its reply was sent.
        Superseded = "superseded",
        /// It was handed over to a person.
        HandedOver = "handed_over",
        /// The fallback text was sent instead of an answer.
        Fallback = "fallback",
    }
}

crate::text_enum! {
    /// The result of a call to DispatchBot.
    pub enum AiResult {
        /// With an answer that can be sent.
        Answered = "answered",
        /// With an error.
        Failed = "failed",
        /// It did not answer in time.
        Timeout = "timeout",
        /// Not made: the circuit breaker is open.
        Rejected = "rejected",
    }
}

crate::text_enum! {
    /// The result of an attempt to send an SMS.
    pub enum SmsResult {
        /// Twilio accepted it.
        Accepted = "accepted",
        /// Twilio refused it.
        Rejected = "rejected",
        /// The outcome is unknown.
        Unknown = "unknown",
        /// The fence stopped it, because the conversation had moved on.
        Superseded = "superseded",
        /// It was too old to be sent.
        Expired = "expired",
        /// Twilio asked us to retry later.
        RateLimited = "rate_limited",
    }
}

crate::text_enum! {
    /// The delivery statuses that Twilio reports.
    pub enum DeliveryStatus {
        /// Waiting at Twilio.
        Queued = "queued",
        /// Being passed to the carrier.
        Sending = "sending",
        /// With the carrier.
        Sent = "sent",
        /// With the customer.
        Delivered = "delivered",
        /// Not deliverable.
        Undelivered = "undelivered",
        Failed = "failed",
        Canceled = "canceled",
        /// Read by the customer.
        Read = "read",
        /// Any other status.
        Other = "other",
    }
}

crate::text_enum! {
    /// The steps of an event.
    pub enum EventStep {
        /// Published to JetStream.
        Published = "published",
        /// Forwarded to Redis.
        Forwarded = "forwarded",
    }
}

crate::text_enum! {
    /// The result of a look-up in the conversation cache.
    pub enum CacheLookup {
        Hit = "hit",
        Miss = "miss",
    }
}
