-- A window that is due asks for the webhooks of its customer that wait here.
CREATE INDEX waiting_webhooks_by_subject ON waiting_webhooks (subject);
