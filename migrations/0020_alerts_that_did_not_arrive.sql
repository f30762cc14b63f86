-- /health tells of whom no alert reaches any more: the newest alert to each number is looked at.
CREATE INDEX messages_alerts ON messages (recipient, created_at DESC, id DESC) WHERE kind = 'alert';
-- Whether a call comes back to us is asked while the caller waits: the calls of one caller to one number, the newest first.
CREATE INDEX calls_of_caller ON calls (business_phone, customer_phone, created_at DESC, id DESC);
