-- What a business has used of its limits of a day, by its own time zone. Businesses that were deleted may still have rows;
-- all are deleted after 35 days.
CREATE TABLE day_use (
    business_id      text NOT NULL,
    day              date NOT NULL,
    texts            bigint NOT NULL DEFAULT 0,
    new_numbers      bigint NOT NULL DEFAULT 0,
    ai               bigint NOT NULL DEFAULT 0,
    alerts           bigint NOT NULL DEFAULT 0,
    -- How often somebody was told that a limit was reached: at most once.
    told_texts       bigint NOT NULL DEFAULT 0,
    told_new_numbers bigint NOT NULL DEFAULT 0,
    told_ai          bigint NOT NULL DEFAULT 0,
    told_alerts      bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (business_id, day)
) WITH (fillfactor = 50);

-- Alerts that are about no danger to life: of those to one phone, three in ten minutes go alone; further ones are held, and
-- go together. What a bundle says of an alert: the customer's number and the kind of the emergency.
ALTER TABLE messages ADD COLUMN bundle_line text;
-- How an alert goes: `alone`, or `held` for a bundle. NULL until its turn comes.
ALTER TABLE messages ADD COLUMN pace text;
-- The held alert that was sent in place of this one.
ALTER TABLE messages ADD COLUMN bundled_into uuid;
CREATE INDEX messages_held_alerts ON messages (recipient) WHERE pace = 'held' AND status = 'queued';
CREATE INDEX messages_bundled ON messages (bundled_into) WHERE bundled_into IS NOT NULL;

CREATE TABLE alert_pace (
    business_id text NOT NULL,
    recipient   text NOT NULL,
    -- When the last three were sent.
    recent      timestamptz[] NOT NULL,
    -- Until when the newest bundle collects.
    bundle_at   timestamptz,
    PRIMARY KEY (business_id, recipient)
);
