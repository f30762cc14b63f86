//! The reasons of windows, analyses and attention: one keyword each, the same in the database, in events and over REST.

use crate::text_enum;

/// Declares the reasons of an analysis, and the enums that have all of them, with the same keywords, after their own.
macro_rules! reasons {
    (
        $(#[$meta:meta])* pub enum $shared:ident $variants:tt
        $($(#[$wider_meta:meta])* pub enum $wider:ident $own:tt)+
    ) => {
        text_enum! { $(#[$meta])* pub enum $shared $variants }
        $(reasons!(@wider $(#[$wider_meta])* $wider $own, $shared $variants);)+
    };
    (
        @wider $(#[$meta:meta])* $wider:ident { $($own:tt)+ },
        $shared:ident { $($(#[$variant_meta:meta])* $variant:ident = $word:literal,)+ }
    ) => {
        text_enum! { $(#[$meta])* pub enum $wider { $($own)+ $($(#[$variant_meta])* $variant = $word,)+ } }

        impl From<$shared> for $wider {
            fn from(reason: $shared) -> Self {
                match reason { $($shared::$variant => Self::$variant,)+ }
            }
        }
    };
}

reasons! {
    /// Why DispatchBot's answer to a window was not used, or why there was none.
    pub enum AnalysisReason {
        /// The answer is empty.
        EmptyAnswer = "empty_answer",
        /// The answer has more SMS segments than the business allows, or more than 1,600 characters, the limit of an SMS.
        AnswerTooLong = "answer_too_long",
        /// DispatchBot's confidence is below the business's threshold.
        LowConfidence = "low_confidence",
        /// The answer names a price outside the business's estimates.
        PriceOutOfRange = "price_out_of_range",
        /// The answer links to a domain, or names a mail address there, that the business does not list.
        LinkNotAllowed = "link_not_allowed",
        /// The answer names a phone number that is neither the business's nor the customer's.
        UnknownPhoneNumber = "unknown_phone_number",
        /// The answer has characters that are not seen, or that turn the direction of the text.
        HiddenCharacters = "hidden_characters",
        /// The appointment in the answer is in the past.
        AppointmentInPast = "appointment_in_past",
        /// The appointment in the answer ends before it starts.
        AppointmentEndsBeforeStart = "appointment_ends_before_start",
        /// The appointment in the answer is outside the business's hours.
        AppointmentOutsideHours = "appointment_outside_hours",
        /// Something in the business's calendar is at the time of the appointment in the answer.
        AppointmentTaken = "appointment_taken",
        /// The customer is another business's number, which gets one answer a day.
        OtherBusiness = "other_business",
        /// A newer window superseded this one before the answer came.
        Overtaken = "overtaken",
        /// No answer within the time budget.
        TimedOut = "timed_out",
        /// No connection.
        Unreachable = "unreachable",
        /// DispatchBot answered with an error status. As the reason of a window also: Twilio rejected the answer.
        Rejected = "rejected",
        /// The answer could not be read.
        Malformed = "malformed",
        /// DispatchBot answered `"success": false`.
        NotSuccessful = "not_successful",
        /// The circuit breaker was open.
        NotAsked = "not_asked",
        /// The answer could not be processed.
        NotProcessed = "not_processed",
        /// The business had been deleted.
        BusinessGone = "business_gone",
        /// DispatchBot could not be asked for this business: its document or its own DispatchBot lacks something.
        NotConfigured = "not_configured",
    }

    /// Why a window reached its state.
    pub enum WindowReason {
        /// Opened by a message.
        Message = "message",
        /// Opened by a message that overtook an answer under way.
        OvertookAnswer = "overtook an answer",
        /// Opened, or superseded, because a person took over.
        Takeover = "takeover",
        /// The same by the answer to an alert.
        AlertTaken = "alert_taken",
        /// Claimed because its deadline passed.
        Deadline = "deadline",
        /// Claimed because an emergency was detected.
        Emergency = "emergency",
        /// Answered: Twilio accepted the answer.
        Sent = "sent",
        /// The answer had already been sent when it was to be stopped.
        SentAfterAll = "sent after all",
        /// Superseded by a newer window.
        NewerWindow = "newer window",
        /// Superseded: the fence did not match when the answer was to be sent.
        Fence = "fence",
        /// The text may be an opt-out.
        PossibleOptOut = "possible_opt_out",
        /// The customer opted out.
        OptedOut = "opted_out",
        /// A person wrote to the customer.
        AnsweredByPerson = "answered by a person",
        /// A person answered a call of the customer.
        AnsweredByCall = "answered by a call",
        /// A person ended the conversation.
        Completed = "completed",
        /// The business gave up its number.
        NumberReleased = "number_released",
        /// Nothing had happened in the conversation for long.
        Idle = "idle",
        /// The business may not write from this number, or with this Twilio account.
        MayNotWrite = "may_not_write",
        /// The customer's number never gets an automatic text.
        NeverText = "never_text",
        /// The AI has reached its maximum number of answers.
        AiMax = "ai_max",
        /// The business has used up a limit of the day.
        Limit = "limit",
        /// The answer waited too long to be sent.
        Expired = "expired",
        /// It is unknown whether the answer was sent.
        SendUnknown = "send_unknown",
        /// The database was restored: the answer may have been sent since.
        Recovered = "recovered",
        /// DispatchBot wants a person to go on; its text was sent.
        Escalated = "escalated",
    }

    /// Why a conversation needs a person.
    pub enum AttentionReason {
        /// A customer who has opted out sent a message.
        OptedOut = "opted_out",
        /// The customer opted out in their own words, which Twilio does not confirm. A person may call them.
        OptedOutCallThem = "opted_out_call_them",
        /// The text may be an opt-out.
        PossibleOptOut = "possible_opt_out",
        /// The text is a keyword that Twilio answers (HELP, INFO, START), so the AI does not.
        Keyword = "keyword",
        /// The business may not write from this number, or with this Twilio account.
        MayNotWrite = "may_not_write",
        /// The AI has reached its maximum number of answers.
        AiMax = "ai_max",
        /// The business has used up a limit of the day.
        Limit = "limit",
        /// An alert was not delivered.
        AlertFailed = "alert_failed",
        /// The text and DispatchBot disagree on whether this is an emergency.
        EmergencyDisagreement = "emergency_disagreement",
        /// It is unknown whether a message was sent.
        SendUnknown = "send_unknown",
        /// A safety notice was not sent.
        NoticeNotSent = "notice_not_sent",
        /// An answer was superseded, and nobody else answers the customer.
        ReplySuperseded = "reply_superseded",
        /// Twilio accepted a message and could not deliver it.
        NotDelivered = "not_delivered",
        /// A message was not sent: Twilio refused it.
        MessageRejected = "message_rejected",
        /// A message was not sent: it waited too long.
        MessageExpired = "message_expired",
        /// A message was not sent: the customer opted out.
        MessageOptedOut = "message_opted_out",
        /// The business gave up the number while a message was unanswered.
        NumberReleased = "number_released",
        /// The customer's number never gets an automatic text.
        NeverText = "never_text",
        /// The customer's call was missed, and callers of that region are not texted.
        Region = "region",
        /// The customer's call was missed, and a text to that number costs more than an ordinary one.
        CostlyNumber = "costly_number",
        /// The customer's call was missed, and the carrier could not confirm the caller's number.
        UnverifiedCaller = "unverified_caller",
        /// The customer's call was missed, and their phone takes no SMS.
        Landline = "landline",
        /// The conversation ended because nothing had happened for long, while a message was unanswered.
        Idle = "idle",
        /// The database was restored, and something happened in the conversation that it did not know of, or may have.
        Recovered = "recovered",
        /// DispatchBot wants a person to go on. Its text was sent to the customer.
        Escalated = "escalated",
        /// A person owns the conversation and does nothing, while the customer waits.
        PersonSilent = "person_silent",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_keeps_its_word_whatever_it_is_the_reason_of() {
        for reason in AnalysisReason::ALL {
            assert_eq!(WindowReason::from(*reason).as_str(), reason.as_str());
            assert_eq!(AttentionReason::from(*reason).as_str(), reason.as_str());
        }
    }
}
