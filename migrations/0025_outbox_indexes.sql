-- Published rows are deleted, so nothing looks for them, and few rows wait. A statement that looks for keys could use
-- the index by age instead of the one by key: it then read the entries of all rows since the last vacuum.
DROP INDEX outbox_waiting_by_age;
DROP INDEX outbox_published;
