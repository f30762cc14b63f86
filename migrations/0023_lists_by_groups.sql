-- Lists are merged from groups of one status and one ownership, each read in order.
CREATE INDEX conversations_listed ON conversations (status, ownership, last_activity DESC, id DESC);
CREATE INDEX conversations_listed_of_business
    ON conversations (business_id, status, ownership, last_activity DESC, id DESC);
DROP INDEX conversations_of_business;
DROP INDEX conversations_of_status;
DROP INDEX conversations_of_ownership;
