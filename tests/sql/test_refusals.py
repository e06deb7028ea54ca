"""What a server refuses, and how that is told: what it was, what to do, and no secret."""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import ssl
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import pytest
from sqlalchemy.engine import make_url

from tests.sql import support
from tests.sql.conftest import Local, start_own
from tests.support.servers import mariadb, postgresql
from tests.support.servers._process import Certificate
from zoho_tokenstore.backends.sql import SQLBackend
from zoho_tokenstore.errors import BackendError, BackendUnavailableError
from zoho_tokenstore.records import SECRET_COLUMNS, Row

SECRET: Final = "1000.very-secret"
PASSWORDS: Final = (mariadb.PASSWORD, postgresql.PASSWORD, "wrong-password")
SECRET_ROW: Final = Row("1", **dict.fromkeys(SECRET_COLUMNS, SECRET))  # type: ignore[arg-type]


def told(error: BaseException | None) -> str:
    """Return every text that a traceback of this error shows."""
    texts = []
    while error is not None:
        texts += [str(error), repr(error)]
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    return "\n".join(texts)


def changed(url: str, **parts: Any) -> str:
    return str(make_url(url).set(**parts).render_as_string(hide_password=False))


def admin(own: Local, statement: str) -> None:
    """Run a statement as the administrator, in the database of the tests."""
    own.admin(statement, "tokens")


@pytest.mark.parametrize(
    ("parts", "says"),
    [
        ({"password": "wrong-password"}, "refused the login"),
        ({"username": "nobody", "password": "wrong-password"}, "refused the login"),
        ({"database": "tokens_none"}, "is not on this server"),
    ],
)
def test_a_login_that_is_refused(own: Local, parts: dict[str, str], says: str) -> None:
    """The error tells which of them it was, with the driver's own as its cause, and shows no password."""
    began = time.monotonic()
    with pytest.raises(BackendUnavailableError, match=says) as refused:
        SQLBackend(changed(own.url, **parts), timeout=2)
    assert time.monotonic() - began < 5
    assert refused.value.__cause__ is not None
    assert not [password for password in PASSWORDS if password in told(refused.value)]


def test_a_password_that_is_changed_while_the_store_is_open(
    own: Local, own_kind: str, backend: SQLBackend
) -> None:
    """New connections are refused at once, and tell no password; with the old one again all goes on."""
    usual = {support.POSTGRESQL: postgresql.PASSWORD, support.MARIADB: mariadb.PASSWORD}[own_kind]
    etag = backend.write(SECRET_ROW, expect=None)
    uses: list[Callable[[], object]] = [
        lambda: backend.load("1"),
        lambda: list(backend.scan()),
        lambda: backend.write(Row("1"), expect=etag),
        lambda: backend.write(Row("2"), expect=None),
        lambda: backend.remove("1"),
        lambda: backend.leases.replace("a", "", "one", 1000),
    ]
    try:
        set_password(own, own_kind, "changed-password")
        own.cut_connections()
        for use in uses:
            began = time.monotonic()
            with pytest.raises(BackendUnavailableError, match="refused the login") as refused:
                use()
            assert time.monotonic() - began < 5
            assert refused.value.__cause__ is not None
            shown = told(refused.value)
            assert not [password for password in (usual, "changed-password", SECRET) if password in shown]
    finally:
        set_password(own, own_kind, usual)
    assert list(backend.scan()) == [SECRET_ROW._replace(etag=etag)]
    assert backend.load("1") == SECRET_ROW._replace(etag=etag)
    backend.write(Row("1"), expect=etag)
    assert backend.leases.replace("a", "", "two", 1000)


def set_password(own: Local, kind: str, password: str) -> None:
    change = "ALTER ROLE tokens PASSWORD '{}'"
    if kind == support.MARIADB:
        change = "ALTER USER tokens@'127.0.0.1' IDENTIFIED BY '{}'"
    own.admin(change.format(password))


def test_a_login_that_is_not_safe_enough(own: Local, own_kind: str, tmp_path: Path) -> None:
    """Where TLS is asked for and cannot be had, nothing is sent in clear."""
    asked = trusting(own_kind, Certificate.made_in(tmp_path, "127.0.0.1"))
    with pytest.raises(BackendUnavailableError, match="could not be connected with TLS"):
        SQLBackend(f"{own.url}?{asked}", timeout=2)


