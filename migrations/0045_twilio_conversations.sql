-- Twilio Conversations (docs/adr/0032-one-text-by-two-routes.md).

-- Which customer, and which number of a business, a participant of a Twilio conversation is. What Twilio has is
-- authoritative: rows may be deleted at any time, and are read from Twilio again.
CREATE TABLE twilio_participants (
    conversation_sid text NOT NULL,
    business_phone   text NOT NULL,
    customer_phone   text NOT NULL,
    account_sid      text NOT NULL,
    -- Not known for a conversation that Twilio named in an error.
    participant_sid  text,
    kept_at          timestamptz NOT NULL DEFAULT now(),
    -- Nothing can be posted to it any more.
    closed_at        timestamptz,
    PRIMARY KEY (conversation_sid, business_phone, customer_phone)
);
CREATE INDEX twilio_participants_by_sid ON twilio_participants (participant_sid);
CREATE INDEX twilio_participants_by_customer ON twilio_participants (customer_phone, business_phone);
CREATE INDEX twilio_participants_by_age ON twilio_participants (kept_at);

-- Texts that are messages already, which came by Twilio's other API: each text once, and one for each message.
CREATE TABLE paired_texts (
    twilio_sid text PRIMARY KEY,
    message_id uuid NOT NULL UNIQUE REFERENCES messages (id) ON DELETE CASCADE
);

-- The Twilio conversation to which the last attempt posted a message; none if it was sent as an SMS.
ALTER TABLE messages ADD COLUMN twilio_conversation text;

DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'nevermisscall_service') THEN
        GRANT SELECT, INSERT, UPDATE, DELETE ON twilio_participants TO nevermisscall_service;
        GRANT SELECT, INSERT, DELETE ON paired_texts TO nevermisscall_service;
    END IF;
END
$$;
