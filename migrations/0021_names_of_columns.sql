-- Names that say what is in them (docs/glossary.md). A worker of an earlier release cannot write once this has run; what it
-- was given stays in JetStream for the ones that follow.
ALTER TABLE conversations RENAME COLUMN core TO rules_state;
-- When the sweeper next has to look, if no timer has fired: a window's end, a draft's, an alert's.
ALTER TABLE conversations RENAME COLUMN window_deadline TO next_timer_at;
ALTER TABLE messages RENAME COLUMN about TO subject_conversation_id;
ALTER INDEX messages_about RENAME TO messages_subject_conversation;
ALTER TABLE windows RENAME COLUMN because TO reason;
ALTER TABLE window_steps RENAME COLUMN because TO reason;
ALTER TABLE analyses RENAME COLUMN dropped_because TO drop_reason;
