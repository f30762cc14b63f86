-- Whose number it is (docs/design.md, Whose number, whose phone).

-- Whether a key of named businesses may add numbers to them, or a Twilio account. A key for all businesses may.
ALTER TABLE api_keys ADD COLUMN may_manage_numbers boolean NOT NULL DEFAULT false;

-- Whether the Twilio account of the business has the number, as Twilio was last asked.
ALTER TABLE business_numbers ADD COLUMN verified text NOT NULL DEFAULT 'unknown'
    CHECK (verified IN ('yes', 'no', 'unknown'));
-- When `verified` last changed.
ALTER TABLE business_numbers ADD COLUMN verified_at timestamptz;
-- When Twilio last said something of it.
ALTER TABLE business_numbers ADD COLUMN checked_at timestamptz;
-- When Twilio is asked next: whoever asks moves it on first, and so one worker asks at a time.
ALTER TABLE business_numbers ADD COLUMN look_at timestamptz NOT NULL DEFAULT now();
-- How often in a row Twilio has not said: the pauses grow with it.
ALTER TABLE business_numbers ADD COLUMN unanswered_looks integer NOT NULL DEFAULT 0;
-- How often `verified` has changed: the sequence of what is told of it.
ALTER TABLE business_numbers ADD COLUMN changes bigint NOT NULL DEFAULT 0;
CREATE INDEX business_numbers_to_be_looked_up ON business_numbers (look_at);

-- Who forwards to a number: chains of forwarding are followed in both directions.
CREATE INDEX businesses_by_forward_to ON businesses (forward_to);
