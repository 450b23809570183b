-- The log: what happened, in the order in which it was committed. Append-only, and the database keeps it so.
CREATE TABLE log.events (
    -- Place in the whole log, from 1, without gaps: numbered under the lock on log.head.
    position bigint CONSTRAINT events_position PRIMARY KEY,
    aggregate_type text NOT NULL,
    aggregate_id uuid NOT NULL,
    -- Place in the stream, from 1.
    version bigint NOT NULL CONSTRAINT events_version_from_1 CHECK (version >= 1),
    event_type text NOT NULL,
    -- The shape of the payload: upcasters lead from a retired one to today's.
    schema_version integer NOT NULL,
    -- UTF-8 JSON, as bytes: exactly these bytes are hashed.
    payload bytea NOT NULL,
    metadata bytea NOT NULL,
    -- Never earlier than that of the event before.
    recorded_at timestamptz NOT NULL,
    CONSTRAINT events_stream_version UNIQUE (aggregate_id, version)
);

-- One row: the last position, and the Merkle tree of all events so far. Whoever appends locks it first.
CREATE TABLE log.head (
    is_head boolean CONSTRAINT head_is_one_row PRIMARY KEY DEFAULT true CHECK (is_head),
    position bigint NOT NULL,
    -- The roots of the perfect subtrees that make up the tree (RFC 6962), the largest first, 32 bytes each.
    frontier bytea NOT NULL,
    recorded_at timestamptz NOT NULL
);
INSERT INTO log.head (position, frontier, recorded_at) VALUES (0, '', 'epoch');

CREATE FUNCTION log.refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the log is append-only: % on %.% is refused', TG_OP, TG_TABLE_SCHEMA, TG_TABLE_NAME
        USING ERRCODE = 'restrict_violation';
END
$$;
CREATE TRIGGER events_are_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON log.events
    FOR EACH STATEMENT EXECUTE FUNCTION log.refuse_change();
CREATE TRIGGER head_stays BEFORE DELETE OR TRUNCATE ON log.head
    FOR EACH STATEMENT EXECUTE FUNCTION log.refuse_change();

CREATE FUNCTION log.head_moves_forward() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.position <= OLD.position OR NEW.recorded_at < OLD.recorded_at THEN
        RAISE EXCEPTION 'the head of the log only moves forward: % after % is refused', NEW.position, OLD.position
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER head_moves_forward BEFORE UPDATE ON log.head
    FOR EACH ROW EXECUTE FUNCTION log.head_moves_forward();

-- The log for people: the same rows with their bytes as JSON.
CREATE VIEW log.readable AS
SELECT position
     , aggregate_type
     , aggregate_id
     , version
     , event_type
     , schema_version
     , convert_from(payload, 'UTF8')::json AS payload
     , convert_from(metadata, 'UTF8')::json AS metadata
     , recorded_at
  FROM log.events;
