-- Texts to customers that did not arrive, newest first.
CREATE INDEX messages_not_delivered ON messages (created_at DESC, id DESC)
    WHERE direction = 'outbound' AND status IN ('undelivered', 'failed', 'unknown') AND conversation_id IS NOT NULL;
-- The text that a missed call led to.
CREATE INDEX audit_of_missed_calls ON audit ((data ->> 'call_sid')) WHERE action = 'call_missed';
-- Bookings of a time.
CREATE INDEX audit_of_bookings ON audit (at) WHERE data -> 'events' ? 'appointment.requested';
-- Emergencies that are not over.
CREATE INDEX conversations_open_emergencies ON conversations (last_activity DESC, id DESC)
    WHERE emergency_detected AND status <> 'completed';
