-- Conversations in which nothing happens end. The sweeper looks at a conversation once `next_timer_at` has passed; those
-- that are open without a window had none.
UPDATE conversations SET next_timer_at = last_activity + interval '72 hours', version = version + 1
WHERE status <> 'completed' AND next_timer_at IS NULL;
