-- Evidence: heads of the log that were signed, so that whoever kept one can prove later what the log was.

-- Every checkpoint that was made. As append-only as the events that it speaks for.
CREATE TABLE log.checkpoints (
    -- The last position that it covers.
    size bigint CONSTRAINT checkpoints_size PRIMARY KEY,
    -- The root of the tree over the events up to there.
    root bytea NOT NULL,
    -- The signed note, as it is given out.
    note text NOT NULL,
    made_at timestamptz NOT NULL,
    CONSTRAINT checkpoints_size_from_0 CHECK (size >= 0),
    CONSTRAINT checkpoints_root_is_a_hash CHECK (octet_length(root) = 32)
);
CREATE TRIGGER checkpoints_are_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON log.checkpoints
    FOR EACH STATEMENT EXECUTE FUNCTION log.refuse_change();

-- What they are signed with: one secret, wrapped by a master key. Another one would be another signer.
CREATE TABLE vault.checkpoint_key (
    is_key boolean CONSTRAINT checkpoint_key_is_one_row PRIMARY KEY DEFAULT true CHECK (is_key),
    master_key_id text NOT NULL,
    wrapped bytea NOT NULL,
    created_at timestamptz NOT NULL
);

-- Roots of complete parts of the tree, so that a proof need not read the whole log. Whatever is made of them is
-- verified: a wrong row costs time and proves nothing.
CREATE TABLE live.tree (
    -- The part has 2 to the power of this events.
    level integer NOT NULL,
    -- Which of the parts of this size, from 0.
    nth bigint NOT NULL,
    root bytea NOT NULL,
    CONSTRAINT tree_place PRIMARY KEY (level, nth)
);

DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'rollcall_service') THEN
        GRANT SELECT, INSERT ON log.checkpoints TO rollcall_service;
        GRANT SELECT, INSERT, UPDATE ON vault.checkpoint_key TO rollcall_service;
        GRANT SELECT, INSERT, UPDATE, DELETE ON live.tree TO rollcall_service;
    END IF;
END
$$;
