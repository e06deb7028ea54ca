"""Tables that others might have made: those that are served whole, and those that are refused whole."""

from __future__ import annotations

from typing import Final

from tests.sqlite import published
from zoho_tokenstore.records import COLUMNS

ID: Final = "id varchar(10) NOT NULL PRIMARY KEY"


def nine(**types: str) -> str:
    """The nine columns behind the id, some of them declared differently."""
    return ", ".join(f"{name} {types.get(name, 'varchar(255)')}" for name in COLUMNS[1:])


NINE: Final = nine()


def table(columns: str, options: str = "") -> str:
    return f"CREATE TABLE oauthtoken ({columns}) {options}"


def keyed(more: str = "", **types: str) -> str:
    """The published table, with more columns or constraints, or some columns declared differently."""
    return table(f"{ID}, {nine(**types)}{more}")


PLAIN: Final = keyed()
UNKEYED: Final = table(f"id text, {NINE}")
STRICT: Final = table(f"id TEXT NOT NULL PRIMARY KEY, {NINE.replace('varchar(255)', 'TEXT')}", "STRICT")
RAISED: Final = "a trigger on the table oauthtoken raised an error.* the trigger guard"


def guarded(when: str, body: str, before: str = "") -> str:
    """The published table with a trigger of somebody's."""
    return f"{PLAIN}; {before} CREATE TRIGGER guard {when} ON oauthtoken BEGIN {body}; END"


SERVED: Final[dict[str, str]] = {
    "the published one": published.CREATE,
    "id that may be null": table(f"id varchar(10) PRIMARY KEY, {NINE}"),
    "UNIQUE instead of a key": table(f"id varchar(10) UNIQUE, {NINE}"),
    "a unique index instead of a key": f"{UNKEYED}; CREATE UNIQUE INDEX i ON oauthtoken (id)",
    "WITHOUT ROWID": table(f"{ID}, {NINE}", "WITHOUT ROWID"),
    "STRICT": STRICT,
    "STRICT, WITHOUT ROWID": f"{STRICT}, WITHOUT ROWID",
    "STRICT with a number of milliseconds": STRICT.replace("expiry_time TEXT", "expiry_time INTEGER"),
    "expiry as a number": keyed(expiry_time="BIGINT"),
    "expiry as a float": keyed(expiry_time="DOUBLE"),
    "expiry as a date": keyed(expiry_time="DATETIME"),
    "names in capitals": PLAIN.upper().replace("OAUTHTOKEN", "OAuthToken"),
    "another order": table(f"{NINE}, {ID}"),
    "other columns": keyed(", n integer DEFAULT 7, note text, needed integer NOT NULL DEFAULT 5"),
    "a generated column": keyed(", short text AS (substr(user_name, 1, 3)) STORED"),
    "an index with the id": f"{PLAIN}; CREATE UNIQUE INDEX i ON oauthtoken (client_id, id)",
    "an index": f"{PLAIN}; CREATE INDEX i ON oauthtoken (client_id)",
    "a trigger that keeps a journal": guarded(
        "AFTER INSERT", "INSERT INTO journal VALUES (NEW.id)", "CREATE TABLE journal (at);"
    ),
    "named in quotation marks": PLAIN.replace("oauthtoken", '"oauthtoken"'),
    "a column named like a constraint": keyed(', "check (x)" text /* CHECK (1) */ -- CHECK (2)\n'),
}
"""By name: the statements that make it."""

