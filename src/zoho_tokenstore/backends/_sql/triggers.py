"""The triggers that stand beside the table on PostgreSQL, for what other programs do to it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

_NOW_MS: Final = "floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint"


def marking(table: str, function: str) -> Iterator[str]:
    """Yield what gives the rows that others write a new etag and times, and does so once for all of them."""
    yield f"""
CREATE OR REPLACE FUNCTION {function}() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
DECLARE now_ms bigint := {_NOW_MS};
BEGIN
  NEW.etag := ('x' || right(replace(gen_random_uuid()::text, '-', ''), 15))::bit(60)::bigint;
  NEW.updated_at_ms := now_ms;
  NEW.created_at_ms := coalesce(NEW.created_at_ms, now_ms);
  RETURN NEW;
END $$"""
    yield from _dropped(table, "inserted", "updated")
    yield f"""
CREATE TRIGGER zoho_tokenstore_inserted BEFORE INSERT ON {table}
FOR EACH ROW WHEN (NEW.etag IS NULL) EXECUTE FUNCTION {function}()"""
    yield f"""
CREATE TRIGGER zoho_tokenstore_updated BEFORE UPDATE ON {table}
FOR EACH ROW WHEN (NEW.etag IS NULL OR NEW.etag IS NOT DISTINCT FROM OLD.etag)
EXECUTE FUNCTION {function}()"""
    yield f"UPDATE {table} SET etag = NULL WHERE etag IS NULL"  # noqa: S608  # a name that was checked


def retiring(table: str, function: str, retired: str) -> Iterator[str]:
    """Yield what retires the id of every row that anybody deletes.

    By the right of the table's owner: others who delete rows have none on the retired ids.
    """
    add = f"INSERT INTO {retired} (id, long_id, at_ms)"
    again = "ON CONFLICT (id) DO UPDATE SET at_ms = excluded.at_ms"
    yield f"""
CREATE OR REPLACE FUNCTION {function}() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  IF TG_OP = 'TRUNCATE' THEN
    {add} SELECT id, long_id, {_NOW_MS} FROM {table} {again};
  ELSE
    {add} VALUES (OLD.id, OLD.long_id, {_NOW_MS}) {again};
  END IF;
  RETURN NULL;
END $$"""  # noqa: S608  # names that were checked
    yield from _dropped(table, "deleted", "truncated")
    yield f"""
CREATE TRIGGER zoho_tokenstore_deleted AFTER DELETE ON {table}
FOR EACH ROW EXECUTE FUNCTION {function}()"""
    yield f"""
CREATE TRIGGER zoho_tokenstore_truncated BEFORE TRUNCATE ON {table}
FOR EACH STATEMENT EXECUTE FUNCTION {function}()"""


def _dropped(table: str, *events: str) -> Iterator[str]:
    for event in events:
        yield f"DROP TRIGGER IF EXISTS zoho_tokenstore_{event} ON {table}"
