"""Tables that others use, too: what depends on them, where they are, what changes while a store is open."""

# ruff: noqa: E501  # the table of cases
from __future__ import annotations

import threading
from typing import Final

import pytest

from tests.sql import support
from tests.sql.conftest import Local, Open
from tests.sql.test_refusals import SECRET, SECRET_ROW, told
from tests.sql.test_rules import MARIADB, POSTGRESQL, declared
from tests.support import servers
from zoho_tokenstore.backends.sql import SQLBackend
from zoho_tokenstore.errors import BackendError, BackendUnavailableError
from zoho_tokenstore.records import Row

FUNCTION: Final = "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {} RETURN NEW; END $$"
TRIGGER: Final = "CREATE TRIGGER theirs {} ON oauthtoken FOR EACH ROW EXECUTE FUNCTION f()"

DEPENDENT: Final[dict[str, tuple[list[str], str, list[str]]]] = {
    "a view": (
        POSTGRESQL, "view report .*user_name",
        [declared(), "CREATE VIEW report AS SELECT user_name FROM oauthtoken"],
    ),
    "a trigger of a column": (
        POSTGRESQL, "trigger theirs",
        [declared(), FUNCTION.format(""), TRIGGER.format("AFTER UPDATE OF user_name")],
    ),
    "a policy": (
        POSTGRESQL, "policy theirs",
        [declared(), "CREATE POLICY theirs ON oauthtoken USING (user_name IS NOT NULL)"],
    ),
    "a generated column": (
        POSTGRESQL, "generated column .*low",
        [declared(low="text GENERATED ALWAYS AS (lower(user_name)) STORED")],
    ),
    "a parent": (
        POSTGRESQL, "inherited column .*id",
        [declared().replace("oauthtoken", "parent", 1), "CREATE TABLE oauthtoken (PRIMARY KEY (id)) INHERITS (parent)"],
    ),
    "a child": (
        POSTGRESQL, "inherited by other tables", [declared(), "CREATE TABLE child () INHERITS (oauthtoken)"],
    ),
    "a name that is taken": (
        POSTGRESQL, "oauthtoken_retired.* exists", [declared(), "CREATE SEQUENCE oauthtoken_retired"],
    ),
    "a foreign key": (
        MARIADB, "theirs",
        [declared(), "CREATE TABLE other (of varchar(10), CONSTRAINT theirs FOREIGN KEY (of) REFERENCES oauthtoken (id))"],
    ),
    "an index that would be too long": (
        MARIADB, "key was too long", [declared(), "CREATE INDEX theirs ON oauthtoken (refresh_token, client_id)"],
    ),
    "a name of an index": (
        MARIADB, "oauthtoken_by_user_name", [declared(), "CREATE INDEX oauthtoken_by_user_name ON oauthtoken (id)"],
    ),
    "a column with a dash": (MARIADB, "the rule tenant-id", [declared(**{"`tenant-id`": "integer NOT NULL"})]),
    "a check with a dash": (
        MARIADB, "the rule no-x", [declared(api_domain="varchar(99), CONSTRAINT `no-x` CHECK (user_name LIKE '%%x')")],
    ),
    "a copied look-up": (MARIADB, "its column user_name_key is", [declared(user_name_key="varchar(64)")]),
}  # fmt: skip


@pytest.mark.parametrize(("kind", "case"), [(kind[0], case) for case, (kind, *_) in DEPENDENT.items()])
def test_what_keeps_a_table_from_being_taken_over_is_named(
    kind: str, case: str, url: str, open_: Open
) -> None:
    """The error says what is in the way, so that somebody can remove it."""
    _, says, statements = DEPENDENT[case]
    for statement in statements:
        support.query(url, statement)
    with pytest.raises(BackendError, match=f"(?s){says}.*choose another") as refused:
        open_()
    assert not isinstance(refused.value, BackendUnavailableError)


@pytest.mark.parametrize("own", MARIADB, indirect=True)
def test_a_rule_is_named_in_every_language(own: Local) -> None:
    """MariaDB words its errors in the language of the session, and quotes names alike in all."""
    support.query(own.url, declared(tenant_id="INTEGER NOT NULL"))
    own.admin("SET GLOBAL lc_messages = 'de_DE'")
    try:
        with pytest.raises(BackendError, match="because of the rule tenant_id"):
            SQLBackend(own.url)
    finally:
        own.admin("SET GLOBAL lc_messages = DEFAULT")
        support.query(own.url, "DROP TABLE oauthtoken")


