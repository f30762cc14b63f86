-- Opt-outs that a person records over REST. Each is named by an id; who was erased keeps it.
ALTER TABLE opt_outs ADD COLUMN id uuid NOT NULL DEFAULT gen_random_uuid();
-- What the person wrote about it. An erasure deletes it.
ALTER TABLE opt_outs ADD COLUMN note text;
ALTER TABLE erased_opt_outs ADD COLUMN id uuid NOT NULL DEFAULT gen_random_uuid();
CREATE UNIQUE INDEX opt_outs_id ON opt_outs (id);
CREATE UNIQUE INDEX erased_opt_outs_id ON erased_opt_outs (id);
-- The list: of all businesses, or of one.
CREATE INDEX opt_outs_newest ON opt_outs (opted_out_at, id);
CREATE INDEX opt_outs_newest_of_business ON opt_outs (business_id, opted_out_at, id);
CREATE INDEX erased_opt_outs_newest ON erased_opt_outs (opted_out_at, id);
