-- SMS to the owner or a contact are sent like any other, but are not messages of the conversation: `conversation_id` is
-- null for them, `about` names the conversation for both.
ALTER TABLE messages ADD COLUMN about uuid REFERENCES conversations (id);
ALTER TABLE messages ADD COLUMN recipient text;
UPDATE messages SET about = conversation_id;
ALTER TABLE messages ALTER COLUMN about SET NOT NULL;
ALTER TABLE messages ALTER COLUMN conversation_id DROP NOT NULL;
ALTER TABLE messages ADD CONSTRAINT messages_in_or_about CHECK ((conversation_id IS NULL) = (recipient IS NOT NULL));
