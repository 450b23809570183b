-- The log in the table layout of the crate postgres-es 0.5, so that its repository, replay and view repository read
-- it unmodified. Personal data stays sealed there. Reading only: it has no way to append that keeps our promises.
CREATE VIEW cqrs.events AS
SELECT aggregate_type
     , aggregate_id::text AS aggregate_id
     , version AS sequence
     , event_type
     , schema_version::text AS event_version
     , convert_from(payload, 'UTF8')::json AS payload
     , convert_from(metadata, 'UTF8')::json AS metadata
  FROM log.events;

-- That crate compares identifiers as text.
CREATE INDEX events_cqrs ON log.events ((aggregate_id::text), version);

-- Never any: that crate applies events twice on top of a snapshot.
CREATE VIEW cqrs.snapshots AS
SELECT NULL::text AS aggregate_type
     , NULL::text AS aggregate_id
     , NULL::bigint AS last_sequence
     , NULL::bigint AS current_snapshot
     , NULL::json AS payload
 WHERE false;

CREATE VIEW cqrs.user_view AS
SELECT id::text AS view_id
     , version
     , json_build_object(
           'id', id, 'username', username, 'email', email, 'name', name, 'avatar_url', avatar_url, 'status', status
         , 'login_type', login_type, 'roles', roles, 'organization_ids', organization_ids
         , 'created_at', created_at, 'updated_at', updated_at, 'deleted_at', deleted_at) AS payload
  FROM read.users;
