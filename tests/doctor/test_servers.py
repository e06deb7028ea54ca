"""What is wrong with servers: each is really set up so."""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import quote, urlsplit

import psycopg
import pytest

from tests.doctor.conftest import own_redis
from tests.doctor.support import KEY, LONGEST, examined, fill, names
from tests.sql import support as sql
from tests.support.servers import mariadb, pgbouncer, postgresql
from tests.support.servers.redis import LocalRedis
from zoho_tokenstore import open_repository
from zoho_tokenstore._util.clock import now_ms
from zoho_tokenstore.backends.sql import _inspection as sql_inspection
from zoho_tokenstore.doctor import Finding, Report, Severity


def only(report: Report) -> Finding:
    """The only finding of a report in which everything was checked."""
    assert report.not_checked == {}
    (found,) = report.findings
    return found


def unreachable(report: Report, *, limit: float = LONGEST) -> Finding:
    """The finding for a server that could not be asked; nothing that needs it is called healthy."""
    assert names(report) == ["store-unreachable"]
    assert {"read-only", "durability", "clock-skew", "connections", "rows-unreadable"} <= set(
        report.not_checked
    )
    assert report.seconds < limit
    return report.findings[0]


class TestPostgreSQL:
    def test_a_server_that_takes_no_writes(self, durable_postgresql: postgresql.Local, pg: str) -> None:
        """Its tokens are read all the same."""
        fill(pg)
        durable_postgresql.set_read_only(True)
        try:
            report = examined(pg)
        finally:
            durable_postgresql.set_read_only(False)
        found = only(report)
        assert (found.check, found.severity, report.rows) == ("read-only", Severity.ERROR, 2)

    @pytest.fixture
    def few(self, durable_postgresql: postgresql.Local) -> Iterator[None]:
        durable_postgresql.admin("ALTER ROLE tokens CONNECTION LIMIT 5")
        yield
        durable_postgresql.admin("ALTER ROLE tokens CONNECTION LIMIT -1")

    @pytest.mark.usefixtures("few")
    def test_few_connections_are_left(self, pg: str) -> None:
        """Here it is the role's own limit that is reached first."""
        fill(pg)
        time.sleep(0.1)  # for the connections of `fill` to end
        with contextlib.ExitStack() as stack:
            for _ in range(4):
                stack.enter_context(psycopg.connect(pg))
            found = only(examined(pg))
        assert (found.check, found.severity) == ("connections", Severity.WARNING)
        assert "5 of at most 5" in found.summary

    def test_connections_of_others(self, durable_postgresql: postgresql.Local, pg: str) -> None:
        """Those of roles about which the server says little are counted, too."""
        fill(pg)
        durable_postgresql.admin("CREATE ROLE others LOGIN PASSWORD 'others'")
        others = f"postgresql://others:others@127.0.0.1:{durable_postgresql.port}/postgres"
        inspection = sql_inspection.inspect(urlsplit(pg), LONGEST)
        with contextlib.ExitStack() as stack:
            for _ in range(10):
                stack.enter_context(psycopg.connect(others))
            counted = inspection.look(thorough=False).connections
        inspection.close()
        assert counted is not None
        assert counted.used > 10

    @pytest.mark.usefixtures("few")
    def test_no_connection_is_left(self, pg: str) -> None:
        """It is named as what it is, though nothing else can be asked."""
        fill(pg)
        with contextlib.ExitStack() as stack:
            for _ in range(5):
                stack.enter_context(psycopg.connect(pg))
            report = examined(pg)
        assert (names(report), report.findings[0].severity) == (["connections"], Severity.ERROR)
        assert "rows-unreadable" in report.not_checked
        assert {"durability", "clock-skew", "schema-older"} <= set(report.not_checked)

    def test_saves_that_do_not_last(self, durable_postgresql: postgresql.Local, pg: str) -> None:
        """The server does not wait for its disk."""
        fill(pg)
        durable_postgresql.admin("ALTER ROLE tokens SET synchronous_commit = off")
        try:
            found = only(examined(pg))
        finally:
            durable_postgresql.admin("ALTER ROLE tokens RESET synchronous_commit")
        assert (found.check, found.severity) == ("durability", Severity.ERROR)
        assert "synchronous_commit" in found.summary

    def test_a_clock_that_differs(self, pg: str) -> None:
        """By ten minutes: this host's is set so here, as the server's cannot be."""
        fill(pg)
        found = only(examined(pg, clock=lambda: now_ms() + 600_000))
        assert found.check == "clock-skew"
        assert "ahead of" in found.summary

    def test_an_unlogged_table(self, durable_postgresql: postgresql.Local, pg: str) -> None:
        """A crash empties it."""
        fill(pg)
        sql.query(pg, "ALTER TABLE oauthtoken SET UNLOGGED")
        report = examined(pg)
        assert names(report) == ["store-unusable"]
        assert "emptied by a crash" in report.findings[0].summary

    def test_a_table_of_zohos_code(self, pg: str) -> None:
        """Its rows are read as they are, and it stays so."""
        columns = ", ".join(
            f"{name} varchar(255)"
            for name in (
                *("user_name", "client_id", "client_secret", "refresh_token", "access_token", "grant_token"),
                *("expiry_time", "redirect_url", "api_domain"),
            )
        )
        sql.query(pg, f"CREATE TABLE oauthtoken (id varchar(10) PRIMARY KEY, {columns})")
        sql.query(pg, "INSERT INTO oauthtoken (id, user_name, access_token) VALUES ('1', 'ann', 'x')")
        report = examined(pg, keys=None)
        assert names(report) == ["schema-older", "unsealed-secrets"]
        assert report.rows == 1
        assert len(sql.query(pg, "SELECT * FROM oauthtoken")[0]) == 10

    def test_a_database_without_a_table(self, pg: str) -> None:
        """It is perhaps another database than was meant; nothing is created."""
        found = only(examined(pg))
        assert (found.check, found.severity) == ("schema-older", Severity.WARNING)
        assert sql.query(pg, "SELECT tablename FROM pg_tables WHERE schemaname = current_schema()") == []

    def test_a_newer_schema(self, pg: str) -> None:
        """Of a release to come."""
        fill(pg)
        sql.query(pg, "UPDATE zoho_tokenstore SET value = '99' WHERE name = 'schema_version:oauthtoken'")
        assert names(examined(pg)) == ["store-unusable"]

    def test_a_wrong_password(self, pg: str) -> None:
        """The password is not shown."""
        report = examined(pg.replace(postgresql.PASSWORD, "wrong-password"))
        assert "refused the login" in unreachable(report).summary
        assert "wrong-password" not in repr(report)

    @pytest.mark.parametrize(
        ("mode", "severity"), [("transaction", Severity.NOTE), ("statement", Severity.ERROR)]
    )
    def test_a_pooler(self, durable_postgresql: postgresql.Local, mode: str, severity: Severity) -> None:
        """One that shares connections between transactions costs time, between statements it breaks saves."""
        durable_postgresql.admin("CREATE DATABASE pooled OWNER tokens")
        try:
            fill(f"{durable_postgresql.url.rpartition('/')[0]}/pooled")
            with pgbouncer.before(durable_postgresql, mode=mode, size=2) as address:
                report = examined(f"postgresql://{address}/pooled")
        finally:
            durable_postgresql.admin("DROP DATABASE pooled WITH (FORCE)")
        assert [(found.check, found.severity) for found in report.findings] == [("pooler", severity)]
        assert (report.rows == 2) is (mode == "transaction")

    @pytest.fixture
    def deaf(self) -> Iterator[int]:
        """A port that accepts connections, and never says anything."""
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            listener.listen()
            yield listener.getsockname()[1]

    @pytest.mark.parametrize("scheme", ["postgresql", "mysql", "redis"])
    def test_a_server_that_does_not_answer(self, deaf: int, scheme: str) -> None:
        """The limit holds whatever the driver does."""
        path = "0" if scheme == "redis" else "tokens"
        unreachable(examined(f"{scheme}://127.0.0.1:{deaf}/{path}"))


