"""PgBouncer before a PostgreSQL that was started here: from local binaries, else the test is skipped."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator
from typing import Final

import psycopg

from tests.support.servers import Unavailable
from tests.support.servers._process import ServerProcess, folder_for, free_port
from tests.support.servers.postgresql import OWNER, PASSWORD, USER, Local

_SETTINGS: Final = """\
[databases]
* = host=127.0.0.1 port={server}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = trust
auth_file = {folder}/users
pool_mode = {mode}
default_pool_size = {size}
{more}
"""


@contextlib.contextmanager
def before(server: Local, *, mode: str = "transaction", size: int = 1, more: str = "") -> Iterator[str]:
    """Start a pooler that has so many connections to the server; yield its address, `user@host:port`."""
    program = shutil.which("pgbouncer") or shutil.which("pgbouncer", path="/usr/sbin")
    if program is None:
        raise Unavailable("install PgBouncer (pgbouncer)")
    folder, port = folder_for(OWNER), free_port()
    settings = _SETTINGS.format(server=server.port, port=port, folder=folder, mode=mode, size=size, more=more)
    (folder / "settings").write_text(settings)
    (folder / "users").write_text(f'"{USER}" "{PASSWORD}"\n')
    process = ServerProcess([program, folder / "settings"], user=OWNER, folder=folder, stop="INT")
    address = f"{USER}@127.0.0.1:{port}"

    def is_ready() -> bool:
        with contextlib.suppress(psycopg.OperationalError), psycopg.connect(f"postgresql://{address}/{USER}"):
            return True
        return False

    process.start(is_ready)
    try:
        yield address
    finally:
        process.stop()
