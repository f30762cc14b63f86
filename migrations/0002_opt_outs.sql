-- Who wants no texts of which business, whichever of its numbers they wrote to. Kept after its conversations, so that a new
-- one begins knowing it.
CREATE TABLE opt_outs (
    business_id    text NOT NULL,
    customer_phone text NOT NULL,
    -- How we know: their word, their sentence, Twilio's own word for it, or the carrier's refusal.
    by             text NOT NULL,
    opted_out_at   timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (business_id, customer_phone)
);
