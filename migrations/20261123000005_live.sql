-- What may be lost without harm to anybody: when somebody was last here, which commands were done, saved states.

CREATE TABLE live.user_activity (
    user_id uuid CONSTRAINT user_activity_user PRIMARY KEY,
    last_seen_at timestamptz NOT NULL
);

CREATE TABLE live.session_activity (
    session_id text COLLATE "C" CONSTRAINT session_activity_session PRIMARY KEY,
    last_used timestamptz NOT NULL
);

-- The commands of the last day that were recorded: a command that is sent again is answered and not done again, and
-- a commit whose answer was lost is settled by looking here.
CREATE TABLE live.commands (
    id uuid CONSTRAINT commands_id PRIMARY KEY,
    -- The position of its last event.
    position bigint NOT NULL,
    recorded_at timestamptz NOT NULL
);
CREATE INDEX commands_recorded_at ON live.commands (recorded_at);

-- States of long streams, personal data sealed, so that loading reads only what came after.
CREATE TABLE live.snapshots (
    aggregate_id uuid CONSTRAINT snapshots_aggregate PRIMARY KEY,
    aggregate_type text NOT NULL,
    version bigint NOT NULL,
    state_version integer NOT NULL,
    state bytea NOT NULL
);
