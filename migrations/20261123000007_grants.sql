-- What the service's role may do: read everything, add to the log, move its head, and work on the rest. It has no
-- right to change or remove an event, whatever the triggers say.
DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'rollcall_service') THEN
        GRANT USAGE ON SCHEMA log, vault, read, live, cqrs TO rollcall_service;
        GRANT SELECT ON ALL TABLES IN SCHEMA log, cqrs TO rollcall_service;
        GRANT INSERT ON log.events TO rollcall_service;
        GRANT UPDATE ON log.head TO rollcall_service;
        GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA vault, read, live TO rollcall_service;
        -- So that a service of this role can see that the migrations are done.
        GRANT SELECT ON _sqlx_migrations TO rollcall_service;
    END IF;
END
$$;
