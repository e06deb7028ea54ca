"""The content of the file: a header, a line for each row, and how both become bytes."""

from __future__ import annotations

import codecs
import csv
import hashlib
import io
import re
from collections.abc import Iterable
from typing import Final, NamedTuple

from zoho_tokenstore.backends._csv.cells import OWN_NAMES, PUBLISHED, WIDTH, Cells, id_of
from zoho_tokenstore.errors import BackendError
from zoho_tokenstore.records import COLUMNS

NAMES: Final = ["redirect_uri" if name == "redirect_url" else name for name in COLUMNS]
"""The ten columns as the SDK's `FileStore` names them."""

_CHECK: Final = "sha256="
_OWN_HEADER: Final = [*NAMES, *OWN_NAMES]
_SDK_HEADERS: Final = (
    NAMES,
    NAMES[:-1],  # Office Integrator
    [NAMES[0], "user_mail", *NAMES[2:-1]],  # 2.0 and 2.1
)
_QUOTED: Final = re.compile(r'["\r\n]')
_KEPT: Final = "It was left as it is"


class Content(NamedTuple):
    """What a file holds: the lines by id, and whether the header is one of ours."""

    lines: dict[str, Cells]
    is_ours: bool


def to_bytes(lines: Iterable[Cells]) -> bytes:
    """Return the file with these rows. The last cell of its header is a checksum of what follows."""
    body = _text(lines).encode()
    return _text([[*_OWN_HEADER, _CHECK + _checksum(body)]]).encode() + body


def is_whole(data: bytes) -> bool:
    """Tell whether this is a file as we have written it: nothing missing, nothing edited."""
    header, _, body = data.partition(b"\r\n")
    return header.endswith(f",{_CHECK}{_checksum(body)}".encode())


def parse(data: bytes, location: str) -> Content:
    """Read the file.

    Arguments:
        data: its bytes.
        location: its path, for messages.

    Raises:
        BackendError: it is no token file, or not all of it can be read.
    """
    text = _decoded(data, location)
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        header, *rows = reader
    except csv.Error as error:
        raise BackendError(
            f"The token file {location} is damaged or cut short: line {reader.line_num} cannot be read "
            f"({error}). {_KEPT}; correct that line, or restore the file from a backup."
        ) from error
    is_ours = _check_header(header, location)
    width = WIDTH if is_ours else min(len(header), PUBLISHED)
    if rows and len(rows[-1]) < width and not text.endswith(("\n", "\r")):
        raise BackendError(
            f"The token file {location} is cut short: its last row is incomplete, or lacks its line end. "
            f"{_KEPT}; complete or delete that row, or restore the file from a backup."
        )
    return Content(_by_id(rows, location), is_ours)


def _decoded(data: bytes, location: str) -> str:
    data = data.removeprefix(codecs.BOM_UTF8)
    if not data:
        raise BackendError(
            f"The token file {location} is empty (0 bytes), which it never is: its content was lost. "
            "Restore it, or delete the file to begin with a new store."
        )
    try:
        return data.decode()
    except UnicodeDecodeError:
        # `from None`: the codec's error carries the whole file.
        raise BackendError(
            f"The token file {location} is damaged, or not encoded in UTF-8. {_KEPT}; convert it to "
            "UTF-8, or restore it from a backup."
        ) from None


def _check_header(header: Cells, location: str) -> bool:
    """Tell whether the header is ours; the SDK's will do as well. Its texts are in no message."""
    if header[:WIDTH] == _OWN_HEADER and len(header) <= WIDTH + 1:
        return True
    header = _without_empty_ends(header)
    if header in _SDK_HEADERS:
        return False
    if header[:PUBLISHED] == NAMES:
        raise BackendError(
            f"The token file {location} has columns that this release does not know. {_KEPT}; upgrade "
            "zoho-tokenstore, or take those columns out."
        )
    raise BackendError(
        f"{location} is no token file of Zoho's SDK: its first line does not name the SDK's columns. "
        f"{_KEPT}; choose another path."
    )


def _by_id(rows: Iterable[Cells], location: str) -> dict[str, Cells]:
    lines: dict[str, Cells] = {}
    for number, row in enumerate(rows, start=1):
        cells = row if len(row) == WIDTH and row[-1] else _without_empty_ends(row)
        if not cells:
            continue
        row_id = _checked_id(cells, number, location)
        if lines.setdefault(row_id, cells) != cells:
            raise BackendError(
                f"The token file {location} has two different rows with the id {row_id!r}. {_KEPT}; "
                "delete one of them, or give it an id of its own."
            )
    return lines


def _checked_id(cells: Cells, number: int, location: str) -> str:
    row_id = id_of(cells)
    if row_id and (len(cells) <= PUBLISHED or len(cells) == WIDTH):
        return row_id
    what = f"has {len(cells)} cells, not {PUBLISHED} or {WIDTH}" if row_id else "has no id"
    raise BackendError(
        f"The token file {location} cannot be read: row {number} below the header {what}. {_KEPT}; "
        "correct or delete that row."
    )


def _without_empty_ends(cells: Cells) -> Cells:
    """Return a line without the empty cells at its end, which some programs add."""
    width = len(cells)
    while width and not cells[width - 1]:
        width -= 1
    return cells[:width]


def _checksum(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()[:32]


def _text(lines: Iterable[Cells]) -> str:
    return "".join(map(_line, lines))


def _line(cells: Cells) -> str:
    """Return what Python's csv module would write; nearly always that is ten times as fast."""
    plain = ",".join(cells)
    if plain.count(",") == len(cells) - 1 and not _QUOTED.search(plain):
        return plain + "\r\n"
    stream = io.StringIO(newline="")
    csv.writer(stream).writerow(cells)
    return stream.getvalue()
