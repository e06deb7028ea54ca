"""Brings the logins of a file into a store: its good lines are put aside, and then copied like a store."""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, Final
from urllib.parse import quote

import typer

from zoho_tokenstore._ids import candidate_ids
from zoho_tokenstore._util.clock import now_ms
from zoho_tokenstore.cli import _copying as copying
from zoho_tokenstore.cli._shared import FAILED, Progress, ring_of, say, store_url
from zoho_tokenstore.cli._times import ms_of
from zoho_tokenstore.copying import OnConflict
from zoho_tokenstore.copying._endpoints import Endpoint
from zoho_tokenstore.copying._opening import CLEAR, open_endpoint
from zoho_tokenstore.errors import ConfigurationError, InvalidTokenError, RowChangedError
from zoho_tokenstore.records import BOOKKEEPING, COLUMNS, TokenRecord, row_from_record

_STANDARD_INPUT: Final = Path("-")
_ASIDE: Final = "memory://"
_TEXTS: Final = tuple(name for name in COLUMNS if name != "expiry_time")
_TIMES: Final = {name.removesuffix("_ms"): name for name in ("expires_at_ms", *BOOKKEEPING)}
_LONGEST_LINE: Final = 1 << 20
_HOUR_MS: Final = 3_600_000
_MAX_SHOWN: Final = 20


def run(
    path: Path, store: str | None, keys: str | None, on_conflict: OnConflict, *, as_csv: bool, dry_run: bool
) -> None:
    """Import the file, and say what was done."""
    if as_csv:
        _from_csv(path, store_url(store, may_create=True), keys, on_conflict, dry_run=dry_run)
        return
    url, there = copying.url_to_fill(store, dry_run=dry_run)
    ring = None if keys is None else ring_of(keys)
    with open_endpoint(url, ring) as destination, open_endpoint(_ASIDE, CLEAR) as aside:
        with _opened(path) as file:
            good, bad = _put_aside(file, aside, _Ids(destination))
        place = "standard input" if path == _STANDARD_INPUT else str(path)
        is_complete = True
        if good:
            is_complete = copying.copy_between(
                aside, destination, on_conflict, from_=place, to=there, dry_run=dry_run
            )
        else:
            say(f"There is no login in {place}.", err=True)
    if bad or not is_complete:
        raise typer.Exit(FAILED)


def _from_csv(path: Path, url: str, keys: str | None, on_conflict: OnConflict, *, dry_run: bool) -> None:
    if path == _STANDARD_INPUT:
        raise ConfigurationError("A token file of Zoho's SDKs cannot come from standard input. Name it.")
    copying.run(f"csv:///{quote(str(path.absolute()))}", url, CLEAR, keys, on_conflict, dry_run=dry_run)


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[BinaryIO]:
    if path == _STANDARD_INPUT:
        yield sys.stdin.buffer
        return
    try:
        with path.open("rb") as file:
            yield file
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be read: {error.strerror}.") from error


class _Ids:
    """Gives lines without an id the one of their owner's row, or that of a new one."""

    def __init__(self, destination: Endpoint) -> None:
        self._destination = destination
        self._retired = {retired.id for retired in destination.backend.retired.scan()}

    def of(self, record: TokenRecord) -> str:
        if record.id is not None:
            return record.id
        owned = self._destination.rows_of_owner(record).rows
        if owned:
            return owned[0].id
        candidates = candidate_ids(record, now_ms() // _HOUR_MS)
        return next(row_id for row_id in candidates if row_id not in self._retired)


def _put_aside(file: BinaryIO, aside: Endpoint, ids: _Ids) -> tuple[int, int]:
    """Keep the good lines, and name the others, without their content; return how many each are."""
    good = bad = 0
    with Progress("lines") as progress:
        for number, line in enumerate(_lines_of(file), 1):
            progress.tell(number, "read")
            try:
                good += _keep(line, aside, ids)
            except InvalidTokenError as error:
                bad += 1
                progress.clear()
                if bad <= _MAX_SHOWN:
                    say(f"Line {number:,} was left out: {error}", err=True)
    if bad > _MAX_SHOWN:
        say(f"And {bad - _MAX_SHOWN:,} more lines.", err=True)
    return good, bad


def _lines_of(file: BinaryIO) -> Iterator[bytes | None]:
    """Yield the lines, and `None` for one that is too long: no part of it is a line."""
    while line := file.readline(_LONGEST_LINE):
        is_whole = _is_end(line)
        yield line if is_whole else None
        while not is_whole:
            is_whole = _is_end(file.readline(_LONGEST_LINE))


def _is_end(part: bytes) -> bool:
    return part.endswith(b"\n") or len(part) < _LONGEST_LINE


def _keep(line: bytes | None, aside: Endpoint, ids: _Ids) -> bool:
    """Keep the login in a line, if it is not blank; return whether there was one."""
    if line is None:
        raise InvalidTokenError(f"It has {_LONGEST_LINE:,} bytes or more.")
    if not line.strip():
        return False
    record = record_of(line)
    try:
        aside.write(row_from_record(record, ids.of(record)), None)
    except RowChangedError:
        raise InvalidTokenError("Another line has the same id, or the same user without one.") from None
    return True


def record_of(line: bytes) -> TokenRecord:
    """Return the login in a line. No error shows its content, as that is secret."""
    values = _object_in(line)
    unknown = values.keys() - {*_TEXTS, *_TIMES}
    if unknown:
        raise InvalidTokenError(f"It has fields that are not known ({len(unknown)}).")
    given = {name: values[name] for name in _TIMES if values.get(name) is not None}
    times: dict[str, Any] = {_TIMES[name]: _time(name, value) for name, value in given.items()}
    record = TokenRecord(**{name: values.get(name) for name in _TEXTS}, **times)
    if record.refresh_token is None and record.access_token is None and record.grant_token is None:
        raise InvalidTokenError("It has neither an access, nor a refresh, nor a grant token.")
    return record


def _object_in(line: bytes) -> dict[str, Any]:
    try:
        values = json.loads(line.decode("utf-8-sig"))
    except (ValueError, RecursionError):
        values = None
    if not isinstance(values, dict):
        raise InvalidTokenError("It is not a JSON object.")
    return values


def _time(name: str, value: object) -> int:
    try:
        return ms_of(value if isinstance(value, str) else "")
    except ValueError:
        raise InvalidTokenError(f"{name} must be a time as 2026-11-30T05:38:26Z, or null.") from None
