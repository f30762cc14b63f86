-- A text that comes soon after the end opens the customer's last conversation again.
CREATE INDEX conversations_ended ON conversations (business_phone, customer_phone, created_at DESC, id DESC)
    WHERE status = 'completed';
