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
    /// Which PostgreSQL answered a read that may be some seconds old.
    pub enum ReadFrom {
        Primary = "primary",
        Replica = "replica",
    }
}

crate::text_enum! {
    /// Who has counted a REST request of an API key.
    pub enum CountedBy {
        /// Redis, for all edges together.
        Redis = "redis",
        /// The edge alone, because Redis did not answer.
        Edge = "edge",
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
        /// Not made: the circuit breaker is open, or something is missing in the set-up of the business.
        Rejected = "rejected",
    }
}

crate::text_enum! {
    /// A list of a business's document of which a dialect of DispatchBot cannot say every entry.
    pub enum LeftOutList {
        /// `job_estimates`.
        JobEstimates = "job_estimates",
        /// `calendar`.
        Calendar = "calendar",
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

crate::text_enum! {
    /// A stage between a webhook and the event about it.
    pub enum Stage {
        /// A webhook at the edge, until it is stored and answered.
        Webhook = "webhook",
        /// Reading and deciding for a batch of inputs.
        Decide = "decide",
        /// Its transaction.
        Commit = "commit",
        /// The effects of an input.
        Publish = "publish",
        /// A closed window, from reading it to applying the answer.
        Analyze = "analyze",
        /// The claim of a message.
        Claim = "claim",
        /// The request that sends it.
        Twilio = "twilio",
        /// An event, until it is forwarded.
        Redis = "redis",
    }
}

crate::text_enum! {
    /// Where inputs are processed in batches.
    pub enum Batch {
        /// Inputs in a transaction.
        Engine = "engine",
        /// Webhooks published together.
        Edge = "edge",
        /// Events forwarded together.
        Redis = "redis",
    }
}

crate::text_enum! {
    /// What the time until an answer consists of.
    pub enum AnswerPart {
        /// The window waited for a person.
        Person = "person",
        /// Our own time.
        Service = "service",
        DispatchBot = "dispatchbot",
        Twilio = "twilio",
    }
}

crate::text_enum! {
    /// For how many seconds a customer has waited at least.
    pub enum Unanswered {
        OneMinute = "60",
        TwoMinutes = "120",
        FiveMinutes = "300",
        QuarterOfAnHour = "900",
    }
}

crate::text_enum! {
    /// How a conversation ended. People and DispatchBot name outcomes freely; only these are counted by themselves.
    pub enum ConversationEnd {
        AppointmentRequested = "appointment_requested",
        Booked = "booked",
        Idle = "idle",
        NumberReleased = "number_released",
        Other = "other",
    }
}