@pytest.mark.long
@pytest.mark.parametrize("kind", support.SERVERS)
def test_tls(kind: str, tmp_path: Path) -> None:
    """The URL's options reach the driver: the server's certificate is checked, and so is its name."""
    folders = [tmp_path / name for name in ("server", "other", "elsewhere")]
    for folder in folders:
        folder.mkdir()
    server, other = (Certificate.made_in(folder, "127.0.0.1") for folder in folders[:2])
    elsewhere = Certificate.made_in(folders[2], "127.0.0.2")
    with running(kind, server) as url:
        backend = SQLBackend(f"{url}?{trusting(kind, server)}")
        assert is_encrypted(backend)
        backend.close()
        with pytest.raises(BackendUnavailableError, match="could not be connected with TLS"):
            SQLBackend(f"{url}?{trusting(kind, other)}", timeout=2)
    with (
        running(kind, elsewhere) as url,
        pytest.raises(BackendUnavailableError, match="could not be connected with TLS"),
    ):
        SQLBackend(f"{url}?{trusting(kind, elsewhere)}", timeout=2)


@pytest.mark.long
def test_tls_that_nobody_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """PyMySQL encrypts if the server can. As nothing is checked then, no certificate is read either."""
    with running(support.MARIADB, Certificate.made_in(tmp_path, "127.0.0.1")) as url:
        with monkeypatch.context() as patch:
            patch.delattr(ssl, "create_default_context")
            backend = SQLBackend(url)
        assert is_encrypted(backend)
        backend.close()


@contextlib.contextmanager
def running(kind: str, certificate: Certificate) -> Iterator[str]:
    server = start_own(kind, certificate=certificate)
    try:
        yield server.url
    finally:
        server.stop()


def trusting(kind: str, certificate: Certificate) -> str:
    """Return the options of a URL that trust one certificate and check the server's name."""
    if kind == support.POSTGRESQL:
        return f"sslmode=verify-full&sslrootcert={certificate.path}"
    return f"ssl_ca={certificate.path}"


def is_encrypted(backend: SQLBackend) -> bool:
    with backend._connections._engine.connect() as connection:
        if connection.dialect.name == "postgresql":
            asked = "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()"
            return bool(connection.exec_driver_sql(asked).scalar())
        ((_, cipher),) = connection.exec_driver_sql("SHOW STATUS LIKE 'Ssl_cipher'").all()
        return bool(cipher)


def test_too_many_connections(own: Local, own_kind: str, place: str) -> None:
    """The error says what to lower or raise; as soon as there is room again, the store opens."""
    limit = (
        "ALTER ROLE tokens CONNECTION LIMIT {}"
        if own_kind == support.POSTGRESQL
        else "ALTER USER tokens@'127.0.0.1' WITH MAX_USER_CONNECTIONS {}"
    )
    SQLBackend(place).close()
    admin(own, limit.format(1))
    try:
        with (
            support.driver(place),  # another program has the one connection
            pytest.raises(BackendUnavailableError, match="allows no more connections"),
        ):
            SQLBackend(place, timeout=1)
    finally:
        admin(own, limit.format(-1 if own_kind == support.POSTGRESQL else 0))
    SQLBackend(place, timeout=1).close()


def test_a_server_that_only_reads(own: Local, backend: SQLBackend) -> None:
    """Look-ups go on; saves and leases are refused before anything is spent; then all goes on by itself."""
    etag = backend.write(SECRET_ROW, expect=None)
    own.set_read_only(True)
    try:
        wait_for_refusal(backend)
        assert backend.load("1") == SECRET_ROW._replace(etag=etag)
        uses: list[Callable[[], object]] = [
            lambda: backend.write(Row("1"), expect=etag),
            lambda: backend.write(Row("2"), expect=None),
            lambda: backend.remove("1"),
            lambda: backend.clear(),
            lambda: backend.leases.replace("a", "", "one", 1000),
        ]
        for use in uses:
            with pytest.raises(BackendUnavailableError, match="is read-only"):
                use()
    finally:
        own.set_read_only(False)
    wait_for_writes(lambda: backend.write(Row("1"), expect=etag))


