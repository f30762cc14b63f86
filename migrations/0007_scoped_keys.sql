-- What a key may do: with which businesses (null: all), and whether it may change anything.
ALTER TABLE api_keys ADD COLUMN business_ids text[] CHECK (cardinality(business_ids) > 0);
ALTER TABLE api_keys ADD COLUMN may_write boolean NOT NULL DEFAULT true;
