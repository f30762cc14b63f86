-- A second auth token of a business's own Twilio account, encrypted like the first: signatures made with it are accepted,
-- too, while the account's token is replaced. It counts only for the account that it was put for, and only while that one
-- is in effect: a process of the version before knows nothing of it, and may put another account in its place.
ALTER TABLE businesses ADD COLUMN twilio_next_account_sid text;
ALTER TABLE businesses ADD COLUMN twilio_next_auth_token bytea;
