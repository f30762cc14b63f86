-- Texts of the owner (docs/design.md, The owner's phone).

-- A conversation with a phone of the business's own side carries what the phone is told. It is no customer's, and no list has it.
ALTER TABLE conversations ADD COLUMN own_side boolean NOT NULL DEFAULT false;
-- An erasure and an export look there for customers who are named.
CREATE INDEX conversations_of_own_side ON conversations (business_id) WHERE own_side;

-- The codes by which the owner names open conversations. One that is given back is not given to another for a day.
CREATE TABLE owner_codes (
    business_id     text NOT NULL,
    code            text NOT NULL,
    conversation_id uuid NOT NULL,
    given_back_at   timestamptz,
    PRIMARY KEY (business_id, code)
);
CREATE INDEX owner_codes_of_conversation ON owner_codes (conversation_id) WHERE given_back_at IS NULL;

-- What is done about each text of the business's own side, kept before it is done: a text that is processed again goes to the
-- same conversation. The words are not kept here.
CREATE TABLE owner_texts (
    input_id    text PRIMARY KEY,
    business_id text NOT NULL,
    phone       text NOT NULL,
    -- Of the words: the same words again and again are those of a phone that answers by itself.
    words_hash  bytea NOT NULL,
    plan        jsonb NOT NULL,
    created_at  timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX owner_texts_of_phone ON owner_texts (business_id, phone, created_at DESC);

DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'nevermisscall_service') THEN
        GRANT SELECT, INSERT, UPDATE, DELETE ON owner_codes, owner_texts TO nevermisscall_service;
    END IF;
END
$$;
