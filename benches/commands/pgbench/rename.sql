-- A profile changes.
\set user random(1, :users)
\if random(1, 20) = 1
\set user random(1, 20)
\endif
\set command random(1000000000, 9000000000000000)
BEGIN;
SET LOCAL lock_timeout = '10s';
SET LOCAL statement_timeout = '30s';
SET LOCAL idle_in_transaction_session_timeout = '10s';
SELECT position, frontier AS ignored_frontier FROM log.head FOR UPDATE \gset
SELECT true AS ignored, stream.id AS stream, last.version
  FROM (SELECT DISTINCT UNNEST(ARRAY[lpad(to_hex(:user::bigint), 32, '0')::uuid]) AS id) AS stream
 CROSS JOIN LATERAL (SELECT version FROM log.events
                      WHERE aggregate_id = stream.id ORDER BY version DESC LIMIT 1) AS last
 UNION ALL
SELECT false, id, position FROM live.commands WHERE id = ANY (ARRAY[lpad(to_hex(:command::bigint), 32, '0')::uuid]) \gset
SELECT EXISTS (SELECT FROM read.users
                WHERE username_key = 'user-' || :user::bigint AND deleted_at IS NULL
                  AND id <> lpad(to_hex(:user::bigint), 32, '0')::uuid);
WITH appended AS (
    INSERT INTO log.events (position, aggregate_type, aggregate_id, version, event_type, schema_version
                          , payload, metadata, recorded_at)
    VALUES (:position::bigint + 1, 'user', lpad(to_hex(:user::bigint), 32, '0')::uuid, :version::bigint + 1, 'ProfileChanged', 1
          , 'pppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppp'::bytea
          , 'mmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmm'::bytea
          , now()))
, done AS (
    INSERT INTO live.commands (id, position, recorded_at)
    VALUES (lpad(to_hex(:command::bigint), 32, '0')::uuid, :position::bigint + 1, now()))
UPDATE log.head SET position = :position::bigint + 1, frontier = 'ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff'::bytea, recorded_at = now();
SELECT id, version, username, email, name, avatar_url, status, login_type, roles, organization_ids, created_at, updated_at
     , deleted_at
  FROM read.users WHERE id = ANY (ARRAY[lpad(to_hex(:user::bigint), 32, '0')::uuid]);
UPDATE read.users
   SET version = :version::bigint + 1, name = 'Ada ' || :command::bigint, name_key = 'ada ' || :command::bigint
     , updated_at = now()
 WHERE id = lpad(to_hex(:user::bigint), 32, '0')::uuid;
NOTIFY rollcall_log, 'position';
COMMIT;
