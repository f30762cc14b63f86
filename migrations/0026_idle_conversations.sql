-- When a conversation ends as idle if nothing happens until then; the sweeper ends it.
ALTER TABLE conversations ADD COLUMN idle_at timestamptz;
UPDATE conversations SET idle_at = last_activity + interval '72 hours', version = version + 1 WHERE status <> 'completed';
CREATE INDEX conversations_idle ON conversations (idle_at) WHERE idle_at IS NOT NULL;
