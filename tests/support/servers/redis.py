"""Redis servers: the one all tests share, and own ones to stop, starve or cut off. See `redis_groups`."""

from __future__ import annotations

import atexit
import contextlib
import os
import pwd
import shutil
import signal
import socket
from pathlib import Path
from typing import Any, Final

import redis

from tests.support.servers import Unavailable, given_url
from tests.support.servers._process import PATIENCE, ServerProcess, folder_for, free_port

TEST_PREFIX: Final = "zoho-tokens-test-"
"""What the prefixes of all tests begin with, so that they can be swept from a server that is not ours."""


class GivenRedis:
    """The server that the environment names. It keeps running, without our keys."""

    def __init__(self, url: str) -> None:
        self.url = url
        with self.driver() as driver:
            self.about = f"Redis {driver.info('server')['redis_version']}, given by ZOHO_TEST_REDIS_URL"

    def driver(self) -> Any:
        """Return a client of the driver itself."""
        return redis.Redis.from_url(self.url, protocol=2)

    def stop(self) -> None:
        """Delete what the tests have left."""
        with self.driver() as driver:
            for key in driver.scan_iter(f"{{{TEST_PREFIX}*"):
                driver.delete(key)


class LocalRedis:
    """A server of our own, in a folder of its own; it ends with this process, however that ends.

    `url` is where a store finds it. `driver()` is a client of the driver itself, by a socket that
    is always there, whatever the server asks of others.
    """

    def __init__(self, arguments: list[str], *, tls: bool, password: str | None, sentinel: bool) -> None:
        program = shutil.which("redis-server")
        if program is None:
            raise Unavailable("there is no redis-server on the PATH, and no ZOHO_TEST_REDIS_URL")
        self.port = free_port()
        self.folder = folder_for(_user())
        self.url = f"{'rediss' if tls else 'redis'}://127.0.0.1:{self.port}/0"
        self._password = password
        self._socket = self.folder / "socket"
        own = self._arguments(tls=tls, sentinel=sentinel)
        self._process = ServerProcess(
            [program, *own, *arguments], user=_user(), folder=self.folder, stop="KILL"
        )
        atexit.register(self.stop)
        self.restart()
        with self.driver() as driver:
            self.version = driver.info("server")["redis_version"]
        self.about = f"Redis {self.version}, local"

    def __enter__(self) -> LocalRedis:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.stop()

    @property
    def pid(self) -> int:
        """The server's process id."""
        return self._process.pid

    def driver(self, **options: Any) -> Any:
        """Return a client of the driver itself, that may do everything."""
        return redis.Redis(unix_socket_path=str(self._socket), password=self._password, protocol=2, **options)

    def restart(self) -> None:
        """Start it, on the same port and folder, after `kill` or `end`."""
        self._process.start(self._is_ready)

    def pause(self) -> None:
        """Let it answer nobody, while its connections stay."""
        self._process.send(signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on."""
        self._process.send(signal.SIGCONT)

    def kill(self) -> None:
        """End it as a crash does; the folder stays."""
        self._process.halt(signal.SIGKILL)

    def end(self) -> None:
        """End it in good order; the folder stays."""
        self._process.halt(signal.SIGTERM)

    def stop(self) -> None:
        """End it, and remove its folder."""
        self._process.stop()
        atexit.unregister(self.stop)

    def _arguments(self, *, tls: bool, sentinel: bool) -> list[str]:
        arguments = ["--bind", "127.0.0.1", "--dir", str(self.folder), "--logfile", str(self.folder / "log")]
        arguments += ["--unixsocket", str(self._socket), "--unixsocketperm", "700"]
        if tls:
            return [*arguments, "--port", "0", "--tls-port", str(self.port)]
        if sentinel:
            config = self.folder / "sentinel.conf"
            config.touch()
            return [str(config), "--sentinel", *arguments, "--port", str(self.port)]
        return [*arguments, "--port", str(self.port)]

    def _is_ready(self) -> bool:
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(PATIENCE)
            connection.connect(str(self._socket))
            connection.sendall(b"PING\r\n")
            return connection.recv(100).startswith((b"+PONG", b"-NOAUTH"))
        return False


def start() -> GivenRedis | LocalRedis:
    """Return the server that all tests share."""
    given = given_url("redis")
    return start_local() if given is None else GivenRedis(given)


def start_local(
    *arguments: str, certificates: Path | None = None, sentinel: bool = False, **config: Any
) -> LocalRedis:
    """Start a server of our own, that keeps nothing on the disk unless it is told to.

    Arguments:
        arguments: of the command, as they stand.
        certificates: a folder with ``ca.crt``, ``server.crt`` and ``server.key``: it speaks TLS alone.
        sentinel: whether it is a Sentinel.
        config: the server's directives, with underscores, each a value or a function that returns one;
            ``requirepass`` is used by `driver` too.
    """
    directives: dict[str, Any] = {} if sentinel else {"save": "", "appendonly": "no", **config}
    if certificates is not None:
        directives |= {
            "tls_ca_cert_file": certificates / "ca.crt",
            "tls_cert_file": certificates / "server.crt",
            "tls_key_file": certificates / "server.key",
        }
    for tries_left in (2, 1, 0):
        try:
            return LocalRedis(
                [*_as_options(directives), *arguments],
                tls=certificates is not None,
                password=config.get("requirepass"),
                sentinel=sentinel,
            )
        except AssertionError as error:  # somebody was faster to take a port that was free
            if not tries_left or "in use" not in str(error):
                raise
    raise AssertionError("never reached")


def _as_options(directives: dict[str, Any]) -> list[str]:
    options = []
    for name, value in directives.items():
        options += [f"--{name.replace('_', '-')}", str(value() if callable(value) else value)]
    return options


def _user() -> str:
    return pwd.getpwuid(os.geteuid()).pw_name
