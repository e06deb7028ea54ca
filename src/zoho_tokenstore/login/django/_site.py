"""The logins of this process: opened by the first who needs them, as the setting says."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, Final, NamedTuple

from django.views.decorators.debug import sensitive_variables

from zoho_tokenstore._logins import Client
from zoho_tokenstore._util.packages import is_installed
from zoho_tokenstore.errors import TokenStoreError
from zoho_tokenstore.login._flow import LoginFlow
from zoho_tokenstore.login.django._databases import url_of
from zoho_tokenstore.login.django._settings import Options, options
from zoho_tokenstore.registry import open_store, open_tokens
from zoho_tokenstore.renewal import _datacenters as datacenters
from zoho_tokenstore.renewal._addresses import accounts_server
from zoho_tokenstore.tokens import Tokens


class Site(NamedTuple):
    """What a process has open."""

    tokens: Tokens
    flow: LoginFlow
    options: Options
    close: Callable[[], None]


_lock: Final = threading.Lock()
_opened: list[Site] = []


def site() -> Site:
    """Return what is open; all threads share it.

    Raises:
        ImproperlyConfigured: the setting cannot be used.
        TokenStoreError: the store cannot be opened.
    """
    found = next(iter(_opened), None)
    if found is None:
        with _lock:
            if not _opened:
                _opened.append(_open(options()))
            found = _opened[0]  # afterwards, another thread may close it
    return found


def close_site() -> None:
    """Close what is open: the next who needs it opens it again."""
    with _lock:
        while _opened:
            _opened.pop().close()


def flow() -> LoginFlow:
    """Return how users log in here: its sessions, its ends."""
    return site().flow


def tokens() -> Tokens:
    """Return the logins: good access tokens, and calls as a user."""
    return site().tokens


@sensitive_variables()
def store_url(known: Options) -> str:
    """Return the URL of the store. It may have a password."""
    return known.store if known.alias is None else url_of(known.alias)


def _open(known: Options) -> Site:
    try:
        found, close = _open_tokens(known)
    except TokenStoreError as error:
        raise error.with_traceback(None) from None  # its frames know the URL, and debug pages show them
    try:
        return Site(found, _flow_of(known, found), known, close)
    except BaseException:
        close()
        raise


@sensitive_variables()
def _open_tokens(known: Options) -> tuple[Tokens, Callable[[], None]]:
    url, common = store_url(known), {"keys": known.keys, "sessions": known.sessions, **known.options}
    if known.sdk is False or (known.sdk is True and not is_installed("zohocrmsdk")):
        found = open_tokens(url, accounts_url=known.accounts_url, **common)
        return found, found.close
    store = open_store(url, **common)
    try:
        given = {} if known.sdk is True else dict(known.sdk)
        store.initialize_sdk(_environment(given.pop("environment", None), known), **given)
    except BaseException:
        store.close()
        raise
    return store.tokens, store.close


def _environment(given: Any, known: Options) -> Any:
    """Return the SDK's environment for logins whose API domain is not one of Zoho's."""
    if given is not None:
        return given() if callable(given) else given
    url = known.accounts_url
    here = None if url is None else accounts_server(url)
    if here is None or datacenters.of_accounts_server(here) is not None:
        return None
    from zoho_tokenstore.sdk._zoho import environment_of

    # The local Zoho has everything at one address.
    return environment_of(here, f"{here}/oauth/v2/token", here)


def _flow_of(known: Options, found: Tokens) -> LoginFlow:
    return LoginFlow(
        found,
        Client(known.client_id, known.client_secret),
        known.redirect_url,
        scopes=known.scopes,
        accounts_url=known.accounts_url,
        time_limit=known.time_limit,
        session_lifetime=known.session_lifetime,
    )
