-- Signing in by way of providers.

-- Which account at a provider is which user. Personal: goes with the person.
CREATE TABLE read.identities (
    -- Issuer and subject, by which it is found and unique.
    key text COLLATE "C" CONSTRAINT identities_key PRIMARY KEY,
    user_id uuid NOT NULL CONSTRAINT identities_user UNIQUE,
    provider text NOT NULL,
    issuer text NOT NULL,
    subject text NOT NULL,
    linked_at timestamptz NOT NULL
);

-- What a provider gave for asking it about a person again: sealed under the person's key.
CREATE TABLE vault.provider_tokens (
    subject_id uuid CONSTRAINT provider_tokens_subject PRIMARY KEY,
    sealed text NOT NULL,
    -- When the provider has to be asked again; null: never.
    expires_at timestamptz,
    -- Counts the changes, so that of two who renew it one wins.
    revision bigint NOT NULL,
    -- Who renews it has until then. A token that buys another is good for one use: two who use it end it for both.
    renewing_until timestamptz
);

-- Flows that were finished, by the SHA-256 of their state: none can be finished twice. Kept until they would have
-- ended anyway.
CREATE TABLE live.oauth_flows (
    state_sha256 bytea CONSTRAINT oauth_flows_state PRIMARY KEY,
    finished_at timestamptz NOT NULL
);
CREATE INDEX oauth_flows_finished_at ON live.oauth_flows (finished_at);

DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'rollcall_service') THEN
        GRANT SELECT, INSERT, UPDATE, DELETE ON read.identities, vault.provider_tokens, live.oauth_flows TO rollcall_service;
    END IF;
END
$$;
