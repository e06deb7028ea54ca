"""A token store of another language, as one with the six methods of Zoho's SDK for Python."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

from zoho_tokenstore.errors import ConfigurationError, TokenStoreError
from zoho_tokenstore.testing._driver import borrow, give_back
from zoho_tokenstore.testing._tokens import FIELDS, Fields, SDKException, UserSignature, fields_of, make_token

PROTOCOL: Final = 1
"""The version of docs/reference/driver-protocol.md."""

_OPEN_S: Final = 30.0
_SDK_EXCEPTION: Final = 1
"""The code of an error that is an exception of Zoho's SDK."""

_INSIDE: Final = "it's about objects inside one process, and a driver passes copies"
_PYTHON: Final = "it's about Python alone"
_KILLED: Final = "the process that is killed isn't the driver"
_SERIAL: Final = "the driver answers one request at a time"

_NOT_BY_WIRE: Final = {
    "by-id-gives-fresh-tokens": _INSIDE,
    "get-tokens-gives-fresh-tokens": _INSIDE,
    "save-keeps-a-copy": _INSIDE,
    "logs-show-no-secret": _PYTHON,
    "reprs-show-no-secret": _PYTHON,
    "save-reads-field-by-field": _PYTHON,
}
_END_TO_END: Final = "sdk-"
_KILLS: Final = "killed-"
_THREADS: Final = "threads-"
"""What the names of these clauses begin with."""


class RemoteStoreError(TokenStoreError):
    """The store raised an exception that isn't one of Zoho's SDK."""


class About(NamedTuple):
    """What a driver says of its store.

    Arguments:
        name: the store's.
        version: the SDK's, or the store's.
        sdk: the package it comes from or is made for.
        concurrent: whether the driver works on several requests at once.
    """

    name: str
    version: str
    sdk: str
    concurrent: bool

    def __str__(self) -> str:
        return f"{self.name} of {self.sdk} {self.version}"


class RemoteStore:
    """A token store behind a driver: docs/reference/driver-protocol.md.

    The driver is kept running after `close`, for the next store with the same command; several open stores
    have a process each.

    Arguments:
        command: the driver and its arguments.
        folder: where the store keeps its tokens.
        timeout: how many seconds a request may take.

    Raises:
        ConfigurationError: the driver can't be started, or speaks another version of the protocol.
        DriverError: it doesn't answer.
    """

    def __init__(self, command: Sequence[str], folder: Path, *, timeout: float = 10.0) -> None:
        self._timeout = timeout
        self._driver = borrow(tuple(command))
        try:
            self.about = self._open(folder)
        except Exception:
            give_back(self._driver)
            raise

    def why_left_out(self, clause: str) -> str | None:
        """Return why a clause of the contract can't be asked of this store, by its name; `None` if it can."""
        if clause.startswith(_END_TO_END):
            return _PYTHON
        if clause.startswith(_KILLS):
            return _KILLED
        if clause.startswith(_THREADS) and not self.about.concurrent:
            return _SERIAL
        return _NOT_BY_WIRE.get(clause)

    def find_token(self, token: Any) -> Any | None:
        """Return the passed token, filled in, or `None`; the token is filled in here as it was there.

        A token that came back as it was passed is a miss: Zoho's SDKs for Node and PHP continue with it as
        with `None`.
        """
        before = _known(fields_of(token))
        result = self._ask("find_token", {"token": before}, dict)
        after = self._fields(result.get("passed"))
        _fill(token, after)
        if result.get("returned") is None:
            return None
        if result.get("same") is not True:
            return make_token(**_known(self._fields(result["returned"])))
        return None if _known(after) == {name: value for name, value in before.items() if value} else token

    def find_token_by_id(self, id: str | None) -> Any | None:  # noqa: A002  # as in the SDK
        """Return the token with this id, or `None`."""
        result = self._ask("find_token_by_id", {"id": id}, dict | None)
        return None if result is None else make_token(**_known(self._fields(result)))

    def save_token(self, token: Any) -> None:
        """Save a token, which then has the id that it has there."""
        result = self._ask("save_token", {"token": _known(fields_of(token))}, dict)
        _fill(token, self._fields(result.get("passed")))

    def delete_token(self, id: str | None) -> None:  # noqa: A002  # as in the SDK
        """Delete the token with this id."""
        self._ask("delete_token", {"id": id}, None)

    def get_tokens(self) -> list[Any] | None:
        """Return all tokens, or what the store returns instead of them."""
        result = self._ask("get_tokens", {}, list | None)
        return None if result is None else [make_token(**_known(self._fields(each))) for each in result]

    def delete_tokens(self) -> None:
        """Delete all tokens."""
        self._ask("delete_tokens", {}, None)

    def close(self) -> None:
        """Leave the driver to the next store."""
        give_back(self._driver)

    def _open(self, folder: Path) -> About:
        params = {"protocol": PROTOCOL, "folder": str(folder)}
        result = self._result("open", params, _OPEN_S)
        if not isinstance(result, dict) or result.get("protocol") != PROTOCOL:
            raise ConfigurationError(
                f"The driver {' '.join(self._driver.command)} doesn't speak version {PROTOCOL} of the "
                f"protocol: it answered open with {result!r:.300}."
            )
        name, version, sdk = (str(result.get(member, "?")) for member in ("name", "version", "sdk"))
        return About(name, version, sdk, concurrent=result.get("concurrent") is True)

    def _ask(self, method: str, params: Mapping[str, Any], kind: Any) -> Any:
        result = self._result(method, params, self._timeout)
        if kind is not None and not isinstance(result, kind):
            raise self._driver.fail(f"answered {method} with a result of the wrong type: {result!r:.80}")
        return result

    def _result(self, method: str, params: Mapping[str, Any], timeout: float) -> Any:
        answer = self._driver.ask(method, params, timeout)
        if "error" not in answer:
            return answer["result"]
        error = answer["error"] if isinstance(answer["error"], dict) else {}
        if error.get("code") == _SDK_EXCEPTION:
            raise SDKException("TOKEN STORE", error.get("message"))
        raise RemoteStoreError(error.get("message", ""))

    def _fields(self, value: Any) -> Fields:
        """Return the ten fields of a token in an answer. An empty string there is a missing field."""
        if not isinstance(value, dict) or not {*value} <= {*FIELDS} or not _are_texts(value.values()):
            raise self._driver.fail(
                f"sent what is no token: {value!r:.80}. A token is an object of strings, with some of "
                + ", ".join(FIELDS)
            )
        return {name: value.get(name) or None for name in FIELDS}


def _known(fields: Fields) -> Fields:
    return {name: value for name, value in fields.items() if value is not None}


def _are_texts(values: Iterable[Any]) -> bool:
    return all(value is None or isinstance(value, str) for value in values)


def _fill(token: Any, fields: Fields) -> None:
    """Set the fields of a token that differ."""
    for name, value in fields_of(token).items():
        if fields[name] == (value or None):
            continue
        if name == "user_name":
            token.set_user_signature(None if fields[name] is None else UserSignature(fields[name]))
        else:
            getattr(token, f"set_{name}")(fields[name])
