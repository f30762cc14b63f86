//! Known bugs, each a switch of the world around the real parts: a run that does not notice them proves nothing.

/// A bug that is planted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Planted {
    /// None: the service as it is.
    #[default]
    Nothing,
    /// A message is acknowledged when it is handed out, and not once what it entails is committed and published.
    AckBeforeCommit,
    /// A timer that fires before the window is due is taken for a stale one and dropped.
    StaleFireDropped,
    /// What is sent a second time, after the first try was found to have failed, passes no fence.
    NoFenceOnResend,
    /// A send without an answer counts as one that Twilio has not processed.
    RetryAfterTimeout,
    /// Whether an input was seen before is asked before the transaction, and not in it.
    InboxOutside,
    /// A takeover answers without a wait for what is at Twilio.
    TakeoverDoesNotWait,
    /// A webhook that was overtaken by its copy does not move its text to its place.
    ArrivalForgotten,
}
