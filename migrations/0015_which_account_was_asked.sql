-- Which Twilio account a message was last given to: where the answer is lost, only that account's list can prove what became
-- of it, and a business may bring another account meanwhile. Null where it was tried before this was kept.
ALTER TABLE messages ADD COLUMN account_sid text;
