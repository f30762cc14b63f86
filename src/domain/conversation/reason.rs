//! The reasons of windows, analyses and attention: one keyword each, the same in the database, in events and over REST.

use crate::text_enum;

text_enum! {
    /// Why DispatchBot's answer to a window was not used, or why there was none.
    pub enum AnalysisReason {
        /// The answer is empty.
        EmptyAnswer = "empty_answer",
        /// The answer is longer than 1,600 characters, the limit of an SMS.
        AnswerTooLong = "answer_too_long",
        /// DispatchBot's confidence is below the business's threshold.
        LowConfidence = "low_confidence",
        /// The answer names a price outside the business's estimates.
        PriceOutOfRange = "price_out_of_range",
        /// The customer is another business's number, which gets one answer a day.
        OtherBusiness = "other_business",
        /// A newer window superseded this one before the answer came.
        Overtaken = "overtaken",
        /// No answer within the time budget.
        TimedOut = "timed_out",
        /// No connection.
        Unreachable = "unreachable",
        /// DispatchBot answered with an error status.
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
    }
}

text_enum! {
    /// Why a window reached its state.
    pub enum WindowReason {
        /// Opened by a message.
        Message = "message",
        /// Opened by a message that overtook an answer under way.
        OvertookAnswer = "overtook an answer",
        /// Opened, or superseded, because a person took over.
        Takeover = "takeover",
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
        /// Superseded before DispatchBot's answer came.
        Overtaken = "overtaken",
        /// Superseded: the fence did not match when the answer was to be sent.
        Fence = "fence",
        /// The text may be an opt-out.
        PossibleOptOut = "possible_opt_out",
        /// The customer opted out.
        OptedOut = "opted_out",
        /// A person wrote to the customer.
        AnsweredByPerson = "answered by a person",
        /// A person ended the conversation.
        Completed = "completed",
        /// The business gave up its number.
        NumberReleased = "number_released",
        /// The business may not write from this number, or with this Twilio account.
        MayNotWrite = "may_not_write",
        /// The AI has reached its maximum number of answers.
        AiMax = "ai_max",
        /// Twilio rejected the answer, or, as [`AnalysisReason::Rejected`], DispatchBot the request.
        Rejected = "rejected",
        /// The answer waited too long to be sent.
        Expired = "expired",
        /// It is unknown whether the answer was sent.
        SendUnknown = "send_unknown",
        /// As [`AnalysisReason::EmptyAnswer`].
        EmptyAnswer = "empty_answer",
        /// As [`AnalysisReason::AnswerTooLong`].
        AnswerTooLong = "answer_too_long",
        /// As [`AnalysisReason::LowConfidence`].
        LowConfidence = "low_confidence",
        /// As [`AnalysisReason::PriceOutOfRange`].
        PriceOutOfRange = "price_out_of_range",
        /// As [`AnalysisReason::OtherBusiness`].
        OtherBusiness = "other_business",
        /// As [`AnalysisReason::TimedOut`].
        TimedOut = "timed_out",
        /// As [`AnalysisReason::Unreachable`].
        Unreachable = "unreachable",
        /// As [`AnalysisReason::Malformed`].
        Malformed = "malformed",
        /// As [`AnalysisReason::NotSuccessful`].
        NotSuccessful = "not_successful",
        /// As [`AnalysisReason::NotAsked`].
        NotAsked = "not_asked",
        /// As [`AnalysisReason::NotProcessed`].
        NotProcessed = "not_processed",
        /// As [`AnalysisReason::BusinessGone`].
        BusinessGone = "business_gone",
    }
}

text_enum! {
    /// Why a conversation needs a person.
    pub enum AttentionReason {
        /// A customer who has opted out sent a message.
        OptedOut = "opted_out",
        /// The customer opted out in their own words, which Twilio does not confirm. A person may call them.
        OptedOutCallThem = "opted_out_call_them",
        /// The text may be an opt-out.
        PossibleOptOut = "possible_opt_out",
        /// The business may not write from this number, or with this Twilio account.
        MayNotWrite = "may_not_write",
        /// The AI has reached its maximum number of answers.
        AiMax = "ai_max",
        /// The customer is another business's number, which gets one answer a day.
        OtherBusiness = "other_business",
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
        /// As [`AnalysisReason::EmptyAnswer`].
        EmptyAnswer = "empty_answer",
        /// As [`AnalysisReason::AnswerTooLong`].
        AnswerTooLong = "answer_too_long",
        /// As [`AnalysisReason::LowConfidence`].
        LowConfidence = "low_confidence",
        /// As [`AnalysisReason::PriceOutOfRange`].
        PriceOutOfRange = "price_out_of_range",
        /// As [`AnalysisReason::Overtaken`].
        Overtaken = "overtaken",
        /// As [`AnalysisReason::TimedOut`].
        TimedOut = "timed_out",
        /// As [`AnalysisReason::Unreachable`].
        Unreachable = "unreachable",
        /// As [`AnalysisReason::Rejected`].
        Rejected = "rejected",
        /// As [`AnalysisReason::Malformed`].
        Malformed = "malformed",
        /// As [`AnalysisReason::NotSuccessful`].
        NotSuccessful = "not_successful",
        /// As [`AnalysisReason::NotAsked`].
        NotAsked = "not_asked",
        /// As [`AnalysisReason::NotProcessed`].
        NotProcessed = "not_processed",
        /// As [`AnalysisReason::BusinessGone`].
        BusinessGone = "business_gone",
    }
}

/// Converts an [`AnalysisReason`] to the variant with the same keyword. A missing variant does not compile.
macro_rules! same_word {
    ($($to:ident),+: $variants:tt) => { $(same_word!(@ $to $variants);)+ };
    (@ $to:ident [$($variant:ident),+ $(,)?]) => {
        impl From<AnalysisReason> for $to {
            fn from(reason: AnalysisReason) -> Self {
                match reason { $(AnalysisReason::$variant => Self::$variant,)+ }
            }
        }
    };
}

same_word!(WindowReason, AttentionReason: [
    EmptyAnswer, AnswerTooLong, LowConfidence, PriceOutOfRange, OtherBusiness, Overtaken, TimedOut, Unreachable, Rejected,
    Malformed, NotSuccessful, NotAsked, NotProcessed, BusinessGone,
]);

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
