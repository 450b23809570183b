-- A log that was brought here from elsewhere. It comes into an empty one, so that there is one row at most.
CREATE TABLE log.imports (
    -- The last event that came with it.
    position bigint CONSTRAINT imports_position PRIMARY KEY,
    imported_at timestamptz NOT NULL,
    -- Whether the keys to what is sealed came along. Without them the people in those events are blank here, as if they were
    -- erased; a verification must know that nobody erased them.
    with_vault boolean NOT NULL
);
CREATE TRIGGER imports_are_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON log.imports
    FOR EACH STATEMENT EXECUTE FUNCTION log.refuse_change();

DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'rollcall_service') THEN
        GRANT SELECT ON log.imports TO rollcall_service;
    END IF;
END
$$;