def wait_for_writes(write: Callable[[], object]) -> None:
    """Write as soon as PostgreSQL's processes have learned that they may."""
    deadline = time.monotonic() + 10
    while True:
        try:
            write()
        except BackendUnavailableError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.02)
        else:
            return


def wait_for_refusal(backend: SQLBackend) -> None:
    """PostgreSQL's processes learn of a new setting a moment later."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        try:
            backend.write(Row("0"), expect=None)
            backend.remove("0")
        except BackendUnavailableError:
            return
        time.sleep(0.01)
    raise AssertionError("it still writes")


@pytest.fixture
def clerk(own: Local, own_kind: str, place: str) -> Iterator[str]:
    """The URL for a user who may do what the store's page says, and nothing else."""
    SQLBackend(place).close()
    for statement in GRANTS[own_kind]:
        admin(own, statement)
    yield changed(place, username="clerk", password="clerks")
    for statement in REVOKES[own_kind]:
        admin(own, statement)


GRANTS: Final = {
    support.POSTGRESQL: (
        "CREATE ROLE clerk LOGIN PASSWORD 'clerks'",
        "GRANT USAGE ON SCHEMA tokens_place TO clerk",
        "GRANT SELECT, INSERT, UPDATE, DELETE ON tokens_place.oauthtoken TO clerk",
        "GRANT SELECT, INSERT, UPDATE, DELETE ON tokens_place.zoho_tokenstore_lease TO clerk",
        "GRANT SELECT, INSERT, DELETE ON tokens_place.oauthtoken_retired TO clerk",
        "GRANT SELECT, UPDATE ON tokens_place.zoho_tokenstore TO clerk",
    ),
    support.MARIADB: (
        "CREATE USER clerk@'127.0.0.1' IDENTIFIED BY 'clerks'",
        "GRANT SELECT, INSERT, UPDATE, DELETE ON tokens_place.oauthtoken TO clerk@'127.0.0.1'",
        "GRANT SELECT, INSERT, UPDATE, DELETE ON tokens_place.zoho_tokenstore_lease TO clerk@'127.0.0.1'",
        "GRANT SELECT, INSERT, DELETE ON tokens_place.oauthtoken_retired TO clerk@'127.0.0.1'",
        "GRANT SELECT, UPDATE ON tokens_place.zoho_tokenstore TO clerk@'127.0.0.1'",
    ),
}
REVOKES: Final = {
    support.POSTGRESQL: ("DROP OWNED BY clerk", "DROP ROLE clerk"),
    support.MARIADB: ("DROP USER clerk@'127.0.0.1'",),
}


