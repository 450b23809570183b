-- The read models: projections of the log (and, for what is sealed, of the vault). Each can be dropped and rebuilt,
-- and then holds the same rows to the byte.

-- Which version of each projection's rule made the rows.
CREATE TABLE read.projections (
    name text CONSTRAINT projections_name PRIMARY KEY,
    version integer NOT NULL
);

CREATE TABLE read.users (
    id uuid CONSTRAINT users_id PRIMARY KEY,
    -- The version of the last event that changed the row.
    version bigint NOT NULL,
    -- What belongs to the person is null when the person was erased. The keys are the lower-case forms that
    -- uniqueness, order and search use; byte order, so that every server sorts alike.
    username text,
    username_key text COLLATE "C",
    email text,
    email_key text COLLATE "C",
    name text,
    name_key text COLLATE "C",
    avatar_url text,
    status text NOT NULL,
    login_type text NOT NULL,
    roles text[] NOT NULL,
    organization_ids uuid[] NOT NULL,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    -- Deleted users stay, so that identifiers keep meaning something.
    deleted_at timestamptz
);
-- These two decide who has a name. Deleted users hold none.
CREATE UNIQUE INDEX users_username ON read.users (username_key) WHERE deleted_at IS NULL;
CREATE UNIQUE INDEX users_email ON read.users (email_key) WHERE deleted_at IS NULL;
CREATE INDEX users_search ON read.users USING gin (username_key gin_trgm_ops, email_key gin_trgm_ops);

CREATE TABLE read.sessions (
    id text COLLATE "C" CONSTRAINT sessions_id PRIMARY KEY,
    user_id uuid NOT NULL,
    -- Of the token's secret half, which has 131 random bits: a bare hash is enough.
    secret_sha256 bytea NOT NULL CONSTRAINT sessions_secret_is_sha256 CHECK (octet_length(secret_sha256) = 32),
    login_type text NOT NULL,
    scope text NOT NULL,
    lifetime_s bigint NOT NULL,
    created_at timestamptz NOT NULL,
    -- When it ends if it is never used; live.session_activity moves this, up to ends_at.
    expires_at timestamptz NOT NULL,
    ends_at timestamptz NOT NULL
);
CREATE INDEX sessions_user ON read.sessions (user_id);

CREATE TABLE read.organizations (
    id uuid CONSTRAINT organizations_id PRIMARY KEY,
    version bigint NOT NULL,
    name text NOT NULL,
    name_key text COLLATE "C" NOT NULL,
    display_name text NOT NULL,
    is_default boolean NOT NULL,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL
);
CREATE UNIQUE INDEX organizations_name ON read.organizations (name_key);
CREATE UNIQUE INDEX organizations_one_default ON read.organizations (is_default) WHERE is_default;
