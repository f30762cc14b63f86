-- Recoveries after a restore of the database. `scripts/restore` makes the row before anybody can connect, or `nevermisscall
-- recover` does; while it has no end, the database refuses to take inputs and to have messages sent, whoever asks.
CREATE TABLE recovery (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    -- The last commit that the restored database has.
    since       timestamptz NOT NULL,
    -- What is older was under way when the database was saved.
    restored_at timestamptz NOT NULL DEFAULT now(),
    -- When `nevermisscall recover --apply` first began.
    begun_at    timestamptz,
    ended_at    timestamptz
);
CREATE UNIQUE INDEX recovery_waits ON recovery ((true)) WHERE ended_at IS NULL;

-- Whether a message was found at Twilio after a restore.
ALTER TABLE messages ADD COLUMN is_recovered boolean NOT NULL DEFAULT false;

-- Each statement that begins work is refused, as if PostgreSQL were starting up: processes wait, and nothing counts as a
-- failure. Only `nevermisscall recover` sets nmc.recovers.
CREATE FUNCTION wait_for_recovery() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF current_setting('nmc.recovers', true) IS DISTINCT FROM 'on'
       AND EXISTS (SELECT FROM recovery WHERE ended_at IS NULL) THEN
        RAISE EXCEPTION 'the database was restored: run `nevermisscall recover`'
            USING ERRCODE = 'cannot_connect_now';
    END IF;
    RETURN NULL;
END
$$;
CREATE TRIGGER inbox_waits_for_recovery BEFORE INSERT ON inbox
    FOR EACH STATEMENT EXECUTE FUNCTION wait_for_recovery();
CREATE TRIGGER messages_wait_for_recovery BEFORE UPDATE ON messages
    FOR EACH STATEMENT EXECUTE FUNCTION wait_for_recovery();
CREATE TRIGGER phone_codes_wait_for_recovery BEFORE UPDATE ON phone_codes
    FOR EACH STATEMENT EXECUTE FUNCTION wait_for_recovery();

DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'nevermisscall_service') THEN
        GRANT SELECT, INSERT, UPDATE ON recovery TO nevermisscall_service;
    END IF;
END
$$;
