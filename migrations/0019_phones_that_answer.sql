-- Phones that a key without the scope `numbers` has put: they count once they have answered a code (docs/design.md, Whose
-- number, whose phone).

-- What was put and does not count yet, as a whole; the business's document has what counts.
CREATE TABLE wanted_phones (
    business_id        text PRIMARY KEY REFERENCES businesses (id) ON DELETE CASCADE,
    -- Null: as the document has it.
    forward_to         text,
    emergency_contacts text[],
    -- `updated_at` of the business when it was put: a PUT of a version that does not know this table overrides it.
    put_at             timestamptz NOT NULL
);

-- The codes. Not deleted with their business: they bound how many texts a phone gets.
CREATE TABLE phone_codes (
    id          uuid PRIMARY KEY,
    business_id text NOT NULL,
    phone       text NOT NULL,
    state       text NOT NULL CHECK (state IN ('waiting', 'sending', 'sent', 'unknown', 'not_sent', 'cancelled', 'confirmed')),
    -- The code is made when it is sent, and nobody can read it from here.
    code_hash   bytea,
    -- MessageSids of what came in answer to it, the right answer last.
    answers     text[] NOT NULL DEFAULT '{}',
    asked_at    timestamptz NOT NULL DEFAULT now(),
    -- Until then it is sent; once it is, until then it may be answered.
    expires_at  timestamptz NOT NULL,
    -- The number of the business that asks, and its slot in that number's rate.
    sender      text,
    send_at     timestamptz,
    settled_at  timestamptz
);
CREATE INDEX phone_codes_of_business ON phone_codes (business_id, phone, asked_at DESC);
CREATE INDEX phone_codes_of_phone ON phone_codes (phone, asked_at DESC);
CREATE INDEX phone_codes_waiting ON phone_codes (asked_at) WHERE state = 'waiting';

DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'nevermisscall_service') THEN
        GRANT SELECT, INSERT, UPDATE, DELETE ON wanted_phones, phone_codes TO nevermisscall_service;
    END IF;
END
$$;
