-- How the carriers' check of a caller's number (STIR/SHAKEN) ended, in Twilio's words: `StirVerstat`.
ALTER TABLE calls ADD COLUMN stir_verstat text;
