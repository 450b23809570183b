-- Four kinds of table, four schemas, four promises (migrations/README.md says which), and one schema of views for
-- readers by way of cqrs-es.
CREATE SCHEMA log;
CREATE SCHEMA vault;
CREATE SCHEMA read;
CREATE SCHEMA live;
CREATE SCHEMA cqrs;

-- Searching for a part of an e-mail address or a name would otherwise read every user.
CREATE EXTENSION IF NOT EXISTS pg_trgm WITH SCHEMA public;

-- The role that the service works as: it may add to the log and never change it. Where we may not make roles, the
-- administrator makes it (or not): the grants of a later step then apply to it if it is there.
DO $$
BEGIN
    CREATE ROLE rollcall_service NOLOGIN;
EXCEPTION
    WHEN duplicate_object OR unique_violation THEN NULL;
    WHEN insufficient_privilege THEN
        RAISE NOTICE 'no right to make the role rollcall_service: the service works as the role that it connects with';
END
$$;
