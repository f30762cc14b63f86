-- Webhooks, and what of them cannot be read, that were taken while JetStream was away. They are published from here, under
-- the id that they would have had, and then deleted.
CREATE TABLE waiting_webhooks (
    -- In this order they are published.
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    -- `Nats-Msg-Id`: the same webhook again is kept once.
    message_id text NOT NULL UNIQUE,
    subject    text NOT NULL,
    headers    jsonb NOT NULL,
    payload    bytea NOT NULL,
    kept_at    timestamptz NOT NULL DEFAULT now()
);
