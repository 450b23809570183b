-- Users as they were, for lists as of a moment: the same columns that lists look for, sort and show, from the event that made
-- the user so until the event that made them otherwise. Who was deleted is in no list, and not here either.

-- The event that made the row as it is. What an older release writes meanwhile has none, and is due for a rebuild anyway.
ALTER TABLE read.users ADD COLUMN position bigint NOT NULL DEFAULT 0;
UPDATE read.users
   SET position = events.position
  FROM log.events
 WHERE events.aggregate_id = users.id AND events.version = users.version;

CREATE TABLE read.past_users (
    id uuid NOT NULL,
    -- Positions: of the event that made the user so, and of the first that changed it.
    since bigint NOT NULL,
    until bigint NOT NULL,
    version bigint NOT NULL,
    -- What belongs to the person is null when the person was erased.
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
    organization_roles text[] NOT NULL,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    CONSTRAINT past_users_id_since PRIMARY KEY (id, since)
);

DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'rollcall_service') THEN
        GRANT SELECT, INSERT, UPDATE, DELETE ON read.past_users TO rollcall_service;
    END IF;
END
$$;