REFUSED: Final[dict[str, tuple[str, str]]] = {
    "numbers as ids": (
        table(f"id INTEGER PRIMARY KEY AUTOINCREMENT, {NINE}"),
        "its column id has the type INTEGER",
    ),
    "numeric ids": (table(f"id NUMERIC PRIMARY KEY, {NINE}"), "its column id has the type NUMERIC"),
    "BLOBs as ids": (table(f"id BLOB PRIMARY KEY, {NINE}"), "its column id has the type BLOB"),
    "uuids": (table(f"id uuid PRIMARY KEY, {NINE}"), "its column id has the type uuid"),
    "ids of no type": (table(f"id PRIMARY KEY, {NINE}"), "its column id has no type"),
    "no key": (UNKEYED, "its column id alone is not a key.*CREATE UNIQUE INDEX"),
    "a key of two columns": (
        table(f"id text, n text DEFAULT '', {NINE}, PRIMARY KEY (id, n)"),
        "id alone is not a key",
    ),
    "another key": (
        table(f"n integer PRIMARY KEY, id varchar(10), {NINE}"),
        "its column id alone is not a key",
    ),
    "a key for some": (
        f"{UNKEYED}; CREATE UNIQUE INDEX i ON oauthtoken (id) WHERE user_name > ''",
        "its column id alone is not a key",
    ),
    "NOT NULL of others": (
        keyed(", tenant_id INTEGER NOT NULL"),
        "its column tenant_id is NOT NULL, and this store",
    ),
    "NOT NULL, NULL by default": (keyed(", tenant_id INTEGER NOT NULL DEFAULT NULL"), "oauthtoken.tenant_id"),
    "NOT NULL, generated": (keyed(", short text AS (user_name) NOT NULL"), "its column short is NOT NULL"),
    "NOT NULL of ours": (
        keyed(grant_token="text NOT NULL"),
        "its column grant_token is NOT NULL, and a token",
    ),
    "NOT NULL with a default": (
        keyed(user_name="text NOT NULL DEFAULT 5"),
        "its column user_name is NOT NULL",
    ),
    "a CHECK": (keyed(expiry_time="text CHECK(expiry_time > '')"), "it has a CHECK constraint, which"),
    "a CHECK with a name": (
        keyed(", CONSTRAINT short_names CHECK (length(user_name) < 9)"),
        "it has a CHECK constraint short_names",
    ),
    "a CHECK in a comment's company": (
        keyed(", CONSTRAINT \"it's\" /* ' */ check -- '\n (1)"),
        "it has a CHECK constraint it_s",
    ),
    "UNIQUE of others": (keyed(user_name="text UNIQUE"), "a constraint makes user_name UNIQUE"),
    "a unique index of others": (
        f"{PLAIN}; CREATE UNIQUE INDEX one_each ON oauthtoken (client_id, user_name)",
        "the index one_each makes client_id, user_name UNIQUE.*Drop the index one_each",
    ),
    "a unique expression": (
        f"{PLAIN}; CREATE UNIQUE INDEX one_each ON oauthtoken (lower(user_name))",
        "the index one_each makes an expression UNIQUE",
    ),
    "a foreign key": (
        f"CREATE TABLE user (name text PRIMARY KEY); {keyed(user_name='text REFERENCES user')}",
        "its column user_name is a foreign key to user",
    ),
    "a trigger that refuses": (guarded("BEFORE INSERT", "SELECT RAISE(ABORT, 'no more tokens')"), RAISED),
    "a trigger that refuses changes": (guarded("AFTER UPDATE", "SELECT RAISE(FAIL, 'no')"), RAISED),
    "a trigger that keeps rows": (guarded("BEFORE DELETE", "SELECT RAISE(ABORT, 'kept')"), RAISED),
    "a trigger that takes all back": (guarded("BEFORE UPDATE", "SELECT RAISE(ROLLBACK, 'no')"), RAISED),
    "a trigger that forgets": (
        guarded("BEFORE INSERT", "SELECT RAISE(IGNORE)"),
        "a stored row is missing.* the trigger guard",
    ),
    "a trigger that forgets deletions": (
        guarded("BEFORE DELETE", "SELECT RAISE(IGNORE)"),
        "a deleted row stays.* the trigger guard",
    ),
    "a trigger that forgets changes": (
        guarded("BEFORE UPDATE", "SELECT RAISE(IGNORE)"),
        "comes back as something else.* the trigger guard",
    ),
    "a trigger that changes": (
        guarded("AFTER INSERT", "UPDATE oauthtoken SET user_name = lower(user_name) WHERE id = NEW.id"),
        "what is stored in user_name.* comes back as something else.* the trigger guard",
    ),
    "a trigger that keeps one row": (
        guarded("BEFORE INSERT", "DELETE FROM oauthtoken"),
        "changing one row changes another.* the trigger guard",
    ),
    "a trigger that changes the others": (
        guarded("AFTER UPDATE", "UPDATE oauthtoken SET access_token = NULL WHERE id <> NEW.id"),
        "changing one row changes another.* the trigger guard",
    ),
    "a trigger that deletes the others": (
        guarded("AFTER DELETE", "DELETE FROM oauthtoken WHERE user_name = OLD.user_name OR id > OLD.id"),
        "changing one row changes another.* the trigger guard",
    ),
    "a trigger that fails": (
        guarded("AFTER INSERT", "INSERT INTO t VALUES (NULL)", "CREATE TABLE t (x NOT NULL);"),
        "NOT NULL constraint failed: t.x.* the trigger guard",
    ),
    "a trigger without its table": (
        guarded("AFTER INSERT", "INSERT INTO t VALUES (NULL)", "CREATE TABLE t (x);") + "; DROP TABLE t",
        "no such table: main.t.* the trigger guard",
    ),
    "a lax id": (
        table(f"id varchar(10) COLLATE NOCASE PRIMARY KEY, {NINE}"),
        "its column id does not compare",
    ),
    "an id without blanks": (
        table(f"id varchar(10) COLLATE RTRIM PRIMARY KEY, {NINE}"),
        "its column id does not compare",
    ),
    "a lax name": (keyed(user_name="text COLLATE NOCASE"), "its column user_name does not compare"),
    "a secret as a number": (keyed(access_token="NUMERIC"), "its column access_token has the type NUMERIC"),
    "a secret as a BLOB": (keyed(refresh_token="BLOB"), "its column refresh_token has the type BLOB"),
    "STRICT, any": (STRICT.replace("user_name TEXT", "user_name ANY"), "user_name has the type ANY"),
    "a generated column of ours": (
        keyed(redirect_url="text AS (NULL)"),
        "its column redirect_url is generated",
    ),
    "our column of another type": (keyed(", updated_at_ms TEXT"), "stored in .*updated_at_ms.* comes back"),
    "our column, NOT NULL": (
        keyed(", last_used_at_ms INT NOT NULL DEFAULT 1"),
        "last_used_at_ms.* NOT NULL|NULL",
    ),
    "an etag of text": (keyed(", etag TEXT"), "stored in .*etag.* comes back"),
    "a view": (
        f"{PLAIN.replace('oauthtoken', 't')}; CREATE VIEW oauthtoken AS SELECT * FROM t",
        "it is a view",
    ),
    "a virtual table": (
        f"CREATE VIRTUAL TABLE oauthtoken USING fts5({', '.join(COLUMNS)})",
        "a virtual table",
    ),
    "UTF-16": (f"PRAGMA encoding = 'UTF-16le'; {PLAIN}", "the database is in UTF-16le.* .dump"),
}
"""By name: the statements that make it, and what the refusal says."""
