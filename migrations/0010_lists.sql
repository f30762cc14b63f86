-- Lists that are narrowed to where conversations stand, or to who owns them, are read in order as well.
CREATE INDEX conversations_of_status ON conversations (status, last_activity DESC, id DESC);
CREATE INDEX conversations_of_ownership ON conversations (ownership, last_activity DESC, id DESC);
CREATE INDEX calls_of_customer ON calls (customer_phone, created_at DESC, id DESC);
