"""MariaDB or MySQL: the server that ``ZOHO_TEST_MARIADB_URL`` names, or a MariaDB from local binaries.

The URL's user must be allowed to create databases. A server started here keeps its data in memory
where the system has a file system for that, and listens on the loopback and on a Unix socket.
"""

from __future__ import annotations

import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import pymysql
from sqlalchemy.engine import make_url

from tests.support.servers import Server, Unavailable, given_url
from tests.support.servers._process import (
    PATIENCE,
    Certificate,
    ServerProcess,
    as_user,
    folder_for,
    free_port,
)

OWNER: Final = "mysql"
USER: Final = "tokens"
PASSWORD: Final = "secret-of-the-mariadb-tests"


class Given:
    """A server that the environment names."""

    def __init__(self, url: str) -> None:
        self.url = url
        parts = make_url(url)
        with _connected(
            host=parts.host or "127.0.0.1",
            port=parts.port or 3306,
            user=parts.username,
            password=parts.password or "",
        ) as connection:
            ((version,),) = _run(connection, "SELECT version()")
        self.about = f"{version} of the environment"

    def stop(self) -> None:
        """It is not ours to end."""


class Local:
    """A server of our own.

    Arguments:
        durable: flush every commit to the disk, as a real server does.
        certificate: what it shows to clients that ask for TLS; without one it has none.
    """

    def __init__(self, *, durable: bool = False, certificate: Certificate | None = None) -> None:
        self._server = _binary("mariadbd", "mysqld")
        self._install = _binary("mariadb-install-db", "mysql_install_db")
        self._folder = folder_for(OWNER)
        self._port = free_port()
        self._socket = self._folder / "socket"
        flush = 1 if durable else 0
        try:
            self._create_data()
        except BaseException:
            shutil.rmtree(self._folder)
            raise
        self._process = ServerProcess(
            [
                self._server, "--no-defaults", f"--datadir={self._folder / 'data'}",
                f"--socket={self._socket}", f"--pid-file={self._folder / 'pid'}",
                "--bind-address=127.0.0.1", f"--port={self._port}", "--skip-name-resolve",
                f"--innodb-flush-log-at-trx-commit={flush}", "--innodb-buffer-pool-size=32M",
                *self._tls(certificate),
            ],
            user=OWNER, folder=self._folder, stop="KILL",
        )  # fmt: skip
        self.restart()
        self.admin(f"CREATE USER {USER}@'127.0.0.1' IDENTIFIED BY '{PASSWORD}'")
        self.admin(f"GRANT ALL ON `{USER}%`.* TO {USER}@'127.0.0.1'")
        self.admin(f"CREATE DATABASE {USER}")
        ((version,),) = self.admin("SELECT version()")
        self.about = f"{version}, started here (flushing {'every commit' if durable else 'now and then'})"

    @property
    def url(self) -> str:
        """The database of the user `tokens`, over the loopback."""
        return f"mariadb://{USER}:{PASSWORD}@127.0.0.1:{self._port}/{USER}"

    @property
    def port(self) -> int:
        """Where it listens on the loopback."""
        return self._port

    @property
    def folder(self) -> Path:
        """Where its data are."""
        return self._folder

    def admin(self, statement: str, database: str | None = None) -> list[tuple[Any, ...]]:
        """Run a statement as root, and return its rows."""
        with _connected(unix_socket=str(self._socket), user="root", database=database) as connection:
            return _run(connection, statement)

    def set_read_only(self, read_only: bool) -> None:
        """Let everybody but root only read, as on a replica; or let them write again."""
        self.admin(f"SET GLOBAL read_only = {int(read_only)}")

    def cut_connections(self) -> None:
        """Terminate every connection of the user `tokens`."""
        self.admin(f"KILL HARD USER {USER}@'127.0.0.1'")

    def is_running(self) -> bool:
        """Tell whether it has not been ended."""
        return self._process.is_running()

    def stop(self) -> None:
        """End it at once, and remove its data."""
        self._process.stop()

    def halt(self) -> None:
        """End it in good order; its data stay for a `restart`."""
        self._process.halt(signal.SIGTERM)

    def kill(self) -> None:
        """End it as a crash does; its data stay for a `restart`."""
        self._process.halt(signal.SIGKILL)

    def pause(self) -> None:
        """Let it answer nobody, while its connections stay."""
        self._process.send(signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on."""
        self._process.send(signal.SIGCONT)

    def restart(self) -> None:
        """Start it, after `halt` or `kill`."""
        self._process.start(self._is_ready)

    def _tls(self, certificate: Certificate | None) -> list[str]:
        if certificate is None:
            return []
        own = certificate.copied_to(self._folder, OWNER)
        return [f"--ssl-cert={own.path}", f"--ssl-key={own.key}"]

    def _is_ready(self) -> bool:
        with socket.socket(socket.AF_UNIX) as probe:  # the driver would leave its own open
            if probe.connect_ex(str(self._socket)) != 0:
                return False
        self.admin("SELECT 1")
        return True

    def _create_data(self) -> None:
        command: list[str | Path] = [
            self._install, "--no-defaults", f"--datadir={self._folder / 'data'}", "--skip-test-db",
            "--auth-root-authentication-method=normal",
        ]  # fmt: skip
        done = subprocess.run(
            command, cwd="/", capture_output=True, text=True, timeout=PATIENCE, check=False, **as_user(OWNER)
        )
        assert done.returncode == 0, done.stdout + done.stderr


def start() -> Server:
    """Return the server of the environment, or start one."""
    url = given_url("mariadb")
    return Given(url) if url else start_local()


def start_local(*, durable: bool = False, certificate: Certificate | None = None) -> Local:
    """Start a server that the caller stops."""
    return Local(durable=durable, certificate=certificate)


@contextmanager
def _connected(**arguments: Any) -> Iterator[Any]:
    connection = pymysql.connect(**arguments, autocommit=True, ssl_disabled=True)
    try:
        yield connection
    finally:
        connection.close()


def _run(connection: Any, statement: str) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(statement)
        return list(cursor.fetchall())


def _binary(*names: str) -> Path:
    for name in names:
        found = shutil.which(name) or shutil.which(name, path="/usr/sbin:/usr/local/sbin")
        if found:
            return Path(found)
    raise Unavailable(f"set ZOHO_TEST_MARIADB_URL, or install MariaDB ({names[0]})")
