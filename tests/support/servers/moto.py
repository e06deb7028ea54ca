"""moto, which plays AWS: the server all tests share, and own ones to kill and start again.

moto keeps everything in memory: a server that was started again is empty.
"""

from __future__ import annotations

import atexit
import importlib.util
import os
import select
import socket
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Final

from tests.support.servers import Unavailable, given_url

PATIENCE: Final = 60.0  # seconds for a server to begin; only a failing test waits so long

CREDENTIALS: Final = {
    "AWS_ACCESS_KEY_ID": "testing",
    "AWS_SECRET_ACCESS_KEY": "testing",
    "AWS_EC2_METADATA_DISABLED": "true",
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
}
"""What boto3 finds instead of the credentials of whoever runs the tests."""

_SCRIPT: Final = Path(__file__).with_name("_moto_server.py")


class GivenMoto:
    """The server that the environment names."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.about = "an AWS endpoint, given by ZOHO_TEST_MOTO_URL"

    def stop(self) -> None:
        """Let it run: each test removes what it made."""


class LocalMoto:
    """A server of our own, which ends with this process, also if that is killed."""

    def __init__(self) -> None:
        self.port = _free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.about = f"moto {version('moto')}, local"
        self._process: subprocess.Popen[str] | None = None
        self.restart()
        atexit.register(self.stop)

    def __enter__(self) -> LocalMoto:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.stop()

    def restart(self) -> None:
        """Start it, empty and on the same port, after `kill`."""
        self._process = process = subprocess.Popen(
            [sys.executable, "-P", str(_SCRIPT), str(self.port)],  # -P: its `moto` is not this module
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert process.stdout
        ready, _, _ = select.select([process.stdout], [], [], PATIENCE)
        if not ready or process.stdout.readline() != "ready\n":
            self.kill()
            raise AssertionError("moto's server does not start")

    def kill(self) -> None:
        """End it as a crash does."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.communicate()

    def stop(self) -> None:
        """End it."""
        self.kill()
        atexit.unregister(self.stop)


def start() -> GivenMoto | LocalMoto:
    """Return the server that all tests share."""
    given = given_url("moto")
    return start_local() if given is None else GivenMoto(given)


def start_local() -> LocalMoto:
    """Start a server of our own."""
    if importlib.util.find_spec("moto") is None:
        raise Unavailable("moto[server] is not installed, and there is no ZOHO_TEST_MOTO_URL")
    return LocalMoto()


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port
