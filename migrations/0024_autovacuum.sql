-- PostgreSQL's defaults wait until a fifth of a table has changed, which is hours of load in the large tables here.

-- A queue: rows live for some milliseconds, and the pages that they leave are read by every commit until they are vacuumed.
ALTER TABLE outbox SET (
    autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000,
    autovacuum_analyze_scale_factor = 0, autovacuum_analyze_threshold = 20000
);
-- One row for each number, updated by each message to be sent.
ALTER TABLE sender_slots SET (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000);
-- Every input updates a conversation. Lists read its indexes alone, as long as the pages are known to be visible.
ALTER TABLE conversations SET (
    autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_insert_scale_factor = 0.05,
    autovacuum_analyze_scale_factor = 0.02
);
-- Each message that is sent is updated four times.
ALTER TABLE messages SET (autovacuum_vacuum_scale_factor = 0.05, autovacuum_analyze_scale_factor = 0.02);