class TestMariaDB:
    def test_a_server_that_takes_no_writes(self, durable_mariadb: mariadb.Local, maria: str) -> None:
        """As a replica is set up."""
        fill(maria)
        durable_mariadb.set_read_only(True)
        try:
            assert only(examined(maria)).check == "read-only"
        finally:
            durable_mariadb.set_read_only(False)

    def test_saves_that_do_not_last(self, durable_mariadb: mariadb.Local, maria: str) -> None:
        """The log is flushed once a second."""
        fill(maria)
        durable_mariadb.admin("SET GLOBAL innodb_flush_log_at_trx_commit = 2")
        try:
            found = only(examined(maria))
        finally:
            durable_mariadb.admin("SET GLOBAL innodb_flush_log_at_trx_commit = 1")
        assert (found.check, found.severity) == ("durability", Severity.ERROR)

    def test_few_connections_are_left(self, durable_mariadb: mariadb.Local, maria: str) -> None:
        """The server allows ten, the least that it can be told."""
        fill(maria)
        durable_mariadb.admin("SET GLOBAL max_connections = 10")
        try:
            with contextlib.ExitStack() as stack:
                for _ in range(8):
                    stack.enter_context(sql.driver(maria))
                report = examined(maria)
        finally:
            durable_mariadb.admin("SET GLOBAL max_connections = 151")
        assert only(report).check == "connections"

    def test_a_clock_that_differs(self, maria: str) -> None:
        """By ten minutes."""
        fill(maria)
        report = examined(maria, clock=lambda: now_ms() - 600_000)
        assert names(report) == ["clock-skew", "future-times"]

    def test_the_end_of_summer_time(self, durable_mariadb: mariadb.Local, maria: str) -> None:
        """The clock of a session in a zone that was just set back is right all the same."""
        end = 1_800_000_000
        for statement in (
            "INSERT INTO time_zone VALUES (1, 'N')",
            "INSERT INTO time_zone_name VALUES ('Zylker/Town', 1)",
            "INSERT INTO time_zone_transition_type VALUES (1, 0, 3600, 1, 'ZST'), (1, 1, 0, 0, 'ZT')",
            f"INSERT INTO time_zone_transition VALUES (1, 0, 0), (1, {end}, 1)",
        ):
            durable_mariadb.admin(statement, "mysql")
        open_repository(maria, keys=KEY).close()
        for at in (end - 1000, end + 1000):
            session = f"SET time_zone='Zylker/Town', timestamp={at}"
            report = examined(f"{maria}?init_command={quote(session)}", clock=lambda at=at: at * 1000)
            assert report.findings == ()

    def test_a_server_that_stands_still(self, durable_mariadb: mariadb.Local, maria: str) -> None:
        """Its port is open, and it does not answer."""
        fill(maria)
        durable_mariadb.pause()
        try:
            unreachable(examined(maria))
        finally:
            durable_mariadb.resume()


