-- Addresses are compared by Unicode's rules and by those of DNS, and searches fold case by Unicode's rules. The keys of rows
-- that are there are made again by the service when it starts, as SQL has no such rules.

-- What a search of an address looks at besides its key: the address as it was given, and with its domain in the letters of
-- people. Null where the key is all there is.
ALTER TABLE read.users ADD COLUMN email_search text COLLATE "C";
ALTER TABLE read.past_users ADD COLUMN email_search text COLLATE "C";
DROP INDEX read.users_search;
CREATE INDEX users_search ON read.users
 USING gin (username_key gin_trgm_ops, email_key gin_trgm_ops, email_search gin_trgm_ops);

-- Two addresses that were different by the rule under which they were accepted can be the same by a newer one. Who has an
-- address is decided under the lock on the log's head, as of all names; rows of the past must not stand in the way of that.
DROP INDEX read.users_email;
CREATE INDEX users_email ON read.users (email_key) WHERE deleted_at IS NULL AND email_key IS NOT NULL;
