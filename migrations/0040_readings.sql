-- For the gauges that each worker reads every few seconds (src/adapters/postgres/readings.rs): windows without an answer,
-- and conversations with an emergency.
CREATE INDEX windows_unanswered ON windows (opened_at) WHERE state IN ('open', 'claimed');
CREATE INDEX conversations_of_emergencies ON conversations (last_activity) WHERE emergency_detected;
