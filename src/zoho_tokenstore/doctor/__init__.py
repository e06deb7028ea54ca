"""Finds what is wrong with a store, explains it, and names the command that mends it.

It only looks: nothing is created, changed, locked or renewed, and Zoho is asked nothing unless wanted. So it
also works where a store cannot be opened, and says why.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from zoho_tokenstore._util.clock import Clock, now_ms
from zoho_tokenstore.doctor import _file_checks as _file_checks
from zoho_tokenstore.doctor import _key_checks as _key_checks
from zoho_tokenstore.doctor import _login_checks as _login_checks
from zoho_tokenstore.doctor import _row_checks as _row_checks
from zoho_tokenstore.doctor import _storage_checks as _storage_checks
from zoho_tokenstore.doctor._checks import CHECKS
from zoho_tokenstore.doctor._examination import Examination
from zoho_tokenstore.doctor._findings import Finding, Report, Severity
from zoho_tokenstore.errors import ConfigurationError

if TYPE_CHECKING:
    from zoho_tokenstore.sealing import KeysArg

__all__ = ["Finding", "Report", "Severity", "check_names", "examine"]

_DEFAULT_TIMEOUT: Final = timedelta(seconds=2)


def examine(
    url: str | None = None,
    *,
    keys: KeysArg | None = None,
    timeout: timedelta = _DEFAULT_TIMEOUT,
    everything: bool = False,
    online: bool = False,
    clock: Clock = now_ms,
    on_rows: Callable[[int], object] = lambda _: None,
) -> Report:
    """Examine a store, without opening it as one, and return what is wrong with it.

    Whatever goes wrong is in the report; only what you pass may raise.

    Arguments:
        url: the store's; by default what the environment variable ``ZOHO_TOKENSTORE_URL`` holds.
        keys: those of the store's users, as for `open_repository`.
        timeout: for all of it. In a large store, as many rows are read as there is time for.
        everything: read all rows, and check all pages of a SQLite file, however long that takes.
        online: ask each data centre of the store's logins for the time, without any credential.
        clock: this host's time, in milliseconds since the epoch; for tests.
        on_rows: called now and then with how many rows have been read.

    Raises:
        ConfigurationError: the timeout is not a positive `timedelta`.
    """
    if not isinstance(timeout, timedelta) or timeout <= timedelta(0):
        raise ConfigurationError("The timeout of an examination must be a timedelta above zero.")
    return Examination(
        url,
        keys,
        timeout=timeout.total_seconds(),
        everything=everything,
        online=online,
        clock=clock,
        on_rows=on_rows,
    ).run()


def check_names() -> tuple[str, ...]:
    """Return the names of all checks, sorted. Each has a section in docs/reference/doctor.md."""
    return tuple(sorted(CHECKS))
