-- When a message was first given to Twilio. `attempted_at` begins anew with each try, so it cannot tell for how long Twilio has
-- not taken it.
ALTER TABLE messages ADD COLUMN first_attempted_at timestamptz;
UPDATE messages SET first_attempted_at = attempted_at WHERE status IN ('queued', 'sending');
DROP INDEX messages_under_way;
CREATE INDEX messages_under_way ON messages (first_attempted_at) WHERE status IN ('queued', 'sending');
