"""Faults on demand: what goes wrong, where, and how often."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from zoho_tokenstore.emulator._clock import MAX_SECONDS
from zoho_tokenstore.emulator._randomness import label

ENDPOINTS: Mapping[str, tuple[str, ...]] = {
    "auth": ("accounts",),
    "token:authorization_code": ("token", "accounts"),
    "token:refresh_token": ("token", "accounts"),
    "token:client_credentials": ("token", "accounts"),
    "token:device_token": ("token", "accounts"),
    "token:other": ("token", "accounts"),
    "device:code": ("device", "accounts"),
    "device:page": ("device", "accounts"),
    "revoke": ("accounts",),
    "serverinfo": ("accounts",),
    "users": ("crm", "api"),
    "org": ("crm", "api"),
    "modules": ("crm", "api"),
    "fields": ("crm", "api"),
    "records": ("crm", "api"),
    "record": ("crm", "api"),
    "create": ("crm", "api"),
    "update": ("crm", "api"),
    "crm:other": ("crm", "api"),
    "books:organizations": ("books", "api"),
    "books:other": ("books", "api"),
    "desk:tickets": ("desk", "api"),
    "desk:other": ("desk", "api"),
    "office:plan": ("office", "api"),
}
"""Endpoint kind → the wider kinds it belongs to; each also belongs to `*`."""

GROUPS = frozenset(group for groups in ENDPOINTS.values() for group in groups) | {"*"}


def _number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= MAX_SECONDS


def _amount(value: object) -> bool:
    return isinstance(value, int | float) and _number(value) and value >= 0


def _status(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 200 <= value <= 599


def _text(value: object) -> bool:
    return isinstance(value, str) and "\n" not in value and "\r" not in value


def _flag(value: object) -> bool:
    return isinstance(value, bool)


def _header(value: object) -> bool:
    return value is None or (isinstance(value, str) and value.isascii() and value.isprintable())


def _any_text(value: object) -> bool:
    return isinstance(value, str)


_CHECKS: Mapping[str, Callable[[object], bool]] = {
    "slow.seconds": _amount,
    "slow.after": _flag,
    "hang.after": _flag,
    "drip.head": _flag,
    "drip.pause": _amount,
    "endless.head": _flag,
    "endless.after": _flag,
    "revoke.after": _flag,
    "date.value": _header,
    "status.status": _status,
    "html.status": _status,
    "error.error": _text,
    "error.status": _status,
    "body.body": _any_text,
    "body.status": _status,
    "body.content_type": _text,
    "skew.seconds": _number,
}

KINDS: Mapping[str, Mapping[str, object]] = {
    "slow": {"seconds": 1.0, "after": False},
    "hang": {"after": False},
    "drip": {"head": False, "pause": 0.1},
    "endless": {"head": False, "after": False},
    "revoke": {"after": False},
    "refuse": {},
    "drop": {},
    "status": {"status": 503},
    "html": {"status": 200},
    "error": {"error": "Access Denied", "status": None},
    "body": {"body": "", "status": 200, "content_type": "application/json;charset=UTF-8"},
    "skew": {"seconds": 0.0},
    "date": {"value": None},
}
"""Fault kind → its arguments with their defaults."""

_GO_ON = frozenset({"slow", "skew", "date", "revoke"})
_CARRIED_OUT = frozenset({"drop", "drip"})
_LABEL = re.compile(r"[0-9a-f]{12}")


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault at an endpoint kind; `args` as in the reference, defaults filled in.

    `token` is the label of the only access or refresh token it is for; empty for all requests.
    """

    endpoint: str
    kind: str
    args: Mapping[str, object]
    token: str = ""

    @property
    def after(self) -> bool:
        """Whether the request is carried out first."""
        return self.kind in _CARRIED_OUT or bool(self.args.get("after"))

    @property
    def ends(self) -> bool:
        """Whether no answer, or no genuine one, is given."""
        return self.kind not in _GO_ON

    def seconds(self) -> float:
        """Return the argument `seconds`."""
        return float(str(self.args["seconds"]))

    def status(self, default: int) -> int:
        """Return the argument `status`, or `default` if none was given."""
        given = self.args.get("status")
        return default if given is None else int(str(given))


