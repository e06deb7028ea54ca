"""A server process that ends with the test process, also if that is killed."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tests.support.servers import Unavailable

PATIENCE: Final = 30.0  # seconds for a server to begin or to end; only a failing test waits so long

# Waits for the name of a signal, or for the end of its input, which is our end too. Without a name it
# ends the server by the usual signal, and removes the folder.
_GUARD: Final = (
    'folder=$1 stop=$2; shift 2; "$@" & echo $!; exec >/dev/null; read -r name; '
    'kill -s "${name:-$stop}" $! 2>/dev/null; wait $!; '
    '[ -n "$name" ] || [ -n "$ZOHO_TEST_SERVER_FOLDERS" ] || rm -rf "$folder"'
)

FOLDERS: Final = "ZOHO_TEST_SERVER_FOLDERS"
"""The environment variable with the folder that servers' folders stay in, to be searched (tests/sealed)."""


class ServerProcess:
    """A server's command, run under a guard that ends it when this process ends.

    Arguments:
        command: the server in the foreground.
        user: who it runs as, if this process may choose (root may, and database servers refuse root).
        folder: what is removed in the end; its log is here.
        stop: the name of the signal that ends it quickly.
    """

    def __init__(self, command: Sequence[str | Path], *, user: str, folder: Path, stop: str) -> None:
        self._command = ["sh", "-c", _GUARD, "guard", str(folder), stop, *map(str, command)]
        self._user = user
        self._folder = folder
        self._log = folder / "log"
        self._guard: subprocess.Popen[str] | None = None
        self.pid = 0

    def start(self, is_ready: Callable[[], bool]) -> None:
        """Start it, and return when it can be used."""
        with self._log.open("ab") as log:
            self._guard = subprocess.Popen(
                self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True,
                start_new_session=True, cwd="/", **as_user(self._user),
            )  # fmt: skip
        assert self._guard.stdout
        self.pid = int(self._guard.stdout.readline())
        deadline = time.monotonic() + PATIENCE
        while not is_ready():
            if time.monotonic() > deadline or not self.is_running():
                told = self._log.read_text()
                self.stop()
                raise AssertionError(f"the server does not start:\n{told}")
            time.sleep(0.02)

    def is_running(self) -> bool:
        """Tell whether the server's process is there, as far as this system tells."""
        if not Path("/proc/self/stat").exists():
            return True
        try:
            return Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
        except OSError:
            return False

    def stop(self) -> None:
        """End it the quick way, wait until it is gone, and remove its folder."""
        self._end("")
        if FOLDERS not in os.environ:
            shutil.rmtree(self._folder, ignore_errors=True)

    def halt(self, how: signal.Signals) -> None:
        """End it by a signal; its folder stays for another `start`."""
        self._end(how.name.removeprefix("SIG") + "\n")

    def _end(self, told: str) -> None:
        guard, self._guard = self._guard, None
        if guard is None:
            return
        try:
            guard.communicate(told, timeout=PATIENCE)
        except subprocess.TimeoutExpired:
            self.send(signal.SIGKILL)
            guard.communicate(timeout=PATIENCE)

    def send(self, what: signal.Signals) -> None:
        """Send a signal to the server, if it still runs."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, what)


def as_user(name: str) -> dict[str, Any]:
    """Return the arguments of `subprocess.Popen` that make a process somebody else's, if we are root."""
    if os.geteuid() != 0:
        return {}
    try:
        group = pwd.getpwnam(name).pw_gid
    except KeyError:
        raise Unavailable(f"there is no user {name} to run the server as, and it refuses root") from None
    return {"user": name, "group": group, "extra_groups": []}


def folder_for(user: str) -> Path:
    """Return a new folder of this user's: short, for a socket's path, and in memory where that can be."""
    memory = os.environ.get(FOLDERS, "/dev/shm")
    folder = Path(tempfile.mkdtemp(prefix="zts-", dir=memory if os.access(memory, os.W_OK) else None))
    if os.geteuid() == 0:
        shutil.chown(folder, user)
    return folder


def free_port() -> int:
    """Return a loopback port that nobody listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


@dataclass(frozen=True)
class Certificate:
    """A certificate that signs itself, and its key."""

    path: Path
    key: Path

    @classmethod
    def made_in(cls, folder: Path, address: str) -> Certificate:
        """Make one for a server at this address."""
        made = cls(folder / "certificate.pem", folder / "key.pem")
        command = [
            "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
            "-days", "1", "-subj", "/CN=test", "-addext", f"subjectAltName=IP:{address}",
            "-keyout", str(made.key), "-out", str(made.path),
        ]  # fmt: skip
        subprocess.run(command, check=True, capture_output=True, timeout=PATIENCE)
        return made

    def copied_to(self, folder: Path, user: str) -> Certificate:
        """Return a copy that a server of this user can read, and nobody else."""
        copy = Certificate(folder / self.path.name, folder / self.key.name)
        for source, target in ((self.path, copy.path), (self.key, copy.key)):
            shutil.copyfile(source, target)
            target.chmod(0o600)
            if os.geteuid() == 0:
                shutil.chown(target, user)
        return copy
