"""What a storage shows of itself without being opened as a store: nothing is created, changed or locked.

Each kind of storage has a module `_inspection` that gathers this. It reports facts; what is wrong with
them is for `doctor` to say.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple, Protocol

from zoho_tokenstore.backend import Backend, SupportsLeases, SupportsSample
from zoho_tokenstore.records import Found

SchemaState = Literal["current", "older", "missing"]


class Usage(NamedTuple):
    """How much of something is used, and how much of it there may be."""

    used: int
    limit: int


@dataclass(frozen=True, kw_only=True)
class StorageFacts:
    """What a storage says. Whatever it does not have, or does not say, is `None`.

    Arguments:
        schema: whether its tables are this release's; `older`: they are upgraded when a store is opened;
            `missing`: there are none.
        outdated: what of the schema is older, in a few words.
        read_only: why it accepts no writes, in a few words.
        now_ms: the time by its own clock, in epoch milliseconds.
        connections: how many clients it has, and may have.
        has_room: whether it let this client in; if not, nothing else is known.
        evicts: the policy by which it evicts what it keeps when its memory is full.
        evicts_tokens: whether that includes tokens, not only leases.
        loses: what it loses in a crash or a restart, and by which setting, in a few words.
        hidden: which of its settings it does not show.
        pooler: what stands between it and its clients: `transaction` or `statement` pooling.
        seals_itself: whether it encrypts what it keeps, with keys of its own that readers need.
    """

    schema: SchemaState = "current"
    outdated: str = ""
    read_only: str | None = None
    now_ms: int | None = None
    connections: Usage | None = None
    has_room: bool = True
    evicts: str | None = None
    evicts_tokens: bool = False
    loses: str | None = None
    hidden: tuple[str, ...] = ()
    pooler: str | None = None
    seals_itself: bool = False

    @property
    def is_complete(self) -> bool:
        """Return whether it could be asked everything, and its rows can be read."""
        return self.has_room and self.pooler != "statement"


class Inspection(Protocol):
    """A look at one storage. Every call may raise a `BackendError`; none of them writes.

    `location` is where it is, without a password; `files` are the files it consists of, that of the tokens
    first: they need not exist, and a server has none.
    """

    location: str
    files: tuple[Path, ...]

    def look(self, *, thorough: bool) -> StorageFacts:
        """Connect or open, and return what there is to know; `thorough` may take long."""

    def scan(self, *, after: str | None = None, limit: int | None = None) -> Iterator[Found]:
        """Yield rows as `Backend.scan` does."""

    def entries(self, names: Sequence[str]) -> Mapping[str, str]:
        """Return what is kept beside the leases of at most 500 names, without those that have nothing."""

    def close(self) -> None:
        """Let go of connections and files."""


class OpenedInspection:
    """Looks at a storage whose opening changes nothing.

    The backend is closed with it.
    """

    files: tuple[Path, ...] = ()

    def __init__(self, backend: Backend, *, seals_itself: bool = False) -> None:
        self._backend = backend
        self._seals_itself = seals_itself
        self.location = backend.location

    def look(self, *, thorough: bool) -> StorageFacts:  # noqa: ARG002  # there is nothing more to look at
        return StorageFacts(seals_itself=self._seals_itself)

    def scan(self, *, after: str | None = None, limit: int | None = None) -> Iterator[Found]:
        if after is None and limit is not None and isinstance(self._backend, SupportsSample):
            return self._backend.sample(limit)
        return self._backend.scan(after=after, limit=limit)

    def entries(self, names: Sequence[str]) -> Mapping[str, str]:
        if not isinstance(self._backend, SupportsLeases):
            return {}
        read = self._backend.leases.read
        return {name: text for name in names if (text := read(name).text)}

    def close(self) -> None:
        self._backend.close()
