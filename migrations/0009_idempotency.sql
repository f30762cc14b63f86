-- What was answered to a request with an `Idempotency-Key`, so that the same request again changes nothing more and gets
-- the same answer. Pruned after a day.
CREATE TABLE idempotency (
    -- Of the API key and the `Idempotency-Key` together.
    key         bytea PRIMARY KEY,
    -- Of the request: method, path and body.
    fingerprint bytea NOT NULL,
    -- Null while the first one is under way.
    status      smallint,
    body        text,
    claimed_at  timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX idempotency_age ON idempotency (claimed_at);
