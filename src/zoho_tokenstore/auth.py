"""Any of Zoho's APIs with httpx2, httpx or requests: `auth=ZohoAuth(tokens, token_id)`."""

from __future__ import annotations

import contextlib
import time
from collections.abc import AsyncGenerator, Collection, Generator
from functools import partial
from importlib import import_module
from ipaddress import ip_address
from typing import Any, Final, NoReturn, Self, TypeVar
from urllib.parse import SplitResult, urlsplit

from zoho_tokenstore.errors import ConfigurationError
from zoho_tokenstore.records import TokenRecord
from zoho_tokenstore.renewal import _datacenters as datacenters
from zoho_tokenstore.renewal._addresses import origin_of
from zoho_tokenstore.tokens import AsyncTokens, Tokens

__all__ = ["ZohoAuth"]

_SCHEME: Final = "Zoho-oauthtoken "
_UNAUTHORIZED: Final = 401
_LACKS_SCOPE: Final = b"SCOPE_MISMATCH"
"""In the code of an answer that a new token would not change: CRM's `OAUTH_SCOPE_MISMATCH`, Desk's, …"""

_NO_RENEWAL_AFTER_REFUSAL_S: Final = 600.0
"""How many seconds an API that refused even a new token, or a request that cannot be sent again, causes no
renewal: in that time Zoho makes at most ten new tokens, and the login's other users need some."""

_MAX_NOTES: Final = 1000

T = TypeVar("T")
R = TypeVar("R")


class ZohoAuth:
    """Calls a Zoho API as a stored login: the `auth=` of httpx2, httpx (both also async) and requests.

    Each request gets a good access token. One that Zoho still refuses (401), because it was
    evicted or revoked, is renewed, once for all users of the store, and the request is sent once more, if its
    body can be read again: bytes, forms, JSON, and files that can be rewound. A second 401 is the caller's,
    as is one that says the token lacks a scope.

    The token goes only where it belongs: by https to the servers of its data centre, such as
    ``www.zohoapis.eu`` and ``desk.zoho.eu``, to its API domain, to this host, and to `hosts`. A redirect to
    another host is followed without it.

    Besides the client's own errors, a request raises what `Tokens.get` does.

    Arguments:
        tokens: where the login is. Neither kind ever blocks an event loop.
        token_id: the login.
        hosts: more hosts that may receive it by https, such as ``sdpondemand.manageengine.eu``.

    Raises:
        ConfigurationError: an argument cannot be used; or a request's URL leads elsewhere.
    """

    def __new__(cls, *_args: object, **_kwargs: object) -> Self:
        return object.__new__(_known_to_clients(cls))

    def __init__(self, tokens: Tokens | AsyncTokens, token_id: str, *, hosts: Collection[str] = ()) -> None:
        if not isinstance(tokens, Tokens | AsyncTokens):
            raise ConfigurationError(f"ZohoAuth: tokens must be Tokens, not {type(tokens).__name__}.")
        if isinstance(hosts, str) or not isinstance(hosts, Collection) or not all(map(_is_host, hosts)):
            raise ConfigurationError("ZohoAuth: hosts must be a list of names such as 'desk.example.com'.")
        self._tokens = tokens if isinstance(tokens, Tokens) else tokens._tokens
        self._async_tokens = tokens if isinstance(tokens, AsyncTokens) else AsyncTokens(tokens)
        self._token_id = token_id
        self._hosts = {host.lower() for host in hosts}

    def __reduce__(self) -> NoReturn:
        self._tokens.__reduce__()

    def __repr__(self) -> str:
        return f"ZohoAuth({self._tokens!r}, {self._token_id!r})"

    # Requests and answers are `Any`: each client has its own classes, and none is imported.

    def sync_auth_flow(self, request: Any) -> Generator[Any, Any, None]:
        """For `Client` of httpx2 and httpx."""
        sent = self._authorize(request, self._tokens.get(self._token_id))
        response = yield request
        if not self._is_refused(request, response, sent) or _LACKS_SCOPE in response.read():
            return
        self._tokens.invalidate(self._token_id, sent)
        if _can_be_read_again(request):
            self._authorize(request, self._tokens.get(self._token_id))
            response = yield request
        self._note(response, sent)

    async def async_auth_flow(self, request: Any) -> AsyncGenerator[Any, Any]:
        """For `AsyncClient` of httpx2 and httpx."""
        sent = self._authorize(request, await self._async_tokens.get(self._token_id))
        response = yield request
        if not self._is_refused(request, response, sent) or _LACKS_SCOPE in await response.aread():
            return
        await self._async_tokens.invalidate(self._token_id, sent)
        if _can_be_read_again(request):
            self._authorize(request, await self._async_tokens.get(self._token_id))
            response = yield request
        self._note(response, sent)

    def __call__(self, request: R) -> R:
        """For requests."""
        prepared: Any = request
        self._authorize(prepared, self._tokens.get(self._token_id))
        prepared.register_hook("response", partial(self._answered, _position(prepared.body)))
        return request

    def _answered(self, start: int | None, response: Any, **options: Any) -> Any:
        """Return the answer to a request of requests, or to its repetition."""
        request = response.request
        scheme, _, sent = request.headers.get("Authorization", "").partition(" ")
        is_ours = f"{scheme} " == _SCHEME  # a redirect to another host goes without it
        if not is_ours or not self._is_refused(request, response, sent) or _LACKS_SCOPE in response.content:
            return response
        self._tokens.invalidate(self._token_id, sent)
        if not _is_rewound(request.body, start):
            self._note(response, sent)
            return response
        self._authorize(request, self._tokens.get(self._token_id))
        response.close()
        again = response.connection.send(request, **options)
        again.history = [*response.history, response]
        self._note(again, sent)
        return again

    def _authorize(self, request: Any, record: TokenRecord) -> str:
        """Put a token into a request, and return it."""
        url = urlsplit(str(request.url))
        if not self._belongs(url, record):
            raise ConfigurationError(
                f"The token with the id {self._token_id!r} is for Zoho's {record.api_domain or 'servers'}, "
                f"and was not sent to {url.scheme}://{url.hostname}. Call its own data centre by https, or "
                "name the host in hosts=."
            )
        token = record.access_token or ""
        request.headers["Authorization"] = f"{_SCHEME}{token}"
        return token

    def _belongs(self, url: SplitResult, record: TokenRecord) -> bool:
        host = url.hostname or ""
        if _is_loopback(host):
            return True
        domain = record.api_domain or ""
        if (origin := origin_of(domain)) is not None and origin == f"{url.scheme}://{url.netloc}".lower():
            return True
        return url.scheme == "https" and (
            host in self._hosts or any(f".{host}".endswith(f".{own}") for own in _domains_of(domain))
        )

    def _is_refused(self, request: Any, response: Any, sent: str) -> bool:
        """Return whether a token was refused, but not by a redirect's server, and a new one may help."""
        if response.status_code != _UNAUTHORIZED or response.request is not request:
            return False
        ends, invalidated = _truces.get(self._api_of(response), (0.0, ""))
        return ends < time.monotonic() or sent == invalidated

    def _note(self, response: Any, invalidated: str) -> None:
        """Note that a new token was refused instead of this one, or could not be tried."""
        if response.status_code == _UNAUTHORIZED:
            if len(_truces) >= _MAX_NOTES:
                _truces.clear()
            ends = time.monotonic() + _NO_RENEWAL_AFTER_REFUSAL_S
            _truces[self._api_of(response)] = ends, invalidated

    def _api_of(self, response: Any) -> tuple[str, str, str]:
        """Return which login asked which API: `www.zohoapis.eu/books` is one."""
        url = urlsplit(str(response.request.url))
        return repr(self._tokens), self._token_id, f"{url.netloc}/{url.path[1:].partition('/')[0]}"


