"""The content of the file: a header, a line for each row, and their encoding."""

from __future__ import annotations

import csv
import hashlib
import io
import re
from collections.abc import Collection, Iterable
from typing import Final, NamedTuple

from zoho_tokenstore.backends.csv._cells import PUBLISHED, WIDTH, Cells, id_of, proof
from zoho_tokenstore.backends.csv._form import NINE, Form, form_of, truncated_error
from zoho_tokenstore.backends.csv._lines import BadLine, Line, Record, is_ours_whole, line_of, records
from zoho_tokenstore.errors import BackendError

Lines = dict[str | int, Line]
"""The lines in order: rows by their ids, bad lines by numbers."""

_CHECK: Final = b"sha256="
_WIDTHS: Final = (NINE, PUBLISHED, WIDTH, WIDTH + 1)
_QUOTED: Final = re.compile(r'["\r\n]')
_QUOTED_BY_OTHERS: Final = re.compile(r'(?:\A|,)"|[\r\n]')
_WHOLE_DOMAIN: Final = re.compile(
    r"https://(www|sandbox|developer)\.zohoapis\.(eu|in|jp|ca|sa|com\.au|com\.cn)"
)
"""API domains that no longer one begins with: `.com` may be all that is left of `.com.au`."""


class Content(NamedTuple):
    """What a file holds: its form, its lines, and whether the header is one of ours."""

    form: Form
    lines: Lines
    is_ours: bool


def to_bytes(lines: Iterable[Line], form: Form) -> bytes:
    """Return the file with these lines. The last cell of its header is a checksum of what follows."""
    held = list(lines)
    last = next((line for line in reversed(held) if isinstance(line, list)), None)
    rows = "".join(_text_of(line, form) for line in held)
    if held and not form.ends_last and held[-1] is last:
        rows = rows.removesuffix(form.end)
    body = _encode(rows)
    header = _text_of(form.header(last, _checksum(body)), form)
    return _encode(form.mark + (header if held or form.ends_last else header.removesuffix(form.end))) + body


def is_whole(data: bytes) -> bool:
    """Return whether this is a file just as we wrote it: nothing missing, nothing edited."""
    header, _, body = data.partition(b"\n")
    return header.removesuffix(b"\r").endswith(_CHECK + _checksum(body).encode())


def parse(data: bytes, location: str) -> Content:
    """Read the bytes of a file, or raise a `BackendError`: it is not a token file, or was cut short."""
    header, *rows = _records(data, location)
    form, is_ours = form_of(header.cells or [], data.decode(errors="surrogateescape"), location)
    if rows and not rows[-1].is_ended and not is_whole(data):
        _check_end(data, rows, form, location)
    return Content(form, _by_id(rows, form), is_ours)


def _records(data: bytes, location: str) -> list[Record]:
    text = data.decode(errors="surrogateescape").removeprefix("\ufeff")
    found = list(records(text, _WIDTHS))
    if not found:
        raise BackendError(
            f"The token file {location} is empty (0 bytes), which it never is: its content was lost. "
            "Restore it, or delete the file to begin with a new store."
        )
    if not _is_utf8(found[0].text):
        raise BackendError(
            f"The token file {location} is damaged, or not encoded in UTF-8. It was left as it is; convert "
            "it to UTF-8, or restore it from a backup."
        )
    return found


def _is_utf8(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _check_end(data: bytes, rows: list[Record], form: Form, location: str) -> None:
    """Refuse a file whose last row may be truncated; see this store's page.

    The SDKs of Node, TypeScript, PHP and Scala do not end the last row. Those of Python and C# do, with a
    carriage return: a file without it was cut, unless another program wrote its last row.
    """
    last = line_of(rows[-1], form.width)
    if last is None or is_ours_whole(last):
        return
    if isinstance(last, BadLine):
        raise truncated_error(location, "its last row is incomplete, or lacks its line end")
    if form.end != "\n" and not _is_complete(last, data, rows, form):
        raise truncated_error(location, "its last row lacks its line end, and its last cell may lack more")


def _is_complete(last: Cells, data: bytes, rows: list[Record], form: Form) -> bool:
    """Return whether a row is complete although only its line end is missing."""
    if any(record.is_ended and not record.text.endswith("\r\n") for record in rows):
        return True  # another program wrote rows
    if len(last) == PUBLISHED and (_WHOLE_DOMAIN.fullmatch(last[-1]) or proof(last[-1]) == form.last):
        return True
    return is_whole(data.removesuffix(_encode(rows[-1].text)))  # it was appended to our file


def _by_id(rows: list[Record], form: Form, clashing: Collection[str] = ()) -> Lines:
    """Return the lines; `clashing` ids have several rows, and nobody can tell whose they are."""
    lines: Lines = {}
    twice = set()
    for number, record in enumerate(rows, start=2):
        line = line_of(record, form.width)
        if isinstance(line, BadLine):
            lines[number] = line
        elif line is not None and tuple(line[:NINE]) == form.names[:NINE]:
            lines[number] = BadLine("", "it repeats the first line", record.text)
        elif line is not None and (row_id := id_of(line)) in clashing:
            lines[number] = BadLine(row_id, "another row has the same id", record.text)
        elif line is not None and lines.setdefault(row_id, line) != line:
            twice.add(row_id)
    return _by_id(rows, form, twice) if twice else lines


def _checksum(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()[:32]


def _encode(text: str) -> bytes:
    """Return the bytes of a text; bad lines that were not UTF-8 stay as they were."""
    return text.encode(errors="surrogateescape")


def _text_of(line: Line, form: Form) -> str:
    """Return what Python's csv module would write; nearly always ten times as fast."""
    if isinstance(line, BadLine):
        return line.text if line.text.endswith(("\n", "\r")) else line.text + form.end
    plain = ",".join(line)
    quoted = _QUOTED if form.is_pythons else _QUOTED_BY_OTHERS
    if plain.count(",") == len(line) - 1 and not quoted.search(plain):
        return plain + form.end
    stream = io.StringIO(newline="")
    csv.writer(stream, lineterminator=form.end).writerow(line)
    return stream.getvalue()
