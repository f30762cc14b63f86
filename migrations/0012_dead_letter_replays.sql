-- Which letters of NMC_DEAD were put back, when, and at whose word. The letters themselves stay in the stream. Pruned once
-- the stream cannot hold them any more.
CREATE TABLE dead_letter_replays (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    -- Its sequence in NMC_DEAD, and when it got there: a stream that was made anew counts from one again.
    letter     bigint NOT NULL,
    dead_since timestamptz NOT NULL,
    asked_by   text NOT NULL,
    asked_at   timestamptz NOT NULL DEFAULT clock_timestamp(),
    outcome    text NOT NULL CHECK (outcome IN ('queued', 'put_back', 'unusable')),
    -- Where it went, or why it could not.
    detail     text,
    done_at    timestamptz
);
-- A letter is put back once. One that could not be may be tried again.
CREATE UNIQUE INDEX dead_letter_replays_once ON dead_letter_replays (letter, dead_since) WHERE outcome <> 'unusable';
CREATE INDEX dead_letter_replays_of_letter ON dead_letter_replays (letter, dead_since, id);
CREATE INDEX dead_letter_replays_queued ON dead_letter_replays (letter) WHERE outcome = 'queued';
-- The rate: how many were put back lately.
CREATE INDEX dead_letter_replays_done ON dead_letter_replays (done_at) WHERE outcome = 'put_back';
