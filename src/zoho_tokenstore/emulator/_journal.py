"""What happened: an ordered, bounded journal, and counters that are never cut."""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass, field

TOKEN_GRANTS = {
    "token:authorization_code": "exchanges",
    "token:refresh_token": "refreshes",
    "token:client_credentials": "client_credentials",
    "token:device_token": "device_logins",
}


@dataclass(frozen=True, slots=True)
class JournalEntry:
    """One request.

    Args:
        number: counts requests from 1.
        at: the server's time in seconds since 1970.
        endpoint: its kind, such as `token:refresh_token` or `users`.
        outcome: `ok`, the error's name, or `fault:` and the fault's kind.
        status: the HTTP status, 0 if the connection was closed without an answer.
        minted: whether an access token was made, even if the answer never arrived.
        client: the client's id, if known.
        user: the user's e-mail, if known.
        refresh_token: the label of the refresh token used or made.
        access_token: the label of the access token used or made.
        user_agent: the `User-Agent` header, up to 200 characters.
    """

    number: int
    at: float
    endpoint: str
    outcome: str
    status: int
    minted: bool = False
    client: str = ""
    user: str = ""
    refresh_token: str = ""
    access_token: str = ""
    user_agent: str = ""


@dataclass(frozen=True, slots=True)
class Counters:
    """A snapshot of what has been counted since the start or the last reset.

    Args:
        requests: endpoint kind → outcome → number of requests.
        exchanges: access tokens made from grant codes.
        refreshes: access tokens made from refresh tokens.
        client_credentials: access tokens made for a client itself.
        device_logins: access tokens made from device codes.
        revocations: tokens revoked.
        denied: requests refused by a limit (`Access Denied`, `access_denied` for codes).
        refreshes_by_token: label of a refresh token → `refreshes` of that one.
        minted: all access tokens made.
        live_access_tokens: access tokens that would be accepted now.
        live_refresh_tokens: refresh tokens that would be accepted now.
        evicted_access_tokens: access tokens killed by the limit on live ones.
        evicted_refresh_tokens: refresh tokens killed by the limit on them.
        agents: endpoint kind → program, the first word of the `User-Agent` without its version → number of
            requests.
    """

    requests: dict[str, dict[str, int]] = field(default_factory=dict)
    exchanges: int = 0
    refreshes: int = 0
    client_credentials: int = 0
    device_logins: int = 0
    revocations: int = 0
    denied: int = 0
    refreshes_by_token: dict[str, int] = field(default_factory=dict)
    minted: int = 0
    live_access_tokens: int = 0
    live_refresh_tokens: int = 0
    evicted_access_tokens: int = 0
    evicted_refresh_tokens: int = 0
    agents: dict[str, dict[str, int]] = field(default_factory=dict)

    def count(self, endpoint: str, outcome: str | None = None) -> int:
        """Return the number of requests to `endpoint`, all of them or those with one outcome.

        Args:
            endpoint: a kind, or a family such as `token`, which counts `token:…` too.
            outcome: `ok`, an error's name or `fault:<kind>`.
        """
        return sum(
            number
            for kind, outcomes in self.requests.items()
            if _belongs(kind, endpoint)
            for name, number in outcomes.items()
            if outcome in (None, name)
        )

    def by_agent(self, endpoint: str) -> dict[str, int]:
        """Return program → number of requests to `endpoint`, answered or not.

        Zoho's SDK sends `python-requests`, and `Mozilla` when it exchanges a code.

        Args:
            endpoint: a kind, or a family such as `token`, which counts `token:…` too.
        """
        total: Counter[str] = Counter()
        for kind, programs in self.agents.items():
            if _belongs(kind, endpoint):
                total.update(programs)
        return dict(total)


@dataclass(slots=True)
class Trace:
    """What is learned about a request while answering it."""

    client: str = ""
    user: str = ""
    refresh_token: str = ""
    access_token: str = ""
    user_agent: str = ""
    minted: bool = False
    revoked: bool = False
    denied: bool = False


class Journal:
    """Writes entries and keeps the counts."""

    def __init__(self, size: int) -> None:
        self._entries: deque[JournalEntry] = deque(maxlen=size)
        self._number = 0
        self.requests: Counter[tuple[str, str]] = Counter()
        self.agents: Counter[tuple[str, str]] = Counter()
        self.totals: Counter[str] = Counter()  # under the names of `Counters`
        self.refreshes_by_token: Counter[str] = Counter()

    def write(self, endpoint: str, outcome: str, status: int, at: float, trace: Trace) -> None:
        """Note a request that has been answered, or left without an answer."""
        self._number += 1
        self.requests[endpoint, outcome] += 1
        self.agents[endpoint, _program(trace.user_agent)] += 1
        self._count(endpoint, trace)
        self._entries.append(
            JournalEntry(
                self._number,
                at,
                endpoint,
                outcome,
                status,
                trace.minted,
                trace.client,
                trace.user,
                trace.refresh_token,
                trace.access_token,
                trace.user_agent,
            )
        )

    def entries(self, endpoint: str | None = None, after: int = 0) -> list[JournalEntry]:
        """Return the entries with a number above `after`, of one endpoint kind or all."""
        return [
            entry
            for entry in self._entries
            if entry.number > after and (endpoint is None or entry.endpoint == endpoint)
        ]

    def _count(self, endpoint: str, trace: Trace) -> None:
        self.totals["revocations"] += trace.revoked
        self.totals["denied"] += trace.denied
        if not trace.minted:
            return
        self.totals[TOKEN_GRANTS[endpoint]] += 1
        if endpoint == "token:refresh_token":
            self.refreshes_by_token[trace.refresh_token] += 1


def by_endpoint(counts: Counter[tuple[str, str]]) -> dict[str, dict[str, int]]:
    """Return endpoint kind → name → number."""
    table: dict[str, dict[str, int]] = {}
    for (endpoint, name), number in sorted(counts.items()):
        table.setdefault(endpoint, {})[name] = number
    return table


def _belongs(kind: str, endpoint: str) -> bool:
    return kind == endpoint or kind.startswith(f"{endpoint}:")


def _program(user_agent: str) -> str:
    return user_agent.partition(" ")[0].partition("/")[0]
