-- The vault: what can be destroyed, so that a person is forgotten while the log stays. Not rebuildable: back it up,
-- and know that whoever has a backup and the master key has the people.

-- The master keys that wrap the subjects' keys, by fingerprint: a service with the wrong one must not start.
CREATE TABLE vault.master_keys (
    id text CONSTRAINT master_keys_id PRIMARY KEY,
    created_at timestamptz NOT NULL
);

-- One key for each person, wrapped by a master key. Deleting the row erases the person from the whole log.
CREATE TABLE vault.subject_keys (
    subject_id uuid CONSTRAINT subject_keys_subject PRIMARY KEY,
    master_key_id text NOT NULL,
    wrapped bytea NOT NULL,
    created_at timestamptz NOT NULL
);

-- The current password hash, and no earlier one.
CREATE TABLE vault.credentials (
    subject_id uuid CONSTRAINT credentials_subject PRIMARY KEY,
    -- A PHC string: $argon2id$... or, imported, $pbkdf2-sha256$...
    password_hash text NOT NULL,
    -- Counts the hashes of this subject, in step with the user's events.
    revision bigint NOT NULL,
    changed_at timestamptz NOT NULL
);