def test_a_user_with_few_rights(clerk: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """To use a store whose tables are there takes reading and writing rows, and nothing else."""
    backend = SQLBackend(clerk)
    etag = backend.write(Row("1", user_name="a"), expect=None)
    backend.write(Row("1", user_name="b"), expect=etag)
    assert [row.id for row in backend.find("user_name", "b")] == ["1"]
    monkeypatch.setattr("zoho_tokenstore.backends.sql._leases.forgets_now", lambda: True)
    assert backend.leases.replace("a", "", "one", 1000)
    assert backend.leases.replace("a", "one", "two", 1000)
    assert backend.leases.read("a").text == "two"
    assert backend.remove("1")
    assert backend.clear() == 0
    backend.close()


def test_a_user_with_too_few_rights(clerk: str) -> None:
    """To create the tables takes more; the error says so, with the database's own as its cause."""
    with pytest.raises(BackendUnavailableError, match="Grant this user the rights") as refused:
        SQLBackend(clerk, table="other")
    assert refused.value.__cause__ is not None


def test_tables_that_are_dropped_while_the_store_is_open(place: str, backend: SQLBackend) -> None:
    """A missing table is a failure, never an empty store; opening the store again creates it."""
    backend.write(SECRET_ROW, expect=None)
    support.query(place, "DROP TABLE oauthtoken")
    support.query(place, "DELETE FROM zoho_tokenstore")
    for use in (lambda: backend.load("1"), lambda: list(backend.scan()), lambda: backend.remove("1")):
        with pytest.raises(BackendError, match=r"has lost a table .*: .*oauthtoken"):
            use()
    again = SQLBackend(place)
    assert list(again.scan()) == []
    again.close()


def test_a_rule_that_others_have_put_on_the_table(place: str, backend: SQLBackend) -> None:
    """The database quotes the whole row in its error; ours has the rule's name, and no value."""
    etag = backend.write(SECRET_ROW, expect=None)
    support.query(place, "ALTER TABLE oauthtoken ADD CONSTRAINT valid CHECK (redirect_url IS NULL)")
    wrong = SECRET_ROW._replace(redirect_url="x")
    for row, expect in ((wrong._replace(id="2"), None), (wrong, etag)):
        with pytest.raises(BackendError, match=r"because of .*valid") as refused:
            backend.write(row, expect=expect)
        assert SECRET not in told(refused.value)
    assert backend.load("1") == SECRET_ROW._replace(etag=etag)


@pytest.mark.parametrize("mode", ["", "ANSI_QUOTES,NO_BACKSLASH_ESCAPES,PIPES_AS_CONCAT"])
@pytest.mark.parametrize("own", [support.MARIADB], indirect=True)
def test_the_modes_of_mysql(own: Local, place: str, mode: str) -> None:
    """Whatever mode the server has, ours is strict: nothing is cut short, and quotes mean the same."""
    ((usual,),) = own.admin("SELECT @@global.sql_mode")
    own.admin(f"SET GLOBAL sql_mode = '{mode}'")
    try:
        backend = SQLBackend(place)
        with pytest.raises(BackendError, match="refused a value as too long") as refused:
            backend.write(Row("1", access_token="secret-" * 10_000), expect=None)
        assert "secret-" not in told(refused.value)
        assert backend.load("1") is None
        backend.write(Row("a\\\"'", user_name="\\\"'"), expect=None)
        assert [row.id for row in backend.find("user_name", "\\\"'")] == ["a\\\"'"]
        backend.close()
    finally:
        own.admin(f"SET GLOBAL sql_mode = '{usual}'")


def test_a_full_disk(own: Local, own_kind: str, place: str) -> None:
    """A save that does not fit is refused, with nothing changed; when there is room again, it is made."""
    with SMALL_DISKS[own_kind](own) as disk:
        backend = SQLBackend(place, timeout=5)
        if own_kind == support.POSTGRESQL:
            support.query(place, "ALTER TABLE oauthtoken SET TABLESPACE small")
        ballast = disk / "ballast"
        ballast.write_bytes(b"x" * 4_000_000)
        etags: dict[str, object] = {}
        with pytest.raises(BackendUnavailableError, match="has no room left") as full:
            fill(backend, etags, 2_000)
        assert SECRET not in told(full.value)
        assert backend.load("1") == wide_row("1", 2_000)._replace(etag=etags["1"])
        assert {row.id: row.etag for row in support.rows_of(backend.scan())} == etags
        ballast.unlink()
        goes_on(backend, etags)
        backend.close()


@pytest.mark.long
@pytest.mark.parametrize("own", [support.MARIADB], indirect=True)
def test_a_full_disk_that_mariadb_dies_of(own: Local, place: str) -> None:
    """Values so long that they stand beside the rows make 10.11 abort, for want of room to undo an insert.

    We tell that it is gone; once there is room and it runs again, nothing is lost, and the store goes on.
    Another release may refuse the save instead, and live.
    """
    with small_database(own) as disk:
        backend = SQLBackend(place, timeout=5)
        ballast = disk / "ballast"
        ballast.write_bytes(b"x" * 4_000_000)
        etags: dict[str, object] = {}
        says = "cannot be reached|ended the connection|has no room left"
        with pytest.raises(BackendUnavailableError, match=says) as full:
            fill(backend, etags, 20_000)
        assert SECRET not in told(full.value)
        ballast.unlink()
        if "has no room left" not in str(full.value):
            own.kill()  # what is left of it
            own.restart()
        goes_on(backend, etags)
        backend.close()


def wide_row(row_id: str, width: int) -> Row:
    wide = random.Random(row_id).randbytes(width // 2).hex()  # not to be compressed
    return SECRET_ROW._replace(id=row_id, user_name=wide, client_id=wide, redirect_url=wide)


def fill(backend: SQLBackend, etags: dict[str, object], width: int) -> None:
    """Write rows until one does not fit, each in bounded time; note those that were written."""
    for number in range(1, 10_000):
        row = wide_row(str(number), width)
        began = time.monotonic()
        try:
            etags[row.id] = backend.write(row, expect=None)
        finally:
            assert time.monotonic() - began < 10  # a statement's time, the driver's grace, a busy machine


def goes_on(backend: SQLBackend, etags: dict[str, object]) -> None:
    """The next save is made by itself, and all that were acknowledged before are there."""
    began = time.monotonic()
    etag = backend.write(Row("0"), expect=None)
    assert time.monotonic() - began < 10
    assert {row.id: row.etag for row in support.rows_of(backend.scan())} == {**etags, "0": etag}
    assert backend.load("1") is not None


@contextlib.contextmanager
def mounted(disk: Path, owner: str) -> Iterator[None]:
    """Mount a disk of 8 MB on a folder, for this user."""
    mount = ["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(disk)]
    if subprocess.run(mount, capture_output=True, check=False, timeout=30).returncode != 0:
        if os.environ.get("CI"):
            pytest.fail("In CI this user must be allowed to mount a small disk.")
        pytest.skip("this user may not mount a small disk")
    try:
        shutil.chown(disk, owner)
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(disk)], check=True, timeout=30)


@contextlib.contextmanager
def small_tablespace(own: Local) -> Iterator[Path]:
    """Give PostgreSQL a tablespace `small` on a small disk."""
    disk = own.folder / "disk"
    disk.mkdir()
    with contextlib.ExitStack() as stack:
        stack.callback(disk.rmdir)
        stack.enter_context(mounted(disk, postgresql.OWNER))
        own.admin(f"CREATE TABLESPACE small OWNER tokens LOCATION '{disk}'")
        stack.callback(own.admin, "DROP TABLESPACE small")
        stack.callback(own.admin, "DROP SCHEMA tokens_place CASCADE", "tokens")
        yield disk


@contextlib.contextmanager
def small_database(own: Local) -> Iterator[Path]:
    """Put the folder of MariaDB's database, where each table is a file, on a small disk."""
    disk = own.folder / "data" / "tokens_place"
    options = (disk / "db.opt").read_bytes()
    with contextlib.ExitStack() as stack:
        stack.callback(own.admin, "DROP DATABASE tokens_place")
        stack.enter_context(mounted(disk, mariadb.OWNER))
        (disk / "db.opt").write_bytes(options)
        tables = "oauthtoken, oauthtoken_retired, oauthtoken_audit, zoho_tokenstore, zoho_tokenstore_lease"
        stack.callback(own.admin, f"DROP TABLE IF EXISTS {tables}", "tokens_place")
        yield disk


SMALL_DISKS: Final = {support.POSTGRESQL: small_tablespace, support.MARIADB: small_database}


@pytest.mark.parametrize("own", [support.POSTGRESQL], indirect=True)
def test_a_database_that_cannot_hold_all_texts(own: Local) -> None:
    """A PostgreSQL database in another encoding is refused when the store is opened."""
    latin = "ENCODING 'LATIN1' LOCALE 'C' LOCALE_PROVIDER libc TEMPLATE template0"
    own.admin(f"CREATE DATABASE tokens_latin OWNER tokens {latin}")
    try:
        with pytest.raises(ValueError, match="keeps texts as LATIN1"):
            SQLBackend(changed(own.url, database="tokens_latin"))
    finally:
        own.admin("DROP DATABASE tokens_latin WITH (FORCE)")


def test_errors_of_a_closed_store(backend: SQLBackend) -> None:
    """After `close` leases are refused as well as rows."""
    backend.close()
    uses: list[Callable[[], object]] = [
        lambda: backend.leases.read("a"),
        lambda: backend.leases.replace("a", "", "one", 1),
    ]
    for use in uses:
        with pytest.raises(BackendError, match="has been closed"):
            use()
