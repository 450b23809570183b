-- Protection of passwords against guessing, shared by all nodes. Accounts and networks are keyed hashes (HMAC-SHA-256
-- under a key derived from the master key): no address, and no e-mail address that somebody tried, can be read here.

-- Wrong passwords, counted by account and by (account, network). A failure is forgotten after a while: `forgotten_at`
-- is when all that are counted here will be.
CREATE TABLE live.password_failures (
    account bytea NOT NULL,
    -- A network, or one of the two counts of all networks together.
    scope bytea NOT NULL,
    counted_at timestamptz NOT NULL,
    forgotten_at timestamptz NOT NULL,
    CONSTRAINT password_failures_account_scope PRIMARY KEY (account, scope)
);
CREATE INDEX password_failures_forgotten_at ON live.password_failures (forgotten_at);

-- Where users have proven their passwords before: what others get wrong does not delay them from there.
CREATE TABLE live.known_networks (
    user_id uuid NOT NULL,
    network bytea NOT NULL,
    last_success_at timestamptz NOT NULL,
    CONSTRAINT known_networks_user_network PRIMARY KEY (user_id, network)
);

DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'rollcall_service') THEN
        GRANT SELECT, INSERT, UPDATE, DELETE ON live.password_failures, live.known_networks TO rollcall_service;
    END IF;
END
$$;
