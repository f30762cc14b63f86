-- The person whom a key belongs to, by their id in the App Server; NULL: requests name the person themselves.
ALTER TABLE api_keys ADD COLUMN user_id text;
