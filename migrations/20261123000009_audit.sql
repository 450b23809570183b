-- The audit log: an index of the events that it tells of, one row each. What an entry says is in the event, sealed as far
-- as it is personal, and is read from there: so nothing has to be erased here, and a rebuild is short. Rows hold only what
-- entries are found by; they are never changed.
CREATE TABLE read.audit (
    -- The order of the list, newest first. Times are those of the log, in which they never run backwards; but events of
    -- one commit share theirs.
    at timestamptz NOT NULL,
    position bigint NOT NULL,
    -- What was done to what, and whether it was refused, as a number: these rows are many.
    kind smallint NOT NULL,
    -- Who did it; of a refused sign-in, whose account it was about.
    user_id uuid,
    resource_id uuid,
    organization_id uuid,
    request_id uuid NOT NULL,
    CONSTRAINT audit_order PRIMARY KEY (at, position)
    -- Lists and counts read the indexes alone, where the pages of the table are known to be all visible: rows that are
    -- only added are otherwise looked after too late.
) WITH (autovacuum_vacuum_insert_scale_factor = 0.01);
-- Whichever of these is asked for, its entries are found in the order of the list. The kind is in each, as it is asked for
-- along with most, and so that the rare is found among the frequent.
CREATE INDEX audit_kind ON read.audit (kind, at, position);
CREATE INDEX audit_user ON read.audit (user_id, kind, at, position) WHERE user_id IS NOT NULL;
CREATE INDEX audit_resource ON read.audit (resource_id, kind, at, position) WHERE resource_id IS NOT NULL;
CREATE INDEX audit_organization ON read.audit (organization_id, kind, at, position) WHERE organization_id IS NOT NULL;
CREATE INDEX audit_request ON read.audit (request_id);

-- How many entries of a kind there are of a day (in UTC): what is counted most is a sum over a few of these.
CREATE TABLE read.audit_counts (
    kind smallint NOT NULL,
    day date NOT NULL,
    count bigint NOT NULL,
    CONSTRAINT audit_counts_kind_day PRIMARY KEY (kind, day)
    -- Today's are updated with every commit, in place.
) WITH (fillfactor = 50);

-- Deleted users are found by the names that they had: entries stay theirs.
CREATE INDEX users_gone_username ON read.users (username_key) WHERE deleted_at IS NOT NULL;
CREATE INDEX users_gone_email ON read.users (email_key) WHERE deleted_at IS NOT NULL;

-- What happened before this step is not in these tables: a rebuild is due.
INSERT INTO read.projections (name, version) SELECT 'audit', 0 FROM log.head WHERE position > 0;

DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'rollcall_service') THEN
        GRANT SELECT, INSERT, UPDATE, DELETE ON read.audit, read.audit_counts TO rollcall_service;
    END IF;
END
$$;
