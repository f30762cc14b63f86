-- How many REST requests a key may make, such as `100/min`; NULL means NMC_RATE_LIMIT.
ALTER TABLE api_keys ADD COLUMN rate_limit text;
