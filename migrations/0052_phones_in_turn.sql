-- Calls may be forwarded to several phones, one after the other, and be screened there (docs/design.md, Calls).

-- A business's document has the further phones in `forward_to_next`; the column `forward_to` has the first.
CREATE INDEX businesses_by_forward_to_next ON businesses USING gin ((profile -> 'forward_to_next'));

-- The further phones that were put and do not count yet. Null: as the document has them.
ALTER TABLE wanted_phones ADD COLUMN forward_to_next text[];
-- `put_at` of the PUT that has them: versions that do not know the column leave it as it is.
ALTER TABLE wanted_phones ADD COLUMN next_put_at timestamptz;

-- Whether the owner's phone was asked for a key before it was connected, and when that was pressed.
ALTER TABLE calls ADD COLUMN screened boolean NOT NULL DEFAULT false;
ALTER TABLE calls ADD COLUMN accepted_at timestamptz;