_truces: Final[dict[tuple[str, str, str], tuple[float, str]]] = {}
"""When each ends, and the token that was refused first: requests sent with it may still come back."""

_bases: Final[dict[type, type]] = {}


def _known_to_clients(cls: type[T]) -> type[T]:
    """Return a class that httpx2 and httpx, if installed, recognise as one of their `Auth`.

    They check with `isinstance`; requests accepts any callable.
    """
    if cls not in _bases:
        bases: list[type] = [cls]
        for name in ("httpx2", "httpx"):
            with contextlib.suppress(ImportError):
                bases.append(import_module(name).Auth)
        named = {"__module__": cls.__module__, "__doc__": cls.__doc__}
        _bases[cls] = type(cls.__name__, tuple(bases), named)
    return _bases[cls]


def _domains_of(api_domain: str) -> list[str]:
    """Return the domains of the data centre of an API domain; if that names none, those of all."""
    center = datacenters.of_api_domain(api_domain)
    if center is None and api_domain:
        return []
    return [
        url.removeprefix(prefix)
        for each in (datacenters.DATA_CENTERS if center is None else (center,))
        for url, prefix in ((each.production, "https://www."), (each.accounts_url, "https://accounts."))
    ]


def _is_loopback(host: str) -> bool:
    with contextlib.suppress(ValueError):
        return ip_address(host).is_loopback
    return host == "localhost"


def _is_host(host: object) -> bool:
    return isinstance(host, str) and host != "" and not set(host) & set("/:@*? ")


def _can_be_read_again(request: Any) -> bool:
    """Return whether httpx can send a body twice: it is in memory, or a form of files to rewind."""
    fields = getattr(request.stream, "fields", None)
    if fields is not None:
        bodies = (getattr(field, "file", b"") for field in fields)
        return all(_is_in_memory(body) or _position(body) is not None for body in bodies)
    try:
        request.content  # noqa: B018  # raises if it has not been read
    except RuntimeError:
        return False
    return True


def _is_in_memory(body: object) -> bool:
    return body is None or isinstance(body, str | bytes | bytearray)


def _position(body: Any) -> int | None:
    """Return where a file is to be rewound to, or `None` if it is not one, or cannot be rewound."""
    with contextlib.suppress(AttributeError, OSError):
        if body.seekable():
            position: int = body.tell()
            return position
    return None


def _is_rewound(body: Any, start: int | None) -> bool:
    """Return whether a body of requests can be sent again; a file is rewound for it."""
    if start is not None:
        body.seek(start)
    return start is not None or _is_in_memory(body)
