"""Redis's failures mapped to our errors."""

from __future__ import annotations

import re
from typing import Final

from redis import exceptions as driver
from redis.sentinel import MasterNotFoundError

from zoho_tokenstore.backends.redis import _lua as lua
from zoho_tokenstore.errors import BackendError, BackendTimeoutError, BackendUnavailableError

DRIVER_ERRORS: Final = (driver.RedisError, driver.RedisClusterException)

_MAYBE_DONE: Final = "What was to be written is stored as a whole, or not at all"
_PLAIN_ERROR: Final = "ERR"

_CODE_OF: Final[dict[type[Exception], str]] = {
    driver.OutOfMemoryError: "OOM",
    driver.ReadOnlyError: "READONLY",
    driver.NoPermissionError: "NOPERM",
    driver.MasterDownError: "MASTERDOWN",
    driver.ClusterDownError: "CLUSTERDOWN",
    driver.ClusterCrossSlotError: "CROSSSLOT",
    driver.TryAgainError: "TRYAGAIN",
    driver.AskError: "MOVED",
    driver.ClusterError: "TRYAGAIN",  # what remains once redis-py has retried often enough
}
"""The codes that redis-py turns into classes; all others begin the text."""

_IN_SCRIPTS: Final = {
    "Script attempted to access a non local key": "TRYAGAIN",
    "ACL failure in script": "NOPERM",
    "The user executing the script can't": "NOPERM",  # before Redis 7.2
}
"""How an error begins that loses its code in a script."""

_DENIED: Final = re.compile(r"run the '(\w+)' command")
_DENIED_IN_SCRIPT: Final = re.compile(r"script: (\w+), on @user_script:(\d+)")
_CALL: Final = re.compile(r"redis\.p?call\('(\w+)'")

_UNAVAILABLE: Final = {
    "OOM": "its memory is full, so nothing new can be stored. Raise maxmemory, or free some memory",
    "READONLY": "it is a replica, which does not accept writes. Give the address of the primary",
    "NOPERM": "this user may not do what the store needs. Grant the rights on the store's page",
    "MISCONF": "it refuses writes because it cannot save to its disk. Look into its log",
    "NOREPLICAS": "it refuses writes because it has too few replicas (min-replicas-to-write)",
    "BUSY": "a script of another program keeps it busy. Wait for it, or end it with SCRIPT KILL",
    "MASTERDOWN": "it is a replica that has lost its primary. Give the address of the primary",
    "CLUSTERDOWN": "the cluster is down. Look at CLUSTER INFO",
    "TRYAGAIN": "the cluster is moving the store's keys. Try again in a moment",
}
_UNUSABLE: Final = {
    "WRONGTYPE": "one of its keys holds something else, perhaps another program's. Choose another prefix",
    "MOVED": "it is a node of a cluster. Begin the URL with redis+cluster, or rediss+cluster",
    "DB": "the server has no database of this number. Correct the last part of the URL",
    "CROSSSLOT": "it puts one store's keys in several slots. Choose a prefix without braces",
}


def is_connection_lost(error: Exception) -> bool:
    """Return whether a connection broke, so that another may do better.

    Not a refusal for which redis-py has a subclass: a wrong password, a server that is loading.
    """
    return type(error) is driver.ConnectionError and "max number of clients" not in str(error)


def code_of(error: Exception) -> str | None:
    """Return the code with which a server began its answer (``OOM``, ``WRONGTYPE``), if it is one."""
    for kind, code in _CODE_OF.items():
        if isinstance(error, kind):
            return code
    if not isinstance(error, driver.ResponseError):
        return None
    text = str(error)
    for begin, code in _IN_SCRIPTS.items():
        if text.startswith(begin):
            return code
    first = text.partition(" ")[0]
    return first if first.isascii() and first.isalpha() and first.isupper() else _PLAIN_ERROR


def map_error(location: str, error: Exception, timeout: float) -> BackendError:
    """Return our error for one of redis-py's. The caller raises it `from` what `safe_cause` returns."""
    if isinstance(error, driver.TimeoutError):
        return BackendTimeoutError(
            f"The token store {location} did not answer within {timeout:g} s. {_MAYBE_DONE}; "
            "try again, or check what keeps the server busy."
        )
    code = code_of(error)
    if code is None:
        return BackendUnavailableError(f"The token store {location} cannot be used: {_connection(error)}.")
    if code in _UNAVAILABLE:
        denied = _denied(error) if code == "NOPERM" else ""
        return BackendUnavailableError(
            f"The token store {location} did not work: {_UNAVAILABLE[code]}.{denied}"
        )
    if code in _UNUSABLE:
        return BackendError(f"The token store {location} cannot be used: {_UNUSABLE[code]}.")
    # Its text may quote what was sent, so only the code is shown.
    return BackendError(
        f"The token store {location} refused a command with the error {code}. "
        "Does the server have Lua scripts, and all commands of Redis 6? Its log or MONITOR may tell more."
    )


def unclear_outcome(location: str) -> BackendUnavailableError:
    """Return the error for a change whose answer was lost, and that now looks like somebody else's."""
    return BackendUnavailableError(
        f"The connection to the token store {location} broke during a change, and by now the row or lease "
        f"is different. {_MAYBE_DONE}, and may have been replaced since; read it to know."
    )


def safe_cause(error: Exception) -> Exception | None:
    """Return the error to chain: not one whose text may quote what was sent."""
    known = (None, *_UNAVAILABLE, *_UNUSABLE)
    if isinstance(error, driver.RedisClusterException) or code_of(error) not in known:
        return None
    return error


def _denied(error: Exception) -> str:
    """Return which command a user may not use, or not with the store's keys."""
    direct = _DENIED.search(str(error))
    if direct:
        return f" It was {direct[1].upper()} that was refused."
    at = _DENIED_IN_SCRIPT.search(str(error))
    line = lua.line_of(at[1], int(at[2])) if at else ""
    found = _CALL.search(line)
    return f" It was {found[1]} that was refused." if found else ""


def _connection(error: Exception) -> str:
    """Return what keeps us from the server."""
    text = str(error)
    if isinstance(error, driver.BusyLoadingError):
        return "the server has started, and is still loading its data. Try again in a moment"
    if isinstance(error, (driver.AuthenticationError, driver.AuthorizationError)):
        return "the server refuses the login. Correct the user name and the password in the URL"
    if isinstance(error, MasterNotFoundError):
        return "no Sentinel knows its primary. Check the name of the service, and that the Sentinels run"
    if "Too many connections" in text or "No connection available" in text:
        return "all connections of the client's pool are in use. Give it more (max_connections)"
    if "max number of clients" in text:
        return "the server has as many clients as it allows (maxclients)"
    if "CERTIFICATE_VERIFY_FAILED" in text or "SSL" in text:
        return "TLS failed. Check the certificates and the ssl_ options of the URL"
    if isinstance(error, driver.RedisClusterException):
        return f"the cluster cannot be reached as a whole. Check its nodes, and CLUSTER INFO. {_MAYBE_DONE}"
    return f"there is no connection, or it broke. Check the address and the network. {_MAYBE_DONE}; try again"
