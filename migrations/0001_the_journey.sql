-- The tables behind the journey from a missed call to the AI's answer. Never edited once applied: add a migration.

-- A business, as the App Server put it. `profile` is its whole public document; the auth token of a business that
-- brings its own Twilio account is kept apart, encrypted with NMC_TOKEN_KEY.
CREATE TABLE businesses (
    id                 text PRIMARY KEY,
    name               text NOT NULL,
    user_id            text NOT NULL,
    forward_to         text NOT NULL,
    profile            jsonb NOT NULL,
    twilio_account_sid text,
    twilio_auth_token  bytea,
    created_at         timestamptz NOT NULL DEFAULT now(),
    updated_at         timestamptz NOT NULL DEFAULT now()
);
-- The token for a signature is chosen by AccountSid.
CREATE INDEX businesses_by_account ON businesses (twilio_account_sid) WHERE twilio_account_sid IS NOT NULL;

-- A number belongs to one business: the primary key makes a second claim a conflict.
CREATE TABLE business_numbers (
    phone       text PRIMARY KEY,
    business_id text NOT NULL REFERENCES businesses (id) ON DELETE CASCADE
);
CREATE INDEX business_numbers_by_business ON business_numbers (business_id);

CREATE TABLE conversations (
    id                  uuid PRIMARY KEY,
    business_id         text NOT NULL,
    user_id             text NOT NULL,
    call_id             uuid,
    customer_phone      text NOT NULL,
    business_phone      text NOT NULL,
    status              text NOT NULL CHECK (status IN ('active', 'ai_handling', 'user_handling', 'completed')),
    ownership           text NOT NULL CHECK (ownership IN ('none', 'ai', 'user')),
    ai_timer_started    boolean NOT NULL,
    ai_timer_started_at timestamptz,
    user_takeover_at    timestamptz,
    emergency_detected  boolean NOT NULL,
    job_type            text,
    urgency_level       text,
    outcome             text,
    summary             text,
    opted_out           boolean NOT NULL,
    created_at          timestamptz NOT NULL,
    last_activity       timestamptz NOT NULL,
    -- Compare-and-set: every commit of the shell raises it by one.
    version             bigint NOT NULL,
    -- The last event's sequence.
    event_sequence      bigint NOT NULL,
    -- The fence (docs/design.md): what makes a reply stale, and what silences the AI whatever the time.
    epoch               bigint NOT NULL,
    hard_epoch          bigint NOT NULL,
    -- The window whose answer is under way: only its reply may pass the fence late.
    answering_window    uuid,
    -- When the conversation has to be looked at again: its window's deadline or an alert. The sweeper finds a stuck timer by
    -- it.
    window_deadline     timestamptz,
    -- What only the rules read: the open window, the answer under way, what they remember.
    core                jsonb NOT NULL
);
-- The creation race: one open conversation per business number and customer.
CREATE UNIQUE INDEX conversations_one_open ON conversations (business_phone, customer_phone) WHERE status <> 'completed';
CREATE INDEX conversations_newest ON conversations (last_activity DESC, id DESC);
CREATE INDEX conversations_of_business ON conversations (business_id, last_activity DESC, id DESC);
CREATE INDEX conversations_of_customer ON conversations (customer_phone, last_activity DESC, id DESC);
CREATE INDEX conversations_overdue ON conversations (window_deadline) WHERE window_deadline IS NOT NULL;

CREATE TABLE calls (
    id               uuid PRIMARY KEY,
    call_sid         text NOT NULL UNIQUE,
    business_id      text NOT NULL,
    conversation_id  uuid REFERENCES conversations (id),
    customer_phone   text,
    business_phone   text NOT NULL,
    status           text NOT NULL CHECK (status IN ('ringing', 'answered', 'missed')),
    dial_status      text,
    duration_seconds integer,
    created_at       timestamptz NOT NULL,
    ended_at         timestamptz,
    version          bigint NOT NULL,
    event_sequence   bigint NOT NULL
);
CREATE INDEX calls_newest ON calls (created_at DESC, id DESC);
CREATE INDEX calls_of_business ON calls (business_id, created_at DESC, id DESC);

