-- The key of a business's own DispatchBot (`policy.dispatchbot` of its document), encrypted. It is bound to the business and
-- to the URL in the document, so it opens for no other.
ALTER TABLE businesses ADD COLUMN dispatchbot_api_key bytea;
