"""The form of the file: which of Zoho's SDKs began it, and how it writes names and line ends.

Eight languages' SDKs keep the same ten columns in the same order, and their 2.x releases the first nine.
What differs is kept, so that the program can continue to read its file: two names, the line ends, whether
the last row has one, and a byte order mark. Each reads the columns by position, ignores the cells after
them, and keeps those of the rows that it does not write.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from zoho_tokenstore.backends.csv._cells import OWN_NAMES, PUBLISHED, WIDTH, Cells, proof
from zoho_tokenstore.errors import BackendError
from zoho_tokenstore.records import COLUMNS

NINE: Final = PUBLISHED - 1
_USER: Final = ("user_name", "user_mail")
_REDIRECT: Final = ("redirect_uri", "redirect_url")
_LEGACY: Final = ["user_mail", "client_id", "refresh_token", "access_token", "grant_token", "expiry_time"]
_KEPT: Final = "It was left as it is"
_CHECK: Final = re.compile(r"(?P<nine>nine )?last=(?P<last>[0-9a-f]*) sha256=[0-9a-f]{32}")
_UNREADABLE_BY_SDKS: Final = re.compile(r'[,"\r\n]|\A\\')


class Form(NamedTuple):
    """How a file is written.

    `names` are the ten published columns as its header names them; `width` is how many of them the SDK
    that began the file writes, `end` its line end. `last` is a proof of the last cell of the last row,
    from a header of ours.
    """

    names: tuple[str, ...] = ("id", "user_name", *COLUMNS[2:8], "redirect_uri", "api_domain")
    width: int = PUBLISHED
    end: str = "\r\n"
    ends_last: bool = True
    mark: str = ""
    last: str = ""

    @property
    def is_pythons(self) -> bool:
        """Whether Python's SDK began the file, or this package."""
        return self.names[8] == _REDIRECT[0]

    def header(self, last: Cells | None, checksum: str) -> Cells:
        """Return the cells of our header; its last one is a checksum of what follows."""
        nine = "nine " if self.width == NINE else ""
        domain = proof(last[NINE]) if last and len(last) > NINE else ""
        return [*self.names, *OWN_NAMES, f"{nine}last={domain} sha256={checksum}"]

    def unfit(self, cells: Cells, stored: Cells) -> str | None:
        """Return the column with a value that the file's SDK could not read, or `None`.

        Those of Node, TypeScript, C# and Scala split rows at every comma and every line end, so
        such a value could be taken for another user's row. What is stored already is not refused.
        """
        if self.is_pythons:
            return None
        before = stored or [""] * PUBLISHED
        for name, cell, was in zip(COLUMNS, cells, [*before, ""], strict=False):
            if cell != was and _UNREADABLE_BY_SDKS.search(cell):
                return name
        return None


def form_of(header: Cells, text: str, location: str) -> tuple[Form, bool]:
    """Return the form of a file, and whether its header is one of ours.

    `text` is all of it, with a byte order mark if there is one. No message quotes anything of it.
    """
    names = header[:PUBLISHED]
    is_ours = header[PUBLISHED:WIDTH] == list(OWN_NAMES) and len(header) <= WIDTH + 1
    names = names if is_ours else _without_empty_ends(header)
    _check_names(names, location)
    check = _CHECK.fullmatch(header[WIDTH]) if is_ours and len(header) > WIDTH else None
    is_nine = bool(check["nine"]) if check else len(names) == NINE
    end = _end_of(text)
    form = Form(
        (*names, *COLUMNS[len(names) :]),
        NINE if is_nine else PUBLISHED,
        end or "\n",
        text.endswith(("\n", "\r")),
        "\ufeff" if text.startswith("\ufeff") else "",
        check["last"] if check else "",
    )
    if not form.is_pythons:
        return form, is_ours
    if not end:
        raise truncated_error(location, "its header lacks its line end")
    return form._replace(ends_last=True), is_ours


def truncated_error(location: str, what: str) -> BackendError:
    """Return the error for a truncated file."""
    return BackendError(
        f"The token file {location} is cut short: {what}. {_KEPT}; complete or delete that row (a complete "
        "one needs a line end), or restore the file from a backup."
    )


def _end_of(text: str) -> str:
    """Return the first line end. A bare carriage return is one that Windows doubled."""
    found = re.search(r"\r\n|\n|\r", text)
    return "" if found is None else "\n" if found[0] == "\n" else "\r\n"


def _check_names(names: Cells, location: str) -> None:
    if len(names) in (NINE, PUBLISHED) and _are_published(names):
        return
    if names == _LEGACY:
        raise BackendError(
            f"{location} is a token file of one of Zoho's first SDKs (six columns, as of zcrmsdk 3). It has "
            f"no ids and no client secrets, so no later SDK can use it. {_KEPT}; choose another path, "
            "and let the users log in again."
        )
    if len(names) > PUBLISHED and _are_published(names[:PUBLISHED]):
        raise BackendError(
            f"The token file {location} has columns that this release does not know. {_KEPT}; upgrade "
            "zoho-tokenstore, or remove those columns."
        )
    raise BackendError(
        f"{location} is not a token file of Zoho's SDKs: its first line does not name their columns. "
        f"{_KEPT}; choose another path."
    )


def _are_published(names: Cells) -> bool:
    known = {1: _USER, 8: _REDIRECT}
    return all(name in known.get(at, (COLUMNS[at],)) for at, name in enumerate(names))


def _without_empty_ends(cells: Cells) -> Cells:
    """Return a line without the empty cells at its end, which some programs add."""
    width = len(cells)
    while width and not cells[width - 1]:
        width -= 1
    return cells[:width]
