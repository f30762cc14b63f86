-- The numbers that a business never texts automatically: family, suppliers, robocallers.
CREATE TABLE never_text (
    business_id text NOT NULL REFERENCES businesses (id) ON DELETE CASCADE,
    phone       text NOT NULL,
    added_at    timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (business_id, phone)
);
