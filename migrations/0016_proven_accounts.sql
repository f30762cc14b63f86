-- The Twilio account that a business brings counts only while Twilio has confirmed its token. Every sealing of a token has a
-- nonce of its own, so equal bytes mean the same account, token and business: `twilio_proven_token` names the sealed token
-- that was confirmed, and a token that a process of the version before writes in its place does not count by itself.
ALTER TABLE businesses ADD COLUMN twilio_proven_token bytea;
-- An account that was put and does not count: Twilio could not be asked yet or, from `twilio_refused_at` on, has refused it.
-- Meanwhile the account above goes on.
ALTER TABLE businesses ADD COLUMN twilio_pending_account_sid text;
ALTER TABLE businesses ADD COLUMN twilio_pending_auth_token bytea;
ALTER TABLE businesses ADD COLUMN twilio_refused_at timestamptz;
-- When Twilio was last asked about `twilio_auth_token`; null: a worker has to ask.
ALTER TABLE businesses ADD COLUMN twilio_checked_at timestamptz;
-- What was stored before goes on counting until a worker has asked, but not an account that several businesses name.
UPDATE businesses b SET twilio_proven_token = b.twilio_auth_token
WHERE NOT EXISTS (SELECT 1 FROM businesses o WHERE o.twilio_account_sid = b.twilio_account_sid AND o.id <> b.id);
-- What is to be asked about.
CREATE INDEX businesses_to_prove ON businesses (id)
    WHERE (twilio_pending_auth_token IS NOT NULL AND twilio_refused_at IS NULL)
       OR (twilio_auth_token IS NOT NULL
           AND (twilio_checked_at IS NULL OR twilio_proven_token IS DISTINCT FROM twilio_auth_token));

-- The business's own Twilio account under which the customer last reached the conversation; null: the main account. The main
-- account writes to nobody who was reached under another one.
ALTER TABLE conversations ADD COLUMN own_account text;
