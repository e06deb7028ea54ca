"""Faults on demand: what goes wrong, where, and how often."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from zoho_tokenstore.emulator.clock import MAX_SECONDS

ENDPOINTS: Mapping[str, tuple[str, ...]] = {
    "auth": ("accounts",),
    "token:authorization_code": ("token", "accounts"),
    "token:refresh_token": ("token", "accounts"),
    "token:client_credentials": ("token", "accounts"),
    "token:other": ("token", "accounts"),
    "revoke": ("accounts",),
    "serverinfo": ("accounts",),
    "users": ("crm",),
    "org": ("crm",),
    "modules": ("crm",),
    "fields": ("crm",),
    "records": ("crm",),
    "record": ("crm",),
    "create": ("crm",),
    "crm:other": ("crm",),
}
"""Endpoint kind → the wider kinds it belongs to; every one belongs to `*` as well."""

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


def _any_text(value: object) -> bool:
    return isinstance(value, str)


_CHECKS: Mapping[str, Callable[[object], bool]] = {
    "slow.seconds": _amount,
    "slow.after": _flag,
    "hang.after": _flag,
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
    "refuse": {},
    "drop": {},
    "status": {"status": 503},
    "html": {"status": 200},
    "error": {"error": "Access Denied", "status": None},
    "body": {"body": "", "status": 200, "content_type": "application/json;charset=UTF-8"},
    "skew": {"seconds": 0.0},
}
"""Fault kind → its arguments with their defaults."""

_GO_ON = frozenset({"slow", "skew"})


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault at an endpoint kind; `args` as in the reference, defaults filled in."""

    endpoint: str
    kind: str
    args: Mapping[str, object]

    @property
    def after(self) -> bool:
        """Whether the request is carried out first."""
        return self.kind == "drop" or bool(self.args.get("after"))

    @property
    def ends(self) -> bool:
        """Whether no answer, or no genuine one, is given."""
        return self.kind not in _GO_ON

    def seconds(self) -> float:
        """Return the argument `seconds`."""
        return float(str(self.args["seconds"]))

    def status(self, default: int) -> int:
        """Return the argument `status`, or `default` where none was given."""
        given = self.args.get("status")
        return default if given is None else int(str(given))


@dataclass(slots=True)
class _Standing:
    fault: Fault
    left: int | None


class Faults:
    """The faults that stand, oldest first."""

    def __init__(self) -> None:
        self._standing: list[_Standing] = []

    def add(self, endpoint: str, kind: str, times: int | None, args: Mapping[str, object]) -> Fault:
        """Set a fault for the next `times` requests, or until it is cleared.

        Raises:
            ValueError: no such endpoint, kind or argument, or a value that makes no sense.
        """
        _check_endpoint(endpoint)
        if times is not None and (isinstance(times, bool) or times < 1):
            raise ValueError("times must be 1 or more, or None for until cleared.")
        fault = Fault(endpoint, kind, _check_args(kind, args))
        self._standing.append(_Standing(fault, times))
        return fault

    def clear(self, endpoint: str | None = None) -> None:
        """Remove all faults, or those set for one endpoint."""
        self._standing = [one for one in self._standing if endpoint not in (None, one.fault.endpoint)]

    def take(self, endpoint: str) -> list[Fault]:
        """Return the faults for a request to `endpoint`, up to the first that ends it, and count them."""
        reach = {endpoint, *ENDPOINTS.get(endpoint, ()), "*"}
        taken: list[Fault] = []
        for standing in [one for one in self._standing if one.fault.endpoint in reach]:
            taken.append(standing.fault)
            self._use(standing)
            if standing.fault.ends:
                break
        return taken

    def describe(self) -> list[dict[str, object]]:
        """Return the standing faults for JSON."""
        return [_describe(one) for one in self._standing]

    def _use(self, standing: _Standing) -> None:
        if standing.left is None:
            return
        standing.left -= 1
        if standing.left == 0:
            self._standing.remove(standing)


def _describe(standing: _Standing) -> dict[str, object]:
    fault = standing.fault
    return {"endpoint": fault.endpoint, "kind": fault.kind, "times": standing.left, **fault.args}


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
