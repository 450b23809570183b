-- Names of API tokens, and roles in organisations.

-- What the user calls the token. Personal: goes with the session when the person is erased.
ALTER TABLE read.sessions ADD COLUMN token_name text COLLATE "C";
CREATE UNIQUE INDEX sessions_token_name ON read.sessions (user_id, token_name) WHERE token_name IS NOT NULL;
-- To find those that are long past their end.
CREATE INDEX sessions_ends_at ON read.sessions (ends_at);

-- Each as `organization-admin:<id of the organisation>`: known with the user, so that no request has to ask for them.
ALTER TABLE read.users ADD COLUMN organization_roles text[] NOT NULL DEFAULT '{}';

-- Whoever takes an owner's place away looks whether another stays.
CREATE INDEX users_active_owners ON read.users (id)
 WHERE 'owner' = ANY (roles) AND status = 'active' AND deleted_at IS NULL;

-- Who belongs to which organisation.
CREATE TABLE read.members (
    organization_id uuid NOT NULL,
    user_id uuid NOT NULL,
    roles text[] NOT NULL,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    CONSTRAINT members_organization_user PRIMARY KEY (organization_id, user_id)
);
CREATE INDEX members_user ON read.members (user_id);
INSERT INTO read.members (organization_id, user_id, roles, created_at, updated_at)
SELECT organization_id, id, '{}', created_at, created_at
  FROM read.users, UNNEST(organization_ids) AS organization_id
 WHERE deleted_at IS NULL;

DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'rollcall_service') THEN
        GRANT SELECT, INSERT, UPDATE, DELETE ON read.members TO rollcall_service;
    END IF;
END
$$;
