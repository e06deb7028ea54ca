"""Tables that cannot hold a token, and users who may not write one: found when the store is opened."""

# ruff: noqa: E501  # the tables of cases
from __future__ import annotations

import re
import warnings
from typing import Any, Final

import pytest
import sqlalchemy as sa

from tests.sql import support
from tests.sql.conftest import Local, Open
from tests.sql.test_refusals import SECRET, SECRET_ROW, admin, clerk, told
from zoho_tokenstore.backends.sql import SQLBackend
from zoho_tokenstore.errors import BackendError, BackendUnavailableError, RetiredIdError, RowChangedError
from zoho_tokenstore.records import COLUMNS, Row
from zoho_tokenstore.testing._backend import full_row

__all__ = ["clerk"]

POSTGRESQL: Final = [support.POSTGRESQL]
MARIADB: Final = [support.MARIADB]
KEY: Final = "id varchar(10) PRIMARY KEY"


def declared(key: str = KEY, **others: str) -> str:
    """Return the declaration of the published table, with some columns otherwise and some more."""
    kinds = dict.fromkeys(COLUMNS[1:], "varchar(255)") | others
    lines = [key, *(f"{name} {kind}" for name, kind in kinds.items())]
    return f"CREATE TABLE oauthtoken ({', '.join(lines)})"


def shape(url: str) -> Any:
    """Return what can be seen of the table, without its rows."""
    with support.driver(url) as connection, warnings.catch_warnings():
        warnings.simplefilter("ignore", sa.exc.SAWarning)  # of types that SQLAlchemy does not know
        inspector = sa.inspect(connection)
        columns = [(c["name"], str(c["type"]), c["nullable"]) for c in inspector.get_columns("oauthtoken")]
        return columns, inspector.get_pk_constraint("oauthtoken"), inspector.get_indexes("oauthtoken")


TYPES: Final = {
    "integer id": (declared("id integer PRIMARY KEY"), "its column id is INTEGER", support.SERVERS),
    "bigint id": (declared("id bigint PRIMARY KEY"), "its column id is BIGINT", support.SERVERS),
    "serial id": (declared("id serial PRIMARY KEY"), "its column id is INTEGER", POSTGRESQL),
    "counted id": (declared("id int AUTO_INCREMENT PRIMARY KEY"), "its column id is INTEGER", MARIADB),
    "uuid id": (declared("id uuid PRIMARY KEY"), "its column id is UUID", support.SERVERS),
    "binary id": (declared("id varbinary(20) PRIMARY KEY"), "its column id is VARBINARY", MARIADB),
    "bytea": (declared(access_token="bytea"), "its column access_token is BYTEA", POSTGRESQL),
    "blob": (declared(access_token="blob"), "its column access_token is BLOB", MARIADB),
    "json": (declared(refresh_token="jsonb"), "its column refresh_token is JSONB", POSTGRESQL),
    "json of MariaDB": (declared(refresh_token="json"), r"oauthtoken\.refresh_token", MARIADB),
    "enum": (declared(api_domain="ENUM('a', 'b')"), "its column api_domain is ENUM", MARIADB),
    "set": (declared(api_domain="SET('a', 'b')"), "its column api_domain is SET", MARIADB),
    "number": (declared(expiry_time="bigint"), "its column expiry_time is BIGINT", support.SERVERS),
    "time": (declared(expiry_time="timestamp NULL"), "its column expiry_time is TIMESTAMP", support.SERVERS),
    "array": (declared(user_name="text[]"), r"its column user_name is TEXT\[\]", POSTGRESQL),
    "etag of others": (declared(etag="varchar(20)"), "its column etag is VARCHAR", support.SERVERS),
    "no key": (declared("id varchar(10)"), "id is not its primary key", support.SERVERS),
    "another key": (
        declared("id varchar(10), n integer PRIMARY KEY"), "id is not its primary key", support.SERVERS,
    ),
    "a wider key": (
        declared("id varchar(10), n integer, PRIMARY KEY (id, n)"), "id is not its primary key", support.SERVERS,
    ),
    "partitioned by hash": (declared() + " PARTITION BY HASH (id)", "it is partitioned", POSTGRESQL),
    "partitioned by key": (declared() + " PARTITION BY KEY (id)", "it is partitioned", MARIADB),
    "unlogged": (declared().replace("TABLE", "UNLOGGED TABLE", 1), "it is unlogged", POSTGRESQL),
    "with a history": (declared() + " WITH SYSTEM VERSIONING", "it is a system versioned", MARIADB),
    "unique": (declared(user_name="varchar(255) UNIQUE"), r"unique key .* the same user_name", support.SERVERS),
    "unique pair": (
        declared(api_domain="varchar(99), CONSTRAINT pair UNIQUE (user_name, client_id)"),
        "unique key pair .* the same user_name, client_id", support.SERVERS,
    ),
    "tenant": (declared(tenant_id="INTEGER NOT NULL"), "because of .*tenant_id", support.SERVERS),
    "check": (
        declared(api_domain="varchar(99), CONSTRAINT ours CHECK (user_name LIKE '%%@zylker.example')"),
        "because of .* ours", support.SERVERS,
    ),
    "deferred": (
        declared(
            n="int DEFAULT 1 CONSTRAINT late REFERENCES oauthtoken_n (n) DEFERRABLE INITIALLY DEFERRED"
        ),
        "because of the constraint late", POSTGRESQL,
    ),
    "foreign key": (
        declared(n="int DEFAULT 1", api_domain="varchar(99), CONSTRAINT theirs FOREIGN KEY (n) REFERENCES oauthtoken_n (n)"),
        "because of .* theirs", support.SERVERS,
    ),
    "unique default": (declared(n="integer DEFAULT 0 CONSTRAINT one UNIQUE"), "because of the constraint one", POSTGRESQL),
    "xml": (declared(refresh_token="xml"), "refresh_token", POSTGRESQL),
    "generated": (
        declared(redirect_url="varchar(255) GENERATED ALWAYS AS (user_name) STORED"), "redirect_url|failed", support.SERVERS,
    ),
}  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "case"), [(kind, case) for case, (_, _, kinds) in TYPES.items() for kind in kinds]
)
def test_a_table_that_cannot_hold_a_token(kind: str, case: str, url: str, open_: Open) -> None:
    """It is refused at opening, by the name of what is in the way, and left as it was."""
    statement, says, _ = TYPES[case]
    if "oauthtoken_n" in statement:
        support.query(url, "CREATE TABLE oauthtoken_n (n integer PRIMARY KEY)")
    support.query(url, statement)
    before = shape(url)
    with pytest.raises(BackendError, match=says) as refused:
        open_()
    assert re.search("choose another", str(refused.value)) or "failed (" in str(refused.value)
    assert shape(url) == before
    assert support.query(url, "SELECT * FROM oauthtoken") == []


