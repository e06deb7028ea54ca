"""What a storage must do to carry tokens: the protocol behind every store."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from typing import Final, NamedTuple, Protocol

from zoho_tokenstore.errors import ConfigurationError
from zoho_tokenstore.records import Found, RetiredId, Row

__all__ = [
    "AuditLog",
    "AuditRow",
    "Backend",
    "LeaseState",
    "Leases",
    "RetiredIds",
    "SupportsAudit",
    "SupportsCount",
    "SupportsLeases",
    "SupportsRehearsal",
    "SupportsSample",
    "SupportsScrub",
    "SupportsWriteMany",
]


class RetiredIds(Protocol):
    """The ids of deleted rows: none is ever given to a row again.

    Each costs a few bytes, apart from the rows, until it is pruned.
    """

    def scan(self) -> Iterator[RetiredId]:
        """Yield all, in the order of the ids."""

    def add(self, ids: Iterable[RetiredId]) -> int:
        """Retire ids that were deleted elsewhere; return how many were new. Rows stay as they are."""

    def prune(self, before_ms: int) -> int:
        """Forget the ids retired before that time (epoch milliseconds); return how many there were."""

    def cleared_ms(self) -> int:
        """Return when `Backend.clear` was last called, in epoch milliseconds; 0 if it never was.

        Every `clear` increases it, whatever the clocks say. It is never pruned.
        """


class LeaseState(NamedTuple):
    """What is kept under a name.

    Arguments:
        text: the text; empty if nothing is kept.
        now_ms: the time in epoch milliseconds, by the clock of the server that keeps it, if it has
            one (PostgreSQL, MySQL, MariaDB, Redis); otherwise by this host's.
    """

    text: str
    now_ms: int


class Leases(Protocol):
    """Where leases are kept: a string under each name, replaced by compare-and-set.

    All threads and all processes that share the store see it. A storage knows no rule about
    the strings. Each call is one round trip to a server; a failure raises a `BackendError`.
    """

    def read(self, name: str) -> LeaseState:
        """Return what is kept under a name, and the time."""

    def replace(self, name: str, was: str, text: str, keep_ms: int) -> bool:
        """Store a string if what is kept under the name is still `was`; return whether it is stored now.

        If it is there already, it was stored by an earlier try whose answer was lost; that counts too.

        Arguments:
            name: any string of our own making.
            was: what was read; empty if nothing was.
            text: what to store; not empty, and never used before.
            keep_ms: how many milliseconds it must be kept, at least one. It is dropped some time
                after that.
        """


class AuditRow(NamedTuple):
    """One entry of an audit trail, as it is stored.

    Arguments:
        number: its place in the trail, from 1.
        at_ms: when it happened, in epoch milliseconds. It also stands in `text`; here it is for filters.
        token_id: the id of the login, if it is about one; likewise.
        text: the entry itself, ASCII of at most 20,000 characters. A storage knows nothing about it.
        hash: 64 hexadecimal digits.
        mac: 64 hexadecimal digits, or `None`.
    """

    number: int
    at_ms: int
    token_id: str | None
    text: str
    hash: str
    mac: str | None


class AuditLog(Protocol):
    """Where an audit trail is kept: rows that are appended and read, pruned from the start, never changed.

    All threads and all processes that share the store see the same rows. A storage knows no rule about
    them. A failure raises a `BackendError`.
    """

    def last(self) -> AuditRow | None:
        """Return the row with the highest number, or `None` if there is none."""

    def append(self, row: AuditRow) -> bool:
        """Store a row if there is none with its number; return whether it is stored now.

        If this very row is there already, it was stored by an earlier try whose answer was lost; that
        counts too. Once it has returned, the row survives whatever a saved token survives.
        """

    def scan(
        self,
        *,
        after: int = 0,
        since_ms: int | None = None,
        until_ms: int | None = None,
        token_id: str | None = None,
    ) -> Iterator[AuditRow]:
        """Yield the rows in the order of their numbers, holding only some of them at a time.

        Arguments:
            after: only those with a higher number.
            since_ms: only those that happened then or later, in epoch milliseconds.
            until_ms: only those that happened before then, in epoch milliseconds.
            token_id: only those about this login.
        """

    def prune(self, through: int) -> int:
        """Delete the rows with this number or a lower one; return how many there were."""


class Backend(Protocol):
    """A place where rows live.

    It declares further abilities by inheriting from `SupportsLeases`, `SupportsRehearsal`,
    `SupportsCount`, `SupportsWriteMany`, `SupportsScrub`, `SupportsSample` and `SupportsAudit`.

    A backend keeps strings and knows no rule about tokens. It may be used by any thread of the
    process, and continues to work in a child after a fork. `None` and `[]` mean "looked, and there
    is none"; every failure raises a `BackendError` with the driver's exception as its cause. A row
    that is invalid (text that is not text, a time that is not a number) is not a storage failure:
    `find` and `scan` return it as an `UnreadableRow` among the others.
    """

    @property
    def location(self) -> str:
        """Where the rows are, for people: no password in it."""

    @property
    def retired(self) -> RetiredIds:
        """The ids of deleted rows."""

    def load(self, row_id: str) -> Row | None:
        """Return the row with this id.

        While nobody changes it, a backend may return the same object again, and what
        is built on a row may then be reused.

        Raises:
            UnreadableRowError: there is something with this id, but not a row.
        """

    def find(self, index: str, *keys: str) -> Sequence[Found]:
        """Return the rows that `index` (one of `records.LOOKUPS`) finds under any of `keys`, each once.

        Keys are compared code point by code point: no case folding, no Unicode normalisation. All
        keys are looked up at one moment: a row moved from one to another
        meanwhile is found.
        """

    def scan(self, *, after: str | None = None, limit: int | None = None) -> Iterator[Found]:
        """Yield the rows in the order of their ids, starting after `after`, at most `limit`."""

    def write(self, row: Row, *, expect: object) -> object:
        """Store the row if it is still as the caller knows it, and return its new etag.

        Arguments:
            row: what to store; its own `etag` is ignored.
            expect: the etag of the version to replace, or `None` if there must be
                no row with this id.

        Raises:
            RowChangedError: the stored row has another etag, is gone, or exists already.
            RetiredIdError: there must be no row with this id, and a deleted row had it.
        """

    def remove(self, row_id: str, *, expect: object = None) -> bool:
        """Delete the row with this id, and retire the id in the same step; return whether it was deleted.

        A row that cannot be read is deleted like any other.

        Arguments:
            row_id: the id.
            expect: the etag of the only version to delete; with `None`, any.
        """

    def clear(self) -> int:
        """Delete all rows of this store and retire their ids; return how many there were.

        In one step if the storage can; otherwise each row with its id.
        """

    def close(self) -> None:
        """Let go of connections and files. Closing twice is allowed, using it afterwards is not."""


class SupportsLeases(ABC):
    """A backend that keeps leases, for all users of the storage."""

    leases: Leases


class SupportsRehearsal(ABC):
    """A backend whose writes can fail for lack of a permission or a suitable table."""

    @abstractmethod
    def rehearse(self, row: Row, *, expect: object) -> None:
        """Do everything of a `write` that can fail, leave nothing behind, and raise what it would."""


class SupportsCount(ABC):
    """A backend that counts rows without reading them."""

    @abstractmethod
    def count(self) -> int:
        """Return how many rows there are, including those that cannot be read."""


class SupportsWriteMany(ABC):
    """A backend that accepts many rows at once."""

    @abstractmethod
    def write_many(self, rows: Sequence[Row]) -> Sequence[object]:
        """For each row (their ids differ), do what `write` does if there must be no such row.

        Returns:
            their etags in the same order; `None` for a row that was not written.

        Raises:
            BackendError: some of them may have been written, each as a whole.
        """


class SupportsScrub(ABC):
    """A backend whose storage keeps replaced and deleted rows."""

    @abstractmethod
    def scrub(self) -> None:
        """Overwrite what replaced and deleted rows left in the storage."""


class SupportsSample(ABC):
    """A backend whose scan lists everything first."""

    @abstractmethod
    def sample(self, limit: int) -> Iterator[Found]:
        """Yield some of the rows in any order, at most `limit`."""


class SupportsAudit(ABC):
    """A backend that keeps an audit trail, for all users of the storage."""

    audit: AuditLog


_ABILITIES: Final = {
    "audit": SupportsAudit,
    "leases": SupportsLeases,
    "rehearse": SupportsRehearsal,
    "count": SupportsCount,
    "write_many": SupportsWriteMany,
    "scrub": SupportsScrub,
    "sample": SupportsSample,
}


def check_abilities(backend: Backend) -> None:
    """Refuse what is no backend, and one that has something optional without declaring it, or vice versa.

    Raises:
        ConfigurationError: otherwise a misspelt `leases` would silently mean one renewal per process.
    """
    if not hasattr(backend, "location"):
        raise ConfigurationError(
            f"A repository needs a backend, not {type(backend).__name__}. For a URL there is open_repository."
        )
    for name, ability in _ABILITIES.items():
        if isinstance(backend, ability) is not hasattr(backend, name):
            kind = type(backend).__name__
            raise ConfigurationError(
                f"The backend {kind} declares {ability.__name__}, but has no {name!r}."
                if isinstance(backend, ability)
                else f"The backend {kind} has {name!r}; to be used, it must inherit from {ability.__name__}."
            )
