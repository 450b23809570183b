-- A password hash belongs to one user and one revision: the binding, made with a key that is derived from the master key, says so.
ALTER TABLE vault.credentials ADD COLUMN binding bytea;

-- That the hashes which were here before are bound too, which the first service to start does. From then on a hash without a
-- binding is refused. It is kept beside the log, where nothing can be taken away: who can write the vault cannot undo it.
CREATE TABLE log.credentials_bound (
    is_done boolean CONSTRAINT credentials_bound_is_one_row PRIMARY KEY DEFAULT true CHECK (is_done),
    bound_at timestamptz NOT NULL
);
CREATE TRIGGER credentials_bound_is_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON log.credentials_bound
    FOR EACH STATEMENT EXECUTE FUNCTION log.refuse_change();

DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'rollcall_service') THEN
        GRANT SELECT, INSERT ON log.credentials_bound TO rollcall_service;
    END IF;
END
$$;
