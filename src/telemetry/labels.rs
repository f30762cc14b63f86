//! The words that metrics are broken down by. Every set is closed, so no request can add a time series.

crate::text_enum! {
    /// The webhooks of Twilio.
    pub enum WebhookKind {
        /// An incoming call.
        Call = "call",
        /// How a forwarded call ended.
        CallStatus = "call_status",
        /// A message from a customer.
        Sms = "sms",
        /// What became of a message of ours.
        MessageStatus = "message_status",
    }
}

crate::text_enum! {
    /// How a connection to the edge ended.
    pub enum ConnectionEnd {
        /// Its requests were answered, or the other side went.
        Done = "done",
        /// No request came.
        Quiet = "quiet",
        /// A head did not come to its end.
        Head = "head",
        /// An answer was not taken.
        Write = "write",
        /// There were too many.
        Bound = "bound",
        /// The process had no descriptors left.
        Descriptors = "descriptors",
        /// Bodies that had not come to their end held too much memory.
        Memory = "memory",
        /// It was not done when the process stopped.
        Shutdown = "shutdown",
    }
}

crate::text_enum! {
    /// What happens to a window of customer messages.
    pub enum WindowEvent {
        /// The first message came.
        Opened = "opened",
        /// It fell due and was taken for an answer.
        Claimed = "claimed",
        /// Its reply went out.
        Answered = "answered",
        /// Newer messages came before its reply went out.
        Superseded = "superseded",
        /// A person has it.
        HandedOver = "handed_over",
        /// The fallback text went out in place of an answer.
        Fallback = "fallback",
    }
}

crate::text_enum! {
    /// How a call to DispatchBot ended.
    pub enum AiResult {
        /// With an answer that can be sent.
        Answered = "answered",
        /// With an error.
        Failed = "failed",
        /// Not in time.
        Timeout = "timeout",
        /// Not made at all: the breaker is open.
        Rejected = "rejected",
    }
}

crate::text_enum! {
    /// How an attempt to send an SMS ended.
    pub enum SmsResult {
        /// Twilio took it.
        Accepted = "accepted",
        /// Twilio refused it.
        Rejected = "rejected",
        /// Nobody knows.
        Unknown = "unknown",
        /// The fence stopped it: the conversation had moved on.
        Superseded = "superseded",
        /// It was too old to be sent.
        Expired = "expired",
        /// Twilio asked us to come back later.
        RateLimited = "rate_limited",
    }
}

crate::text_enum! {
    /// The delivery statuses that Twilio reports.
    pub enum DeliveryStatus {
        /// Waiting at Twilio.
        Queued = "queued",
        /// On its way to the carrier.
        Sending = "sending",
        /// With the carrier.
        Sent = "sent",
        /// With the customer.
        Delivered = "delivered",
        /// Not deliverable.
        Undelivered = "undelivered",
        /// Not sent.
        Failed = "failed",
        /// Withdrawn.
        Canceled = "canceled",
        /// Read by the customer.
        Read = "read",
        /// Any word that is not known here.
        Other = "other",
    }
}

crate::text_enum! {
    /// What happens to an event of ours.
    pub enum EventStep {
        /// It is in JetStream.
        Published = "published",
        /// It is in Redis.
        Forwarded = "forwarded",
    }
}

crate::text_enum! {
    /// What a look-up in the cache of conversations found.
    pub enum CacheLookup {
        /// The conversation.
        Hit = "hit",
        /// Nothing.
        Miss = "miss",
    }
}