@pytest.mark.parametrize("kind", support.KINDS)
def test_a_view_is_refused(kind: str, url: str, open_: Open) -> None:
    """A view of the published name has the columns, and cannot keep a row."""
    support.query(url, declared().replace("oauthtoken", "theirs", 1))
    support.query(url, "CREATE VIEW oauthtoken AS SELECT * FROM theirs")
    with pytest.raises(BackendError, match="it is a view"):
        open_()


SERVED: Final = {
    "short columns": (declared(user_name="varchar(3)", access_token="varchar(10)"), support.SERVERS),
    "required columns": (declared(grant_token="varchar(255) NOT NULL"), support.SERVERS),
    "blank-padded": (declared("id char(10) PRIMARY KEY"), support.SERVERS),
    "a default": (declared(tenant_id="integer NOT NULL DEFAULT 7"), support.SERVERS),
    "ignores case": (declared().replace("varchar(255)", "varchar(255) COLLATE utf8mb4_general_ci"), MARIADB),
    "ignores blanks": (declared("id varchar(10) COLLATE latin1_general_ci PRIMARY KEY"), MARIADB),
    "MyISAM": (declared() + " ENGINE = MyISAM", MARIADB),
    "long text": (declared(access_token="longtext"), MARIADB),
    "a collation": (declared(user_name='varchar(255) COLLATE "en-x-icu"'), POSTGRESQL),
    "an index": (declared(api_domain="varchar(255), n integer UNIQUE"), support.SERVERS),
}


@pytest.mark.parametrize(
    ("kind", "case"), [(kind, case) for case, (_, kinds) in SERVED.items() for kind in kinds]
)
def test_a_table_that_is_brought_to_hold_tokens(kind: str, case: str, url: str, open_: Open) -> None:
    """Its rows stay, ids that differ in case are two, missing values and long ones are kept."""
    support.query(url, SERVED[case][0])
    support.query(url, "INSERT INTO oauthtoken (id, user_name, grant_token) VALUES ('a1', 'abc', 'g')")
    backend = open_()
    assert [row[:2] for row in backend.find("user_name", "abc")] == [("a1", "abc")]
    for row in (full_row("A1", "x" * 900), Row("a1 "), Row("b" * 190, user_name="ABC")):
        etag = backend.write(row, expect=None)
        assert backend.load(row.id) == row._replace(etag=etag)
    assert backend.remove("A1")
    assert len(list(backend.scan())) == 3


