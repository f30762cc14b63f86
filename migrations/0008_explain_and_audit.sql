-- Every step in the life of a window, where `windows` has only the last one.
CREATE TABLE window_steps (
    id              bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    window_id       uuid NOT NULL REFERENCES windows (id),
    conversation_id uuid NOT NULL REFERENCES conversations (id),
    state           text NOT NULL,
    because         text NOT NULL,
    at              timestamptz NOT NULL
);
CREATE INDEX window_steps_of_conversation ON window_steps (conversation_id, id);

-- What DispatchBot made of a window, and whether it was used.
CREATE TABLE analyses (
    id              bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    window_id       uuid NOT NULL,
    conversation_id uuid NOT NULL REFERENCES conversations (id),
    -- As DispatchBot said it, or `{"failed": why}`.
    said            jsonb NOT NULL,
    -- Why it was not used; null where it was.
    dropped_because text,
    at              timestamptz NOT NULL
);
CREATE INDEX analyses_of_conversation ON analyses (conversation_id, id);

-- Who did what. It holds no text and no number: what is erased elsewhere need not be erased here.
CREATE TABLE audit (
    id              bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    conversation_id uuid NOT NULL,
    business_id     text NOT NULL,
    at              timestamptz NOT NULL,
    actor           text NOT NULL,
    actor_id        text,
    action          text NOT NULL,
    data            jsonb NOT NULL
);
CREATE INDEX audit_of_conversation ON audit (conversation_id, id);

CREATE FUNCTION audit_is_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'audit is append-only' USING ERRCODE = 'insufficient_privilege';
END
$$;
CREATE TRIGGER audit_is_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit
    FOR EACH STATEMENT EXECUTE FUNCTION audit_is_append_only();

-- The role that the service works as, where it can (src/store/mod.rs): it owns nothing, so it can neither drop that trigger
-- nor change what is in `audit`. Roles belong to the whole cluster, and others may be making it at this very moment. Whoever
-- may not make roles goes without; the trigger holds all the same.
DO $$
BEGIN
    CREATE ROLE nevermisscall_service NOLOGIN;
EXCEPTION
    WHEN duplicate_object OR unique_violation THEN NULL;
    WHEN insufficient_privilege THEN
        RAISE WARNING 'the role nevermisscall_service cannot be made: the service works as whoever it connects as';
END
$$;
DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'nevermisscall_service') THEN
        RETURN;
    END IF;
    FOR attempt IN 1..20 LOOP
        BEGIN
            EXECUTE format('GRANT nevermisscall_service TO %I', current_user);
            EXIT;
        EXCEPTION
            WHEN insufficient_privilege THEN EXIT; -- made by somebody else, who may grant it
            WHEN internal_error OR unique_violation OR object_in_use THEN -- "tuple concurrently updated"
                PERFORM pg_sleep(0.05 * attempt);
        END;
    END LOOP;
    GRANT USAGE ON SCHEMA public TO nevermisscall_service;
    GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO nevermisscall_service;
    GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO nevermisscall_service;
    REVOKE UPDATE, DELETE, TRUNCATE ON audit FROM nevermisscall_service;
    ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO nevermisscall_service;
    ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT USAGE ON SEQUENCES TO nevermisscall_service;
END
$$;
