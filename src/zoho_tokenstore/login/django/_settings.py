"""The setting `ZOHO_LOGIN`: what it may hold, and what is wrong with it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import timedelta
from difflib import get_close_matches
from typing import Any, Final

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from zoho_tokenstore._policies import SessionPolicy
from zoho_tokenstore.login._arguments import is_whole_url
from zoho_tokenstore.login._scopes import CRM_READ

NAME: Final = "ZOHO_LOGIN"


@dataclass(frozen=True, kw_only=True)
class Options:
    """The setting's values; each is named there in capitals.

    Arguments:
        client_id, client_secret: the OAuth client.
        redirect_url: where Zoho sends the browser: the callback of this app, as it is registered.
        scopes: what the application needs.
        store: where the logins are: an alias of `DATABASES`, or a store's URL.
        keys: seal them.
        accounts_url: the accounts server at which users begin.
        sessions: limits of the logins.
        session_lifetime: how long a browser stays logged in at most.
        time_limit: how long a login may take.
        home: where a browser goes after a log-out.
        sdk: the arguments of `initialize_sdk`; `False` leaves Zoho's SDK alone.
        options: further ones of `open_store`.
    """

    client_id: str
    client_secret: str = field(repr=False)
    redirect_url: str
    scopes: Sequence[str] = CRM_READ
    store: str = field(default="default", repr=False)
    keys: Any = field(default=None, repr=False)
    accounts_url: str | None = None
    sessions: SessionPolicy | None = None
    session_lifetime: timedelta = timedelta(days=14)
    time_limit: timedelta = timedelta(minutes=10)
    home: str = "/"
    sdk: Mapping[str, Any] | bool = True
    options: Mapping[str, Any] = field(default_factory=dict, repr=False)

    @property
    def alias(self) -> str | None:
        """The database of Django that the logins are in, if they are in one."""
        return None if "://" in self.store else self.store


def _is_duration(value: Any) -> bool:
    return isinstance(value, timedelta) and value > timedelta(0)


_NAMES: Final = tuple(each.name.upper() for each in fields(Options))
_REQUIRED: Final = _NAMES[:3]
_STRINGS: Final = ("CLIENT_ID", "CLIENT_SECRET", "REDIRECT_URL", "STORE", "ACCOUNTS_URL", "HOME")
_KINDS: Final[Mapping[str, tuple[Callable[[Any], bool], str]]] = {
    **{name: (lambda value: isinstance(value, str), "a string") for name in _STRINGS},
    "ACCOUNTS_URL": (lambda value: value is None or isinstance(value, str), "a URL or None"),
    "SCOPES": (lambda value: isinstance(value, list | tuple), "a list of strings, such as CRM_READ"),
    "SESSIONS": (lambda value: value is None or isinstance(value, SessionPolicy), "a SessionPolicy or None"),
    **dict.fromkeys(("SESSION_LIFETIME", "TIME_LIMIT"), (_is_duration, "a timedelta above zero")),
    "SDK": (
        lambda value: isinstance(value, Mapping | bool),
        "a dict of initialize_sdk's arguments, or False",
    ),
    "OPTIONS": (lambda value: isinstance(value, Mapping), "a dict"),
}


def options() -> Options:
    """Return what the setting says.

    Raises:
        ImproperlyConfigured: it cannot be used.
    """
    given = _given()
    for problem in problems():
        raise ImproperlyConfigured(problem)
    return Options(**{name.lower(): value for name, value in given.items()})


def problems() -> Iterator[str]:
    """Say what is wrong with the setting's own values; none of them is shown."""
    given = _given()
    if not isinstance(given, Mapping):
        yield f"{NAME} must be a dict."
        return
    for name in _REQUIRED:
        if not given.get(name):
            yield f"{NAME} has no {name}."
    for name, value in given.items():
        if name not in _NAMES:
            yield f"{NAME} has no option {name!r}.{_hint(str(name))}"
        elif name in _KINDS and not _KINDS[name][0](value):
            yield f"{NAME}: {name} must be {_KINDS[name][1]}."
    url = given.get("REDIRECT_URL")
    if url and isinstance(url, str) and not is_whole_url(url):
        yield f"{NAME}: REDIRECT_URL must be a whole URL, such as https://portal.example/zoho/callback."


def store_alias() -> str | None:
    """Return the database of Django that the logins are in, whatever else is wrong; `None` for a URL."""
    given = _given()
    store = given.get("STORE", "default") if isinstance(given, Mapping) else "default"
    return None if "://" in str(store) else str(store)


def _given() -> Any:
    return getattr(settings, NAME, {})


def _hint(name: str) -> str:
    near = get_close_matches(name.upper(), _NAMES, 1)
    return f" Is {near[0]} meant?" if near else f" It may have {', '.join(_NAMES)}."
