-- What a customer's words were taken for, kept with the message; and what a person said of it later.
CREATE TABLE emergency_verdicts (
    message_id      uuid PRIMARY KEY REFERENCES messages (id),
    conversation_id uuid NOT NULL REFERENCES conversations (id),
    business_id     text NOT NULL,
    -- The strongest rule; all of them, with the words that met each, are in `reasons`.
    rule            text NOT NULL,
    reasons         jsonb NOT NULL,
    life_safety     text,
    language        text NOT NULL,
    -- Whether it was treated as an emergency: a business may take none.
    accepted        boolean NOT NULL,
    created_at      timestamptz NOT NULL,
    false_alarm_at  timestamptz,
    false_alarm_by  text
);
CREATE INDEX emergency_verdicts_of_conversation ON emergency_verdicts (conversation_id);
CREATE INDEX emergency_verdicts_of_business ON emergency_verdicts (business_id, rule);
