-- The JSON in some bytes of the log, or null if they hold none: one damaged event must not end a query over many.
CREATE FUNCTION log.json_or_null(bytes bytea) RETURNS json LANGUAGE plpgsql IMMUTABLE STRICT AS $$
BEGIN
    RETURN convert_from(bytes, 'UTF8')::json;
EXCEPTION
    WHEN data_exception OR program_limit_exceeded THEN
        RETURN NULL;
END
$$;

CREATE OR REPLACE VIEW log.readable AS
SELECT position
     , aggregate_type
     , aggregate_id
     , version
     , event_type
     , schema_version
     , log.json_or_null(payload) AS payload
     , log.json_or_null(metadata) AS metadata
     , recorded_at
  FROM log.events;
