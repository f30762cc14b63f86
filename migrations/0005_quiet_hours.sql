-- What waits for the end of quiet hours is not sent before this time; its slot in the sender's rate comes after it.
ALTER TABLE messages ADD COLUMN not_before timestamptz;
