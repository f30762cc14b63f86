-- Since when the owner is away, by their text OFF; NULL while they are not. A later text counts, in whatever order they are
-- processed.
ALTER TABLE businesses ADD COLUMN owner_off_since timestamptz;
ALTER TABLE businesses ADD COLUMN owner_off_changed_at timestamptz;

-- The phones of the own side of all businesses that want no texts, for /health.
CREATE INDEX opt_outs_of_own_side ON opt_outs (business_id, customer_phone) WHERE by = 'own_side';
