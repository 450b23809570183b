-- A user is created.
\set user random(1000000000, 9000000000000000)
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
SELECT false, id, position FROM live.commands WHERE id = ANY (ARRAY[lpad(to_hex(:command::bigint), 32, '0')::uuid]);
SELECT EXISTS (SELECT FROM read.users
                WHERE username_key = 'user-' || :user::bigint AND deleted_at IS NULL
                  AND id <> lpad(to_hex(:user::bigint), 32, '0')::uuid);
WITH appended AS (
    INSERT INTO log.events (position, aggregate_type, aggregate_id, version, event_type, schema_version
                          , payload, metadata, recorded_at)
    VALUES (:position::bigint + 1, 'user', lpad(to_hex(:user::bigint), 32, '0')::uuid, 1, 'UserCreated', 1
          , 'pppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppp'::bytea
          , 'mmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmm'::bytea
          , now()))
, done AS (
    INSERT INTO live.commands (id, position, recorded_at)
    VALUES (lpad(to_hex(:command::bigint), 32, '0')::uuid, :position::bigint + 1, now()))
UPDATE log.head SET position = :position::bigint + 1, frontier = 'ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff'::bytea, recorded_at = now();
WITH keys AS (
    INSERT INTO vault.subject_keys (subject_id, master_key_id, wrapped, created_at)
    VALUES (lpad(to_hex(:user::bigint), 32, '0')::uuid, '0123456789abcdef', 'kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk'::bytea, now()))
INSERT INTO vault.credentials (subject_id, password_hash, revision, changed_at)
VALUES (lpad(to_hex(:user::bigint), 32, '0')::uuid, 'hhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhh', 1, now())
    ON CONFLICT (subject_id) DO UPDATE SET password_hash = excluded.password_hash;
INSERT INTO read.users (id, version, username, username_key, email, email_key, name, name_key, avatar_url, status
                      , login_type, roles, organization_ids, created_at, updated_at, deleted_at)
VALUES (lpad(to_hex(:user::bigint), 32, '0')::uuid, 1, 'user-' || :user::bigint, 'user-' || :user::bigint
      , :user::bigint || '@example.com', :user::bigint || '@example.com', 'Ada of the Benchmark', 'ada of the benchmark'
      , '', 'active', 'password', '{}', '{00000000-0000-0000-0000-000000000000}', now(), now(), NULL)
    ON CONFLICT (id) DO UPDATE SET version = excluded.version;
NOTIFY rollcall_log, 'position';
COMMIT;
