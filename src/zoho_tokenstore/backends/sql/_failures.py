"""The drivers' failures mapped to ours."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum
from typing import Final

from zoho_tokenstore.errors import BackendError, BackendTimeoutError, BackendUnavailableError


class ReadOnlyError(BackendUnavailableError):
    """The server refuses writes; look-ups continue."""


class Kind(Enum):
    """What to do about a failure."""

    LOST = "the connection is gone; whether the statement was carried out is unknown"
    PASSING = "the server rolled back the statement in favour of somebody else's; retry after a pause"
    CROWDED = "the server has no connection left; others will return theirs; retry after a pause"
    ELSEWHERE = "this server refuses writes; new connections may lead to one that accepts them"
    FINAL = "nothing"


@dataclass(frozen=True)
class Failure:
    """A failure of a database.

    `says` continues "The token database … ". Only if `is_quotable` may the driver's exception be
    chained: then its text never shows what was to be stored.
    """

    error: type[BackendError]
    says: str
    kind: Kind = Kind.FINAL
    is_quotable: bool = True

    def at(self, location: str) -> BackendError:
        """Return the error to raise."""
        return self.error(f"The token database {location} {self.says}.")


LOST: Final = Failure(
    BackendUnavailableError,
    "ended the connection. Try again; if that fails too, check that the server runs",
    Kind.LOST,
)
UNCERTAIN: Final = Failure(
    BackendUnavailableError,
    "ended the connection. It is unknown whether the change was made: check, then try again",
)
SILENT: Final = Failure(
    BackendTimeoutError,
    "did not answer in time. It is unknown whether a change was made: check, then try again",
)
PASSING: Final = Failure(
    BackendTimeoutError,
    "was busy: others kept changing the same rows. Nothing was changed; try again",
    Kind.PASSING,
)
LOCKED: Final = Failure(
    BackendTimeoutError,
    "was locked by others. Nothing was changed; try again, or find who holds a long transaction",
)
SLOW: Final = Failure(
    BackendTimeoutError,
    "took too long for a statement, and it was cancelled. Nothing was changed; try again, or find who "
    "holds a long transaction",
)
READ_ONLY: Final = Failure(
    ReadOnlyError,
    "is read-only, as a standby or replica is. Give the address of the server that accepts writes",
    Kind.ELSEWHERE,
)
FULL: Final = Failure(
    BackendUnavailableError,
    "has no room left: its disk is full. Free some space and try again; the tokens are as they were",
)
NO_MEMORY: Final = Failure(BackendUnavailableError, "does not have enough memory. Try again")
CROWDED: Final = Failure(
    BackendUnavailableError,
    "allows no more connections. Let fewer processes connect, lower pool_size, or raise the server's limit",
    Kind.CROWDED,
)
ALL_IN_USE: Final = Failure(
    BackendTimeoutError,
    "could not be asked: all connections of this process were in use. Raise pool_size, or let fewer "
    "threads wait for locks",
)
STARTING: Final = Failure(BackendUnavailableError, "is starting, or shutting down. Try again in a moment")
REFUSED: Final = Failure(
    BackendUnavailableError,
    "refused the login. Correct the user name and the password, or let that user in from this host",
)
UNKNOWN: Final = Failure(
    BackendUnavailableError, "is not on this server. Create the database, or correct its name"
)
UNREACHABLE: Final = Failure(
    BackendUnavailableError,
    "cannot be reached. Check host, port and network, and whether the server runs",
)
DEAF: Final = Failure(
    BackendTimeoutError,
    "did not answer the login in time. Check host, port and network, and whether the server is overloaded",
)
INSECURE: Final = Failure(
    BackendUnavailableError,
    "could not be connected with TLS. Check the certificates, and the TLS options of the URL",
)
STARTUP: Final = Failure(
    BackendUnavailableError,
    "is behind a pooler that does not pass on a URL option. Leave it out; for a schema set "
    "ALTER ROLE … SET search_path, or write table=",
)
NOT_ALLOWED: Final = Failure(
    BackendUnavailableError,
    "did not allow it. Grant this user the rights on the tables that the store's page lists",
)
TOO_LONG: Final = Failure(
    BackendError,
    "refused a value as too long, or for characters that it cannot store. Nothing was changed",
    is_quotable=False,
)


def against(rule: str) -> Failure:
    """Return the failure for a row that a rule on the table refuses."""
    return Failure(
        BackendError,
        f"refused the row because of {rule}. Nothing was changed; loosen or drop that rule, or choose "
        "another table",
        is_quotable=False,
    )


IGNORED: Final = against("a trigger, a rule or a policy, which ignored it without an error")


def in_the_way(message: str) -> Failure:
    """Return the failure for a table that cannot be taken over; the server says what depends on it."""
    return Failure(
        BackendError,
        f"cannot be taken over: {message}. The table was left as it is; remove what is in the way, or choose "
        "another name with table=",
    )


def no_table(message: str) -> Failure:
    """Return the failure for a table or column that is not there; the server says which."""
    return Failure(
        BackendError,
        f"has lost a table or column that this store uses: {message}. Restore it, or open the store again; "
        "if others use that name, choose another one with table=",
    )


def not_allowed(message: str) -> Failure:
    """Return the failure for a statement that this user may not send; the server says what is missing."""
    return replace(NOT_ALLOWED, says=NOT_ALLOWED.says.replace("it.", f"it: {message}."))


def other(error: BaseException, code: object = None) -> Failure:
    """Return the failure for an unknown error. Its text may reveal anything, and is not shown."""
    kind = type(error).__name__ if code is None else f"{type(error).__name__}, {code}"
    return Failure(BackendError, f"failed ({kind}). The server's log may say more", is_quotable=False)
