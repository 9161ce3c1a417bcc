"""What empties a PostgreSQL database, as the first half of a transaction that fills it anew."""

from __future__ import annotations

from collections.abc import Iterable


def drop_all(wait_s: float, extensions: Iterable[str]) -> str:
    """The script. It waits so long for others' locks, and keeps these extensions."""
    quoted = ("'" + name.replace("'", "''") + "'" for name in extensions)
    return _DROP_ALL.format(wait_ms=max(1, round(wait_s * 1000)), extensions=", ".join(quoted))


_DROP_ALL = """\
SET client_min_messages = error;
BEGIN;
SET LOCAL lock_timeout = {wait_ms};
SET LOCAL search_path = pg_catalog;

-- All that a role has made in the database and that belongs to no extension. The schema `public`
-- stays, since who owns a database need not own that; of the others nothing does.
DO $drop$
DECLARE
  statements text[];
  statement text;
BEGIN
  WITH thing (class, id) AS (
    SELECT 'pg_publication'::regclass::oid, oid FROM pg_publication
    UNION ALL SELECT 'pg_event_trigger'::regclass, oid FROM pg_event_trigger
    UNION ALL SELECT 'pg_namespace'::regclass, oid FROM pg_namespace
      WHERE nspname NOT IN ('public', 'information_schema') AND nspname NOT LIKE 'pg\\_%'
    UNION ALL SELECT 'pg_class'::regclass, oid FROM pg_class
      WHERE relkind IN ('r', 'p', 'v', 'm', 'f', 'S')
        AND relnamespace = to_regnamespace('public')
    UNION ALL SELECT 'pg_proc'::regclass, oid FROM pg_proc
      WHERE pronamespace = to_regnamespace('public')
    UNION ALL SELECT 'pg_type'::regclass, oid FROM pg_type
      WHERE typnamespace = to_regnamespace('public') AND typelem = 0
        AND (typtype IN ('b', 'd', 'e', 'r') OR typtype = 'c' AND EXISTS (
          SELECT FROM pg_class c WHERE c.oid = typrelid AND c.relkind = 'c'
        ))
    UNION ALL SELECT 'pg_operator'::regclass, oid FROM pg_operator
      WHERE oprnamespace = to_regnamespace('public')
    UNION ALL SELECT 'pg_opfamily'::regclass, oid FROM pg_opfamily
      WHERE opfnamespace = to_regnamespace('public')
    UNION ALL SELECT 'pg_collation'::regclass, oid FROM pg_collation
      WHERE collnamespace = to_regnamespace('public')
    UNION ALL SELECT 'pg_conversion'::regclass, oid FROM pg_conversion
      WHERE connamespace = to_regnamespace('public')
    UNION ALL SELECT 'pg_ts_config'::regclass, oid FROM pg_ts_config
      WHERE cfgnamespace = to_regnamespace('public')
    UNION ALL SELECT 'pg_ts_dict'::regclass, oid FROM pg_ts_dict
      WHERE dictnamespace = to_regnamespace('public')
    UNION ALL SELECT 'pg_ts_parser'::regclass, oid FROM pg_ts_parser
      WHERE prsnamespace = to_regnamespace('public')
    UNION ALL SELECT 'pg_ts_template'::regclass, oid FROM pg_ts_template
      WHERE tmplnamespace = to_regnamespace('public')
    UNION ALL SELECT 'pg_foreign_server'::regclass, oid FROM pg_foreign_server
    UNION ALL SELECT 'pg_foreign_data_wrapper'::regclass, oid FROM pg_foreign_data_wrapper
    UNION ALL SELECT 'pg_language'::regclass, oid FROM pg_language WHERE oid >= 16384
    UNION ALL SELECT 'pg_cast'::regclass, oid FROM pg_cast WHERE oid >= 16384
    UNION ALL SELECT 'pg_am'::regclass, oid FROM pg_am WHERE oid >= 16384
  )
  SELECT array_agg(format(
    'DROP %s IF EXISTS %s CASCADE',
    replace(what.type, 'foreign-data', 'foreign data'),
    what.identity
  ) ORDER BY what.type <> 'event trigger')  -- which would else be told of all the others
  INTO statements
  FROM thing, pg_identify_object(thing.class, thing.id, 0) AS what
  WHERE what.identity IS NOT NULL AND NOT EXISTS (
    SELECT FROM pg_depend d
    WHERE d.classid = thing.class AND d.objid = thing.id AND d.deptype IN ('e', 'i')
  );
  FOREACH statement IN ARRAY coalesce(statements, '{{}}') LOOP
    EXECUTE statement;
  END LOOP;
  PERFORM lo_unlink(oid) FROM pg_largeobject_metadata;
  FOR statement IN
    SELECT format('DROP EXTENSION IF EXISTS %I CASCADE', extname) FROM pg_extension
    WHERE extname <> 'plpgsql' AND extname <> ALL (ARRAY[{extensions}]::name[])
  LOOP
    BEGIN
      EXECUTE statement;
    EXCEPTION WHEN insufficient_privilege THEN
      NULL;  -- it is somebody else's, and stands in the way of nothing
    END;
  END LOOP;
END
$drop$;

SET LOCAL search_path = DEFAULT;
"""
