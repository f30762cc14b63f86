//! Where data about a customer is kept: the one list that the erasure and the export go through.

use crate::text_enum;

text_enum! {
    /// A place with data about customers, by the word that an export has for it: a table, or another store. The order is
    /// that of an export, and an erasure of the tables needs it: effects are found by their conversations and calls.
    pub enum Kept {
        /// Conversations with the customer.
        Conversations = "conversations",
        /// Their messages, and what people of the business were told about the customer.
        Messages = "messages",
        /// The windows of the customer's messages.
        Windows = "windows",
        /// What became of each window.
        WindowSteps = "window_steps",
        /// DispatchBot's answers.
        Analyses = "analyses",
        /// What was found in texts that report an emergency.
        EmergencyVerdicts = "emergency_verdicts",
        /// Calls of the customer.
        Calls = "calls",
        /// Effects that are not published yet.
        Outbox = "outbox",
        /// The ledger of those who want no texts.
        OptOuts = "opt_outs",
        /// Opt-outs of those who were erased, by a hash.
        ErasedOptOuts = "erased_opt_outs",
        /// Who did what.
        Audit = "audit",
        /// The numbers that a business never texts.
        NeverText = "never_text",
        /// Codes that were sent to the number, as to the phone of a business.
        PhoneCodes = "phone_codes",
        /// Phones of a business that have yet to answer a code.
        WantedPhones = "wanted_phones",
        /// Phones of a business that have answered a code or an alert.
        ConfirmedPhones = "confirmed_phones",
        /// What was done about texts of a business's own side, by the conversations that they were for.
        OwnerTexts = "owner_texts",
        /// Conversations of Twilio that the customer takes part in.
        TwilioParticipants = "twilio_participants",
        /// Answers for repeated requests.
        Idempotency = "idempotency",
        /// Not a table: the stream NMC_DEAD.
        DeadLetters = "dead_letters",
        /// Not a table: the log of events in Redis.
        EventLog = "event_log",
    }
}

impl Kept {
    /// The table, if it is one.
    pub fn table(self) -> Option<&'static str> {
        (!matches!(self, Self::DeadLetters | Self::EventLog)).then_some(self.as_str())
    }
}
