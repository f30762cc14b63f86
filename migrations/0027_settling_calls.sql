-- How it is found out whether a call was answered if the result of the dialling does not come.
ALTER TABLE calls
    -- What decided the status: dial_result, not_dialled, leg. NULL until it is final, and for older calls.
    ADD COLUMN settled_by text CHECK (settled_by IN ('dial_result', 'not_dialled', 'leg')),
    -- When to ask Twilio next. NULL once the status is final.
    ADD COLUMN settle_at timestamptz,
    -- The business's own Twilio account that received the call. NULL for the main account.
    ADD COLUMN own_account text;
CREATE INDEX calls_to_settle ON calls (settle_at) WHERE settle_at IS NOT NULL;
