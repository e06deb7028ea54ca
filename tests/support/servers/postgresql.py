"""PostgreSQL: the server that ``ZOHO_TEST_POSTGRESQL_URL`` names, or one from local binaries.

The URL's user must own its database. A server started here keeps its data in memory where the
system has a file system for that, sorts texts by ICU's English rules (not by code points), listens
on the loopback and on a Unix socket, and asks for passwords on the loopback only.
"""

from __future__ import annotations

import re
import shutil
import signal
import subprocess
from pathlib import Path
from typing import Any, Final

import psycopg

from tests.support.servers import Server, Unavailable, given_url
from tests.support.servers._process import (
    PATIENCE,
    Certificate,
    ServerProcess,
    as_user,
    folder_for,
    free_port,
)

OWNER: Final = "postgres"
USER: Final = "tokens"
PASSWORD: Final = "secret-of-the-postgresql-tests"

_ACCESS: Final = "local all all trust\nhost all all 127.0.0.1/32 scram-sha-256\n"


class Given:
    """A server that the environment names."""

    def __init__(self, url: str) -> None:
        self.url = url
        with psycopg.connect(url) as connection:
            (version,) = connection.execute("SHOW server_version").fetchone() or ("",)
        self.about = f"PostgreSQL {version} of the environment"

    def stop(self) -> None:
        """It is not ours to end."""


class Local:
    """A server of our own.

    Arguments:
        durable: flush every commit to the disk (`fsync`), as a real server does.
        certificate: what it shows to clients that ask for TLS; without one it has none.
    """

    def __init__(self, *, durable: bool = False, certificate: Certificate | None = None) -> None:
        self._bin = _binaries()
        self._folder = folder_for(OWNER)
        self._port = free_port()
        fsync = "on" if durable else "off"
        try:
            self._create_cluster()
        except BaseException:
            shutil.rmtree(self._folder)
            raise
        self._process = ServerProcess(
            [
                self._bin / "postgres", "-D", self._folder / "data", "-p", str(self._port),
                "-c", "listen_addresses=127.0.0.1", "-c", f"unix_socket_directories={self._folder}",
                "-c", f"fsync={fsync}", "-c", "dynamic_shared_memory_type=mmap",
                "-c", "log_min_messages=fatal", *self._tls(certificate),
            ],
            user=OWNER, folder=self._folder, stop="QUIT",
        )  # fmt: skip
        self.restart()
        self.admin(f"CREATE ROLE {USER} LOGIN PASSWORD '{PASSWORD}'")
        self.admin(f"CREATE DATABASE {USER} OWNER {USER}")
        ((version,),) = self.admin("SHOW server_version")
        self.about = f"PostgreSQL {version}, started here (fsync {fsync})"

    @property
    def url(self) -> str:
        """The database of the user `tokens`, over the loopback."""
        return f"postgresql://{USER}:{PASSWORD}@127.0.0.1:{self._port}/{USER}"

    @property
    def port(self) -> int:
        """Where it listens on the loopback."""
        return self._port

    @property
    def folder(self) -> Path:
        """Where its socket and its data are."""
        return self._folder

    def admin(self, statement: str, database: str = "postgres") -> list[tuple[Any, ...]]:
        """Run a statement as the superuser, and return its rows."""
        with psycopg.connect(
            host=str(self._folder), port=self._port, user=OWNER, dbname=database, autocommit=True
        ) as connection:
            found = connection.execute(statement.encode())
            return found.fetchall() if found.description else []

    def set_read_only(self, read_only: bool) -> None:
        """Let new transactions of everybody only read, as a standby does; or let them write again."""
        self.admin(f"ALTER SYSTEM SET default_transaction_read_only = {'on' if read_only else 'off'}")
        self.admin("SELECT pg_reload_conf()")

    def cut_connections(self) -> None:
        """Terminate every connection of the user `tokens`."""
        self.admin(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '{USER}'")

    def is_running(self) -> bool:
        """Tell whether it has not been ended."""
        return self._process.is_running()

    def stop(self) -> None:
        """End it at once, and remove its data."""
        self._process.stop()

    def halt(self) -> None:
        """End it in good order; its data stay for a `restart`."""
        self._process.halt(signal.SIGINT)

    def kill(self) -> None:
        """End it as a crash does; its data stay for a `restart`."""
        self._process.halt(signal.SIGKILL)

    def restart(self) -> None:
        """Start it, after `halt` or `kill`."""
        self._process.start(self._is_ready)

    def _tls(self, certificate: Certificate | None) -> list[str]:
        if certificate is None:
            return []
        own = certificate.copied_to(self._folder, OWNER)
        settings = ("ssl=on", f"ssl_cert_file={own.path}", f"ssl_key_file={own.key}")
        return [word for setting in settings for word in ("-c", setting)]

    def _is_ready(self) -> bool:
        try:
            self.admin("SELECT 1")
        except psycopg.OperationalError:
            return False
        return True

    def _create_cluster(self) -> None:
        command: list[str | Path] = [
            self._bin / "initdb", "-D", self._folder / "data", "--no-sync", "--auth=trust",
            f"--username={OWNER}", "--encoding=UTF8", *_locale(self._bin),
        ]  # fmt: skip
        done = subprocess.run(
            command, cwd="/", capture_output=True, text=True, timeout=PATIENCE, check=False, **as_user(OWNER)
        )
        assert done.returncode == 0, done.stderr
        (self._folder / "data" / "pg_hba.conf").write_text(_ACCESS)


def start() -> Server:
    """Return the server of the environment, or start one."""
    url = given_url("postgresql")
    return Given(url) if url else start_local()


def start_local(*, durable: bool = False, certificate: Certificate | None = None) -> Local:
    """Start a server that the caller stops."""
    return Local(durable=durable, certificate=certificate)


def _binaries() -> Path:
    """Return the folder of the newest PostgreSQL on this system."""
    on_path = [Path(found).resolve().parent] if (found := shutil.which("postgres")) else []
    packaged = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=_version)
    complete = [folder for folder in (*on_path, *packaged) if (folder / "initdb").exists()]
    if not complete:
        raise Unavailable("set ZOHO_TEST_POSTGRESQL_URL, or install PostgreSQL (postgres and initdb)")
    return complete[-1]


def _version(folder: Path) -> int:
    return int(re.sub(r"\D", "", folder.parent.name) or 0)


def _locale(binaries: Path) -> list[str]:
    told = subprocess.run(
        [binaries / "postgres", "--version"], capture_output=True, text=True, timeout=PATIENCE, check=True
    ).stdout
    major = int(re.findall(r"\d+", told)[0])
    return ["--locale=C", *(["--locale-provider=icu", "--icu-locale=en"] if major >= 15 else [])]