CREATE TABLE messages (
    id                 uuid PRIMARY KEY,
    conversation_id    uuid NOT NULL REFERENCES conversations (id),
    direction          text NOT NULL CHECK (direction IN ('inbound', 'outbound')),
    sender_type        text NOT NULL CHECK (sender_type IN ('customer', 'ai', 'user')),
    user_id            text,
    kind               text NOT NULL,
    body               text NOT NULL,
    media              jsonb NOT NULL,
    twilio_sid         text UNIQUE,
    status             text NOT NULL CHECK (status IN ('received', 'queued', 'sending', 'sent', 'delivered',
                                                       'undelivered', 'failed', 'superseded', 'unknown')),
    error_code         integer,
    segments           integer,
    -- The window that a customer's message is in; the window that our message answers.
    window_id          uuid,
    in_reply_to_window uuid,
    -- The order of a conversation: the edge's stamp, then the sequence in the inbound stream.
    created_at         timestamptz NOT NULL,
    stream_sequence    bigint NOT NULL,
    -- The fence that our message still has to pass when its turn comes.
    fence_epoch        bigint,
    fence_hard_epoch   bigint,
    fence_exempt_at    timestamptz,
    -- Sending: its slot in the sender's rate, the claim with its lease, and what is known of the attempt.
    send_at            timestamptz,
    claim              uuid,
    lease_until        timestamptz,
    attempts           integer NOT NULL DEFAULT 0,
    attempted_at       timestamptz,
    absent_reads       integer NOT NULL DEFAULT 0
);
CREATE INDEX messages_of_conversation ON messages (conversation_id, created_at, stream_sequence, id);

-- The newest answer tells how DispatchBot fares.
CREATE INDEX messages_answers ON messages (created_at DESC, id DESC) WHERE kind IN ('reply', 'fallback', 'emergency');

-- Tried, and not gone out yet: tells how Twilio fares.
CREATE INDEX messages_under_way ON messages (attempted_at) WHERE status IN ('queued', 'sending');

-- What became of each window of customer messages.
CREATE TABLE windows (
    id              uuid PRIMARY KEY,
    conversation_id uuid NOT NULL REFERENCES conversations (id),
    state           text NOT NULL CHECK (state IN ('open', 'claimed', 'answered', 'superseded', 'handed_over', 'unknown')),
    opened_at       timestamptz NOT NULL,
    because         text NOT NULL,
    updated_at      timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX windows_of_conversation ON windows (conversation_id, opened_at);

-- Every input that was committed, so that none changes anything twice. `body_hash` tells a redelivery from another
-- body under the same id. Pruned.
CREATE TABLE inbox (
    id          text PRIMARY KEY,
    body_hash   text,
    outbox_keys uuid[] NOT NULL,
    created_at  timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX inbox_by_age ON inbox (created_at);

-- Effects on their way to JetStream, in the order of their commit within a key. Pruned once published.
CREATE TABLE outbox (
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    key          uuid NOT NULL,
    subject      text NOT NULL,
    message_id   text,
    headers      jsonb NOT NULL,
    payload      jsonb NOT NULL,
    created_at   timestamptz NOT NULL DEFAULT now(),
    published_at timestamptz
);
CREATE INDEX outbox_waiting ON outbox (key, id) WHERE published_at IS NULL;
CREATE INDEX outbox_waiting_by_age ON outbox (created_at) WHERE published_at IS NULL;
CREATE INDEX outbox_published ON outbox (published_at) WHERE published_at IS NOT NULL;

-- When each of our numbers may send its next segment: shared by all workers.
CREATE TABLE sender_slots (
    phone        text PRIMARY KEY,
    next_free_at timestamptz NOT NULL
);

-- Keys of the App Server, made with `nevermisscall keys`; only their hash is kept.
CREATE TABLE api_keys (
    id         uuid PRIMARY KEY,
    name       text NOT NULL,
    hash       bytea NOT NULL UNIQUE,
    created_at timestamptz NOT NULL DEFAULT now(),
    revoked_at timestamptz
);
