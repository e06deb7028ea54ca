"""One bounded HTTP exchange: the caller gets an answer or an error in time, whatever the network does.

An HTTP client's time limit applies to each read, and a server that sends a byte now and then evades it
forever; a look-up of a name has none at all. So the request is made in its own thread, and waited for
until the time is up. Then its connection is cut, which also ends the thread.
"""

from __future__ import annotations

import ssl
import time
from collections.abc import Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from datetime import UTC, timedelta
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Final, Self
from urllib.parse import urlsplit

from zoho_tokenstore._util.clock import Clock, now_ms
from zoho_tokenstore._util.deadlines import in_thread
from zoho_tokenstore.errors import AccountsUnavailableError

if TYPE_CHECKING:
    from zoho_tokenstore.renewal._connections import Line, Received, Request

MOST_BYTES: Final = 1 << 20
"""How long an answer may be. Zoho's have a few hundred bytes."""

_LONGEST_RETRY_AFTER: Final = 86_400


@dataclass(frozen=True, slots=True)
class HTTPAnswer:
    """What a server answered.

    Arguments:
        status: the HTTP status.
        body: the body as it was sent; `is_whole` is false if it was longer than `MOST_BYTES`.
        content_type: the `Content-Type`, or nothing.
        date_ms: the server's clock by its `Date`, in milliseconds since the epoch, or `None`.
        sent_ms: this host's clock when the request was sent, in milliseconds since the epoch.
        retry_after: the seconds of `Retry-After`, or `None`.
        is_whole: whether the body is all of it.
    """

    status: int
    body: bytes = field(repr=False)
    content_type: str = ""
    date_ms: int | None = None
    sent_ms: int = 0
    retry_after: float | None = None
    is_whole: bool = True


@dataclass(frozen=True, slots=True)
class Transport:
    """Makes single requests, each on its own connection.

    `timeout` is the limit for one exchange, in all, `connect` that for a connection to one address.
    """

    timeout: timedelta = timedelta(seconds=10)
    connect: timedelta = timedelta(seconds=3)
    clock: Clock = field(default=now_ms, repr=False)

    def within(self, limit: timedelta) -> Self:
        """Return a transport that also takes no longer than `limit`."""
        return replace(self, timeout=min(self.timeout, limit))

    def post(self, url: str, form: Mapping[str, str]) -> HTTPAnswer:
        """Send a form, once.

        The `kind` of the `AccountsUnavailableError` is `transient` if the request certainly was not sent, and
        `uncertain` if it may have been.
        """
        return self._exchange("POST", url, {}, form)

    def get(self, url: str, headers: Mapping[str, str]) -> HTTPAnswer:
        """Read, once."""
        return self._exchange("GET", url, headers, None)

    def _exchange(
        self, method: str, url: str, headers: Mapping[str, str], form: Mapping[str, str] | None
    ) -> HTTPAnswer:
        from zoho_tokenstore.renewal._connections import FAILURES, Line, Request

        ends = time.monotonic() + self.timeout.total_seconds()
        limit = max(self.timeout.total_seconds(), 0.001)
        connect = min(self.connect.total_seconds(), limit)
        line = Line(self.clock)
        request = Request(method, url, headers, form, connect, limit)
        reason: OSError | None = None
        try:
            if self.timeout <= timedelta(0):
                raise TimeoutError("No time is left for a request.")
            received = _started(request, line).result(max(0.0, ends - time.monotonic()))
            return _answer(received, line.sent_ms or self.clock())
        except FAILURES as error:  # no answer in time is a TimeoutError, hence an OSError
            reason = _clean(error)
        finally:
            is_sent = line.cut()
        is_late = time.monotonic() >= ends
        raise _no_answer(urlsplit(url).hostname, reason, is_sent=is_sent, is_late=is_late) from reason


def _started(request: Request, line: Line) -> Future[Received]:
    """Make a request in its own thread, which nobody has to wait for."""
    from zoho_tokenstore.renewal._connections import exchange

    try:
        return in_thread(lambda: exchange(request, line, MOST_BYTES + 1), "zoho-request")
    except RuntimeError as error:  # too many threads, or the interpreter is ending
        raise OSError("No thread can be started.") from error


def _answer(received: Received, sent_ms: int) -> HTTPAnswer:
    headers = received.headers
    return HTTPAnswer(
        status=received.status,
        body=received.body[:MOST_BYTES],
        content_type=headers.get("Content-Type", ""),
        date_ms=_date_ms(headers.get("Date", "")),
        sent_ms=sent_ms,
        retry_after=_seconds(headers.get("Retry-After", "")),
        is_whole=len(received.body) <= MOST_BYTES,
    )


def _date_ms(text: str) -> int | None:
    """Return the time of a `Date` header, or `None` if it is not one."""
    try:
        date = parsedate_to_datetime(text)
        return int(date.replace(tzinfo=date.tzinfo or UTC).timestamp() * 1000)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None


def _seconds(text: str) -> float | None:
    is_number = text.isascii() and text.isdigit() and len(text) < 10
    return float(min(int(text), _LONGEST_RETRY_AFTER)) if is_number else None


def _clean(error: BaseException) -> OSError | None:
    """Return the system's own error behind one of the client's, by number and reason only.

    The client's errors carry the request, and with it the form; and their texts say more than
    the system did.
    """
    seen: set[int] = set()
    found: OSError | None = None
    while id(error) not in seen:
        seen.add(id(error))
        if isinstance(error, OSError) and error.errno is not None:
            found = error
        inner = [error.__cause__, error.__context__, getattr(error, "reason", None), *error.args]
        error = next((each for each in inner if isinstance(each, BaseException)), error)
    if found is None:
        return None
    kind = type(found) if isinstance(found, ssl.SSLError) else OSError  # OSError picks the class by number
    return kind(found.errno, found.strerror)


def _no_answer(
    server: str | None, reason: OSError | None, *, is_sent: bool, is_late: bool
) -> AccountsUnavailableError:
    says = f" ({reason.strerror})" if reason is not None else ""
    if is_sent:
        failed = "did not answer in time" if is_late else f"broke off its answer{says}"
        return AccountsUnavailableError(
            f"{server} {failed}. The request's outcome is unknown.", kind="uncertain"
        )
    return AccountsUnavailableError(
        f"{server} cannot be reached{' in time' if is_late else says}, and nothing was sent. Check the "
        "network, and the proxy settings and the CA bundle of the environment."
    )
