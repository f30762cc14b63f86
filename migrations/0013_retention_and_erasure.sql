-- Retention (docs/retention.md): conversations that are over are deleted with all that belongs to them. What points to them
-- is found by index then.
CREATE INDEX messages_about ON messages (about);
CREATE INDEX calls_of_conversation ON calls (conversation_id) WHERE conversation_id IS NOT NULL;
CREATE INDEX window_steps_of_window ON window_steps (window_id);

-- An entry that is about no single conversation: that a customer was erased, when, and at whose word.
ALTER TABLE audit ALTER COLUMN conversation_id DROP NOT NULL;
CREATE INDEX audit_of_none ON audit (at) WHERE conversation_id IS NULL;

-- The record is still only added to, but an entry may go once it is old and its conversation is gone. That is judged here,
-- whoever asks: the shortest retention that the service takes is 100 days, too.
CREATE FUNCTION audit_entry_has_to_stay() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.at > now() - interval '100 days' OR EXISTS (SELECT 1 FROM conversations WHERE id = OLD.conversation_id) THEN
        RAISE EXCEPTION 'audit is append-only' USING ERRCODE = 'insufficient_privilege';
    END IF;
    RETURN OLD;
END
$$;
DROP TRIGGER audit_is_append_only ON audit;
CREATE TRIGGER audit_is_append_only BEFORE UPDATE OR TRUNCATE ON audit
    FOR EACH STATEMENT EXECUTE FUNCTION audit_is_append_only();
CREATE TRIGGER audit_entries_stay BEFORE DELETE ON audit
    FOR EACH ROW EXECUTE FUNCTION audit_entry_has_to_stay();

-- The one way in which the service, which may not delete here, has entries go: those of conversations that are gone, and
-- those about none that are older than `older_than`.
CREATE FUNCTION prune_audit(gone uuid[], older_than interval) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    pruned bigint;
BEGIN
    DELETE FROM audit a
    WHERE a.at <= now() - interval '100 days'
      AND (a.conversation_id = ANY (gone) OR (a.conversation_id IS NULL AND a.at < now() - older_than))
      AND NOT EXISTS (SELECT 1 FROM conversations c WHERE c.id = a.conversation_id);
    GET DIAGNOSTICS pruned = ROW_COUNT;
    RETURN pruned;
END
$$;

-- Erasure: what was said in such a conversation is gone, and nothing that is still on its way may bring it back.
ALTER TABLE conversations ADD COLUMN erased_at timestamptz;

-- Who wants no texts, of those who were erased: found again by a hash, and not to be read from it without the secret.
CREATE TABLE erased_opt_outs (
    business_id  text NOT NULL,
    customer     bytea NOT NULL,
    by           text NOT NULL,
    opted_out_at timestamptz NOT NULL,
    PRIMARY KEY (business_id, customer)
);
CREATE TABLE erasure_secret (
    only_one boolean PRIMARY KEY DEFAULT true CHECK (only_one),
    secret   bytea NOT NULL
);
INSERT INTO erasure_secret (secret)
VALUES (sha256(uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid())));

CREATE FUNCTION customer_hash(business_id text, phone text) RETURNS bytea
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT sha256(secret || convert_to(business_id, 'UTF8') || '\x00'::bytea || convert_to(phone, 'UTF8')) FROM erasure_secret
$$;

DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'nevermisscall_service') THEN
        GRANT SELECT, INSERT, UPDATE, DELETE ON dead_letter_replays, erased_opt_outs TO nevermisscall_service;
        REVOKE ALL ON erasure_secret FROM nevermisscall_service;
    END IF;
END
$$;