class TestRedis:
    def test_a_server_that_evicts_tokens(self) -> None:
        """The policy has an effect once a limit is set."""
        with own_redis(appendonly="yes") as server:
            fill(server.url)
            with server.driver() as admin:
                admin.config_set("maxmemory", "100mb")
                admin.config_set("maxmemory-policy", "allkeys-lru")
            found = only(examined(server.url))
            assert (found.check, found.severity) == ("eviction", Severity.ERROR)
            assert examined(f"{server.url}?allow_eviction=yes").findings == ()

    def test_a_server_that_evicts_leases(self) -> None:
        """A volatile policy leaves the tokens alone."""
        with own_redis(appendonly="yes", maxmemory="100mb", maxmemory_policy="volatile-lru") as server:
            found = only(examined(fill(server.url)))
            assert (found.check, found.severity) == ("eviction", Severity.WARNING)

    def test_a_server_that_keeps_nothing(self) -> None:
        """Neither a log nor snapshots."""
        with own_redis() as server:
            found = only(examined(fill(server.url)))
            assert (found.check, found.severity) == ("durability", Severity.ERROR)

    def test_a_server_that_hides_its_settings(self) -> None:
        """As managed ones do: nobody knows, and that is not called healthy."""
        with own_redis(appendonly="yes") as server:
            fill(server.url)
            with server.driver() as admin:
                admin.acl_setuser(
                    "portal",
                    enabled=True,
                    passwords=["+p"],
                    keys=["*"],
                    commands=["+@all", "-config", "-info"],
                )
            found = only(examined(server.url.replace("redis://", "redis://portal:p@")))
            assert (found.check, found.severity) == ("durability", Severity.WARNING)

    @pytest.mark.long
    def test_a_replica(self, durable_redis: LocalRedis, redis_url: str) -> None:
        """It has the tokens, and takes no writes."""
        fill(redis_url)
        with own_redis("--replicaof", "127.0.0.1", str(durable_redis.port), appendonly="yes") as replica:
            with replica.driver() as admin:
                _until(lambda: admin.info("replication")["master_link_status"] == "up")
            url = redis_url.replace(str(durable_redis.port), str(replica.port))
            report = examined(url)
        assert (only(report).check, report.rows) == ("read-only", 2)

    def test_few_clients_are_left(self) -> None:
        """Nine of ten."""
        with own_redis(appendonly="yes", maxclients=10) as server, contextlib.ExitStack() as stack:
            fill(server.url)
            _connect(stack, server, 8)
            assert only(examined(server.url)).check == "connections"

    def test_no_client_is_left(self) -> None:
        """This one is refused, too."""
        with own_redis(appendonly="yes", maxclients=10) as server, contextlib.ExitStack() as stack:
            fill(server.url)
            _connect(stack, server, 10)
            report = examined(server.url)
            assert (names(report), report.findings[0].severity) == (["connections"], Severity.ERROR)

    def test_a_layout_to_come(self, durable_redis: LocalRedis, redis_url: str) -> None:
        """Of a newer release."""
        fill(redis_url)
        with durable_redis.driver() as admin:
            admin.hset(f"{{{redis_url.partition('prefix=')[2]}}}:meta", "layout", "99")
        assert names(examined(redis_url)) == ["store-unusable"]

    def test_a_row_that_vanished(self, durable_redis: LocalRedis, redis_url: str) -> None:
        """Deleted by something else; it is still in the list of ids."""
        fill(redis_url)
        with durable_redis.driver() as admin:
            row = next(admin.scan_iter(f"{{{redis_url.partition('prefix=')[2]}}}:row:*"))
            admin.delete(row)
        found = only(examined(redis_url))
        assert (found.check, found.count) == ("rows-unreadable", 1)
        assert "vanished" in found.ids[0][1]

    def test_a_server_that_stands_still(self) -> None:
        """Its port is open, and it does not answer."""
        with own_redis(appendonly="yes") as server:
            fill(server.url)
            server.pause()
            try:
                unreachable(examined(server.url))
            finally:
                server.resume()

    def test_looking_writes_nothing(self, durable_redis: LocalRedis, redis_url: str) -> None:
        """The server counts no change, in an empty place and in a store."""
        for is_filled in (False, True):
            url = fill(redis_url) if is_filled else redis_url
            with durable_redis.driver() as admin:
                before = _changes(admin)
                examined(url)
                assert _changes(admin) == before


def _changes(admin: Any) -> int:
    return int(admin.info("replication")["master_repl_offset"]) or int(
        admin.info("persistence")["rdb_changes_since_last_save"]
    )


def _connect(stack: contextlib.ExitStack, server: LocalRedis, clients: int) -> None:
    """Have that many clients on a server."""
    for _ in range(clients):
        client = stack.enter_context(socket.create_connection(("127.0.0.1", server.port)))
        client.sendall(b"PING\r\n")
        client.recv(100)


def _until(is_so: Callable[[], bool]) -> None:
    ends = time.monotonic() + 20
    while not is_so():
        assert time.monotonic() < ends
        time.sleep(0.02)
