-- A conversation belongs to a number AND its business: a number that moves on takes no conversation along.
CREATE UNIQUE INDEX conversations_one_open_of_business ON conversations (business_id, business_phone, customer_phone)
    WHERE status <> 'completed';
DROP INDEX conversations_one_open;
CREATE INDEX conversations_ended_of_business
    ON conversations (business_id, business_phone, customer_phone, created_at DESC, id DESC) WHERE status = 'completed';
DROP INDEX conversations_ended;

-- Numbers that a business has given up, by a PUT without them or by its deletion: the sweeper ends what is open there.
CREATE TABLE released_numbers (
    phone       text NOT NULL,
    business_id text NOT NULL,
    released_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (business_id, phone)
);
CREATE FUNCTION note_released_number() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO released_numbers (phone, business_id) VALUES (OLD.phone, OLD.business_id)
    ON CONFLICT (business_id, phone) DO UPDATE SET released_at = excluded.released_at;
    RETURN NULL;
END
$$;
CREATE TRIGGER note_released_number AFTER DELETE ON business_numbers
    FOR EACH ROW EXECUTE FUNCTION note_released_number();
-- Conversations of numbers that had moved before.
INSERT INTO released_numbers (phone, business_id)
SELECT DISTINCT c.business_phone, c.business_id FROM conversations c
WHERE c.status <> 'completed' AND NOT EXISTS (
    SELECT 1 FROM business_numbers n WHERE n.phone = c.business_phone AND n.business_id = c.business_id);
