//! Known bugs, each a switch in the world around the real code: a simulation that does not notice them proves nothing.

/// A planted bug.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Planted {
    /// None: the service as it is.
    #[default]
    Nothing,
    /// A message is acknowledged on delivery, and not after its effects are committed and published.
    AckBeforeCommit,
    /// A timer that fires before the window is due is considered stale and dropped.
    StaleFireDropped,
    /// A message that is sent again, because the first attempt was found to have failed, passes no fence.
    NoFenceOnResend,
    /// A send without an answer counts as not processed by Twilio.
    RetryAfterTimeout,
    /// The inbox is checked before the transaction, and not in it.
    InboxOutside,
    /// A takeover answers without waiting for messages that are at Twilio.
    TakeoverDoesNotWait,
    /// A window closes without the customer's texts that have arrived and are not decided on.
    WindowClosesBlindly,
    /// Of the texts that have arrived, only the newest is waited for.
    OnlyTheNewestCounts,
    /// Webhooks that wait in PostgreSQL are not waited for.
    WaitingForgotten,
    /// A window waits for the oldest webhook that is not acknowledged, whichever customer it is of.
    WaitsForOthers,
    /// A batch in which an input is refused is rolled back, but its other inputs count as committed.
    RefusalTakesNeighbours,
    /// Effects are published before the transaction that writes them.
    PublishedBeforeCommit,
    /// Every second process takes the locks of a transaction in the opposite order.
    LocksInAnyOrder,
    /// Redis forwards each event that it has not seen, in any order.
    SequenceNotChecked,
    /// An event that is not the next of its conversation is forwarded without a look for earlier ones.
    EarlierNotWaitedFor,
    /// A webhook that was overtaken by its copy does not correct the time of its text.
    ArrivalForgotten,
    /// A call is placed although somebody has taken the emergency.
    RingsAfterTaken,
    /// What others have used of a day since a decision read it is not checked when it is committed.
    DayNotChecked,
    /// Which conversation a text of the owner is for is chosen again each time.
    OwnerPlanForgotten,
    /// What waits for the end of the owner's quiet hours is sent at once.
    NightForgotten,
    /// Nobody hears that the owner is away.
    AwayForgotten,
}
