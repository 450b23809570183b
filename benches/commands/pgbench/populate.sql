-- The users who are there when it begins.
INSERT INTO log.events (position, aggregate_type, aggregate_id, version, event_type, schema_version, payload, metadata
                      , recorded_at)
SELECT n, 'user', lpad(to_hex(n), 32, '0')::uuid, 1, 'UserCreated', 1, repeat('p', 428)::bytea, repeat('m', 365)::bytea
     , now()
  FROM generate_series(1, :users) AS n;
INSERT INTO read.users (id, version, username, username_key, email, email_key, name, name_key, avatar_url, status
                      , login_type, roles, organization_ids, created_at, updated_at, deleted_at)
SELECT lpad(to_hex(n), 32, '0')::uuid, 1, 'user-' || n, 'user-' || n, n || '@example.com', n || '@example.com'
     , 'Ada of the Benchmark', 'ada of the benchmark', '', 'active', 'password', '{}'
     , '{00000000-0000-0000-0000-000000000000}', now(), now(), NULL
  FROM generate_series(1, :users) AS n;
UPDATE log.head SET position = :users, recorded_at = now();
