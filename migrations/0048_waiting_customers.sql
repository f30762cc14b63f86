-- Who owns a conversation, since when its customer waits for an answer, and what a person must have seen of it.
ALTER TABLE conversations
    -- The person who took over, by their id in the App Server; null unless a person owns it.
    ADD COLUMN owned_by text,
    -- When the edge received the customer's earliest text without an answer; null if none waits.
    ADD COLUMN waiting_since timestamptz,
    -- Rises with each change of the ownership, each message of a person, and the end.
    ADD COLUMN ownership_revision bigint NOT NULL DEFAULT 0,
    -- Rises with each message of the customer.
    ADD COLUMN text_revision bigint NOT NULL DEFAULT 0;
-- What is in a window that is not answered waits.
UPDATE conversations
SET waiting_since = least((rules_state #>> '{window,opened_at}')::timestamptz, (rules_state #>> '{answering,opened_at}')::timestamptz),
    version = version + 1
WHERE status <> 'completed' AND NOT opted_out
  AND (jsonb_typeof(rules_state -> 'window') = 'object' OR jsonb_typeof(rules_state -> 'answering') = 'object');
-- For the list of those that wait longest.
CREATE INDEX conversations_waiting ON conversations (waiting_since, id) WHERE waiting_since IS NOT NULL;
CREATE INDEX conversations_waiting_of_business ON conversations (business_id, waiting_since, id) WHERE waiting_since IS NOT NULL;