@pytest.mark.parametrize("kind", [support.POSTGRESQL, support.MARIADB])
def test_a_rule_that_comes_later(kind: str, url: str, open_: Open) -> None:
    """A rehearsal and a save are refused by its name, at once; no other row is harmed; nor can one open."""
    backend = open_()
    etag = backend.write(SECRET_ROW, expect=None)
    support.query(url, "ALTER TABLE oauthtoken ADD CONSTRAINT no_bob CHECK (user_name <> 'bob')")
    bob = SECRET_ROW._replace(id="2", user_name="bob")
    for call in (backend.rehearse, backend.write):
        for row, expect in ((bob, None), (bob._replace(id="1"), etag)):
            with pytest.raises(BackendError, match="no_bob") as refused:
                call(row, expect=expect)
            assert not isinstance(refused.value, BackendUnavailableError)
            assert SECRET not in told(refused.value)
    assert list(backend.scan()) == [SECRET_ROW._replace(etag=etag)]
    open_()
    support.query(
        url,
        "ALTER TABLE oauthtoken ADD tenant_id integer NOT NULL" + " DEFAULT 0" * (kind == support.POSTGRESQL),
    )
    if kind == support.POSTGRESQL:
        support.query(url, "ALTER TABLE oauthtoken ALTER tenant_id DROP DEFAULT")
    for use in (lambda: backend.rehearse(Row("3"), expect=None), open_):
        with pytest.raises(BackendError, match="tenant_id"):
            use()
    backend.rehearse(SECRET_ROW, expect=etag)


@pytest.mark.parametrize("kind", [support.POSTGRESQL, support.MARIADB, support.OTHER])
def test_a_rehearsal_raises_what_a_write_would(kind: str, open_: Open) -> None:
    """For a row that is there, one that changed, one that was deleted; and it leaves nothing."""
    backend = open_()
    etag = backend.write(Row("1"), expect=None)
    backend.write(Row("2"), expect=None)
    backend.remove("2")
    rows = list(backend.scan())
    for row, expect, error in (
        (Row("1"), None, RowChangedError),
        (Row("1"), 7 if isinstance(etag, int) else "7", RowChangedError),
        (Row("2"), None, RetiredIdError),
        (Row("2"), etag, RowChangedError),
    ):
        with pytest.raises(error):
            backend.rehearse(row, expect=expect)
    assert list(backend.scan()) == rows


LOST: Final = [("INSERT", "oauthtoken"), ("UPDATE", "oauthtoken"), ("DELETE", "oauthtoken")]


@pytest.mark.parametrize(
    ("right", "table"), [*LOST, ("INSERT", "oauthtoken_retired"), ("UPDATE", "zoho_tokenstore")]
)
def test_a_user_without_a_right(own: Local, own_kind: str, clerk: str, right: str, table: str) -> None:
    """The store does not open, and says which right is missing; an open one says so at the rehearsal."""
    who = "clerk" if own_kind == support.POSTGRESQL else "clerk@'127.0.0.1'"
    backend = SQLBackend(clerk)
    etag = backend.write(Row("1"), expect=None)
    admin(own, f"REVOKE {right} ON tokens_place.{table} FROM {who}")
    with pytest.raises(BackendUnavailableError, match=rf"did not allow {right}\b.*{table}.*Grant"):
        SQLBackend(clerk)
    if table == "oauthtoken" and right != "DELETE":
        with pytest.raises(BackendUnavailableError, match=rf"did not allow {right}"):
            backend.rehearse(
                Row("2" if right == "INSERT" else "1"), expect=None if right == "INSERT" else etag
            )
    backend.close()


FUNCTION: Final = "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {}; RETURN NEW; END $$"
CALL: Final = "CREATE TRIGGER t {} ON oauthtoken FOR EACH ROW EXECUTE FUNCTION f()"
CHANGING: Final[dict[str, tuple[str, str, tuple[str, ...]]]] = {
    "inserted": (
        support.POSTGRESQL, "user_name",
        (FUNCTION.format("NEW.user_name := 'X'"), CALL.format("BEFORE INSERT")),
    ),
    "updated": (
        support.POSTGRESQL, "access_token",
        (FUNCTION.format("NEW.access_token := NULL"), CALL.format("BEFORE UPDATE")),
    ),
    "beside": (
        support.POSTGRESQL, "client_id",
        (FUNCTION.format("UPDATE oauthtoken SET client_id = 'X' WHERE id <> NEW.id"), CALL.format("AFTER INSERT")),
    ),
    "deleted beside": (
        support.POSTGRESQL, "id, user_name",
        ("CREATE RULE r AS ON UPDATE TO oauthtoken DO ALSO DELETE FROM oauthtoken WHERE id <> NEW.id",),
    ),
    "inserted on MariaDB": (
        support.MARIADB, "user_name",
        ("CREATE TRIGGER t BEFORE INSERT ON oauthtoken FOR EACH ROW SET NEW.user_name = 'X'",),
    ),
    "updated on MariaDB": (
        support.MARIADB, "access_token",
        ("CREATE TRIGGER t BEFORE UPDATE ON oauthtoken FOR EACH ROW SET NEW.access_token = NULL",),
    ),
}  # fmt: skip


@pytest.mark.parametrize(("kind", "case"), [(kind, case) for case, (kind, *_) in CHANGING.items()])
def test_a_trigger_that_changes_values(kind: str, case: str, url: str, open_: Open) -> None:
    """What is not kept as given, or when another row is written, would not be found: it is told."""
    open_().close()
    _, names, statements = CHANGING[case]
    for statement in statements:
        support.query(url, statement)
    with pytest.raises(BackendError, match=f"{names}.* is not kept as given"):
        open_()