@pytest.mark.parametrize("name", ["Tokens", "order", "my-tokens", "my tokens"])
def test_a_schema_whose_name_is_quoted(name: str) -> None:
    """Its table is taken over, or made, and found again."""
    server = servers.server(support.POSTGRESQL).url
    quoted = f'"{name}"'
    support.create(support.POSTGRESQL, server, quoted)
    try:
        url = support.place(support.POSTGRESQL, server, quoted.replace(" ", "\\ "))
        for _ in "made", "opened":
            backend = SQLBackend(url)
            backend.write(Row("1"), expect=None)
            assert [row.id for row in support.rows_of(backend.scan())] == ["1"]
            assert backend.clear() == 1
            support.query(url, "DELETE FROM oauthtoken_retired")
            backend.close()
        assert support.query(url, f"SELECT * FROM {quoted}.oauthtoken") == []
    finally:
        support.query(server, f"DROP SCHEMA {quoted} CASCADE")


IGNORING: Final = {
    "a trigger": (
        FUNCTION.format("IF NEW.user_name = 'bob' THEN RETURN NULL; END IF;"),
        TRIGGER.format("BEFORE INSERT OR UPDATE"),
    ),
    "a rule": (
        "CREATE RULE r AS ON INSERT TO oauthtoken WHERE NEW.user_name = 'bob' DO INSTEAD NOTHING",
        "CREATE RULE s AS ON UPDATE TO oauthtoken WHERE NEW.user_name = 'bob' DO INSTEAD NOTHING",
    ),
}


@pytest.mark.parametrize("kind", POSTGRESQL)
@pytest.mark.parametrize("case", IGNORING)
def test_a_rule_that_ignores_a_row(kind: str, case: str, url: str, open_: Open) -> None:
    """It is told, before a code is spent, and is not taken for somebody who is faster all the time."""
    backend = open_()
    etag = backend.write(SECRET_ROW, expect=None)
    for statement in IGNORING[case]:
        support.query(url, statement)
    bob = SECRET_ROW._replace(user_name="bob")
    for call in (backend.rehearse, backend.write):
        for row, expect in ((bob._replace(id="2"), None), (bob, etag)):
            with pytest.raises(BackendError, match="ignored it without an error") as refused:
                call(row, expect=expect)
            assert SECRET not in told(refused.value)
    assert list(backend.scan()) == [SECRET_ROW._replace(etag=etag)]
    backend.rehearse(SECRET_ROW, expect=etag)


@pytest.mark.parametrize("kind", POSTGRESQL)
def test_a_deletion_that_is_ignored_is_no_absence(kind: str, url: str, open_: Open) -> None:
    """The row is still there: who deletes it is told so, and why."""
    backend = open_()
    etag = backend.write(SECRET_ROW, expect=None)
    support.query(url, FUNCTION.format("RETURN NULL;"))
    support.query(url, TRIGGER.format("BEFORE DELETE"))
    for expect in (None, etag):
        with pytest.raises(BackendError, match="ignored it without an error"):
            backend.remove("1", expect=expect)
    assert not backend.remove("1", expect=5)
    assert not backend.remove("2")


@pytest.mark.parametrize("kind", POSTGRESQL)
def test_a_column_that_becomes_longer(kind: str, url: str, open_: Open) -> None:
    """No look-up fails on any connection, though the statements prepared on it do not fit any more."""
    backend = open_(pool_size=4)
    row = Row("1", user_name="patricia")
    row = row._replace(etag=backend.write(row, expect=None))
    start, found = threading.Barrier(4), []

    def look_up(times: int) -> None:
        start.wait(10)
        found.append([(backend.load("1"), backend.find("user_name", "patricia")) for _ in range(times)])

    def look_up_on_all_connections(times: int) -> None:
        threads = [threading.Thread(target=look_up, args=(times,)) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    look_up_on_all_connections(100)
    support.query(url, "ALTER TABLE oauthtoken ALTER COLUMN access_token TYPE varchar(5000)")
    look_up_on_all_connections(5)
    assert found == [[(row, [row])] * 100] * 4 + [[(row, [row])] * 5] * 4
