-- In an emergency people may be called, one after the other (docs/design.md, Emergencies).

-- Phones of businesses that have answered a code or an alert once. Kept longer than the codes: their holders agree to be
-- called.
CREATE TABLE confirmed_phones (
    business_id  text NOT NULL REFERENCES businesses (id) ON DELETE CASCADE,
    phone        text NOT NULL,
    confirmed_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (business_id, phone)
);
INSERT INTO confirmed_phones (business_id, phone, confirmed_at)
SELECT c.business_id, c.phone, min(c.settled_at) FROM phone_codes c JOIN businesses b ON b.id = c.business_id
WHERE c.state = 'confirmed' AND c.settled_at IS NOT NULL GROUP BY c.business_id, c.phone;

-- When the next call of an account may be made: Twilio takes one a second.
CREATE TABLE call_slots (
    account_sid      text PRIMARY KEY,
    next_free_at     timestamptz NOT NULL,
    -- Until then only calls about a danger to life are made, because one waits.
    life_waits_until timestamptz
);

-- The calls: claimed before the request to Twilio.
CREATE TABLE ladder_calls (
    id              uuid PRIMARY KEY,
    conversation_id uuid NOT NULL,
    business_id     text NOT NULL,
    phone           text NOT NULL,
    account_sid     text NOT NULL,
    attempts        int NOT NULL,
    attempted_at    timestamptz NOT NULL,
    claim           uuid,
    lease_until     timestamptz,
    -- Twilio's id, once it is known.
    call_sid        text
);
CREATE INDEX ladder_calls_of_phone ON ladder_calls (phone, attempted_at);
CREATE INDEX ladder_calls_of_conversation ON ladder_calls (conversation_id);

DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'nevermisscall_service') THEN
        GRANT SELECT, INSERT, UPDATE, DELETE ON confirmed_phones, call_slots, ladder_calls TO nevermisscall_service;
    END IF;
END
$$;
