-- A partial index without a condition on its own column can be read as a whole in place of another one. While a table is small
-- and nothing is known of its rows, that seems to cost the same, and statements that are planned then keep to it: usernames
-- were looked for in all addresses, until the server had a look at the table. With the condition that every search for an
-- address implies, and none for a name, nobody is tempted.
DROP INDEX read.users_email, read.users_gone_email;
CREATE UNIQUE INDEX users_email ON read.users (email_key) WHERE deleted_at IS NULL AND email_key IS NOT NULL;
CREATE INDEX users_gone_email ON read.users (email_key) WHERE deleted_at IS NOT NULL AND email_key IS NOT NULL;