@dataclass(slots=True)
class _Standing:
    fault: Fault
    left: int | None


class Faults:
    """The active faults, oldest first."""

    def __init__(self) -> None:
        self._standing: list[_Standing] = []

    def add(self, endpoint: str, kind: str, times: int | None, args: Mapping[str, object]) -> Fault:
        """Set a fault for the next `times` requests, or until it is cleared.

        Args:
            endpoint: a kind of endpoint, a group of them, or `*`.
            kind: one of `KINDS`.
            times: for how many requests; `None` until cleared.
            args: the kind's arguments. With `token`, an access or refresh token or its label, the fault is
                for requests with that token only.

        Raises:
            ValueError: no such endpoint, kind or argument, or an invalid value.
        """
        _check_endpoint(endpoint)
        if kind == "revoke" and "token" not in (endpoint, *ENDPOINTS.get(endpoint, ())):
            raise ValueError("The fault revoke is for token requests: token, or one of token:….")
        if times is not None and (isinstance(times, bool) or times < 1):
            raise ValueError("times must be 1 or more, or None for until cleared.")
        own = {name: value for name, value in args.items() if name != "token"}
        fault = Fault(endpoint, kind, _check_args(kind, own), _label(args.get("token")))
        self._standing.append(_Standing(fault, times))
        return fault

    def clear(self, endpoint: str | None = None) -> None:
        """Remove all faults, or those set for one endpoint."""
        self._standing = [one for one in self._standing if endpoint not in (None, one.fault.endpoint)]

    def take(self, endpoint: str, *tokens: str) -> list[Fault]:
        """Return the faults for a request to `endpoint`, up to the first that ends it, and count them.

        Args:
            endpoint: its kind.
            tokens: the labels of the tokens that the request carries.
        """
        reach, carried = {endpoint, *ENDPOINTS.get(endpoint, ()), "*"}, {"", *tokens}
        taken: list[Fault] = []
        for standing in list(self._standing):
            if standing.fault.endpoint not in reach or standing.fault.token not in carried:
                continue
            taken.append(standing.fault)
            self._use(standing)
            if standing.fault.ends:
                break
        return taken

    def describe(self) -> list[dict[str, object]]:
        """Return the active faults for JSON."""
        return [_describe(one) for one in self._standing]

    def _use(self, standing: _Standing) -> None:
        if standing.left is None:
            return
        standing.left -= 1
        if standing.left == 0:
            self._standing.remove(standing)


def _describe(standing: _Standing) -> dict[str, object]:
    fault = standing.fault
    told = {"endpoint": fault.endpoint, "kind": fault.kind, "times": standing.left, **fault.args}
    return {**told, "token": fault.token} if fault.token else told


def _label(token: object) -> str:
    if token is None:
        return ""
    if not isinstance(token, str) or not token:
        raise ValueError("token must be an access or refresh token, or its label.")
    return token if _LABEL.fullmatch(token) else label(token)


def _check_endpoint(endpoint: str) -> None:
    if endpoint not in ENDPOINTS and endpoint not in GROUPS:
        raise ValueError(f"No endpoint {endpoint!r}. Known: {_listed(ENDPOINTS)}; groups: {_listed(GROUPS)}.")


def _check_args(kind: str, args: Mapping[str, object]) -> dict[str, object]:
    if kind not in KINDS:
        raise ValueError(f"No fault {kind!r}. Known: {_listed(KINDS)}.")
    for name, value in args.items():
        if name not in KINDS[kind]:
            raise ValueError(
                f"The fault {kind} takes no {name!r}, only: {_listed(KINDS[kind]) or 'nothing'}."
            )
        if not _CHECKS[f"{kind}.{name}"](value):
            raise ValueError(f"The fault {kind} cannot use this {name}.")
    return {**KINDS[kind], **args}


def _listed(names: Iterable[str]) -> str:
    return ", ".join(sorted(names))
