"""A program that uses a store by Zoho's unmodified SDK, and the local Zoho that answers it."""

from __future__ import annotations

import atexit
import inspect
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest
import requests
from zohocrmsdk.src.com.zoho.crm.api import HeaderMap, ParameterMap
from zohocrmsdk.src.com.zoho.crm.api.dc.data_center import DataCenter
from zohocrmsdk.src.com.zoho.crm.api.initializer import Initializer
from zohocrmsdk.src.com.zoho.crm.api.users import UsersOperations

from zoho_tokenstore.testing._tokens import OAuthToken, make_token

if TYPE_CHECKING:
    from zoho_tokenstore.emulator import Client, Emulator, JournalEntry, User

_LOOKS_USERS_UP: Final = "find_user" in inspect.signature(OAuthToken).parameters
"""SDK 5 asks nobody who has logged in: a program has to say it."""

_ENVIRONMENT_IS_NAMED: Final = "name" in inspect.signature(DataCenter.Environment).parameters
_TIMEOUT_S: Final = 10.0
_PAST: Final = "1"


@cache
def local_zoho() -> Emulator:
    """Return the local Zoho of this process, which runs until its end."""
    from zoho_tokenstore.emulator import Emulator

    zoho = Emulator()
    zoho.start()
    atexit.register(zoho.stop)
    return zoho


class Program:
    """A program with the unmodified SDK, which can be restarted."""

    def __init__(self, store: Any, reopen: Callable[[], Any], folder: Path) -> None:
        self.store = store
        self.zoho = local_zoho()
        self.zoho.reset()
        self.users = self.zoho.default_users
        self.second_client = self.zoho.add_client("1000.SECOND", "secret-of-second")
        self._reopen = reopen
        self.folder = folder

    def start(self, **fields: str | None) -> Any:
        """Initialize the SDK as a new process would, with a token of these fields; return the token."""
        return start_sdk(self.store, self.zoho.environment_args(), self.folder, **fields)

    def restart(self, **fields: str | None) -> Any:
        """Start again: nothing is left but what the store keeps."""
        self.store = self._reopen()
        return self.start(**fields)

    def switch(self, **fields: str | None) -> None:
        """Let this thread work as the user of a token of these fields."""
        Initializer.switch_user(token=make_token(**fields))

    def log_in(self, user: User | None = None, client: Client | None = None) -> str:
        """Start with a new one-time code; return the id of the login."""
        return str(self.start(**self.code(user, client)).get_id())

    def code(self, user: User | None = None, client: Client | None = None) -> dict[str, str]:
        """Return the fields of a token that begins with a new one-time code."""
        who = user or self.users[0]
        return {"grant_token": self.zoho.mint_code(client, who), **self._known(who, client)}

    def refresh_token(self, user: User) -> dict[str, str]:
        """Return the fields of a token that begins with a new refresh token."""
        return {"refresh_token": self.zoho.mint_refresh_token(user=user), **self._known(user, None)}

    def expire(self, *ids: str) -> None:
        """Let the hour of these logins' access tokens be over, as the store has it."""
        for each in ids:
            token = self.store.find_token_by_id(each)
            token.set_expires_in(_PAST)
            self.store.save_token(token)

    def end(self, login: str) -> None:
        """Let a user withdraw the access at Zoho, which ends the login there."""
        token = self.store.find_token_by_id(login).get_refresh_token()
        url = f"{self.zoho.accounts_url}/revoke"
        requests.post(url, {"token": token}, timeout=_TIMEOUT_S).raise_for_status()

    def who(self) -> str:
        """Call the API; return the e-mail address of the user that Zoho takes the program for."""
        return who()

    def token_requests(self) -> int:
        """Return how many token requests Zoho has had."""
        return self.zoho.counters().count("token")

    def last(self, endpoint: str) -> JournalEntry:
        """Return the last request of a kind that Zoho has had."""
        return self.zoho.journal(endpoint)[-1]

    def _known(self, user: User, client: Client | None) -> dict[str, str]:
        one = client or self.zoho.default_client
        name = {} if _LOOKS_USERS_UP else {"user_name": user.user_name}
        return {"client_id": one.client_id, "client_secret": one.client_secret, **name}


def start_sdk(store: Any, urls: tuple[str, str, str], folder: Path, **fields: str | None) -> Any:
    """Initialize the SDK with a store and a token of these fields; return the token."""
    forget_globals()
    token = make_token(**fields)
    Initializer.initialize(
        environment=DataCenter.Environment(*urls, *(["local"] if _ENVIRONMENT_IS_NAMED else [])),
        token=token,
        store=store,
        resource_path=str(folder),
    )
    return token


def who() -> str:
    """Call the API as the SDK's user of this thread; return the e-mail address that Zoho knows them by."""
    only_me = ParameterMap()
    only_me.request_parameters["type"] = "CurrentUser"  # add() wants it of another class in SDK 6 and 7
    answer = UsersOperations().get_users(only_me, HeaderMap())
    if answer is None or answer.get_status_code() != 200:
        raise PermissionError("Zoho refused the access token that the SDK has from the store.")
    return str(answer.get_object().get_users()[0].get_email())


@contextmanager
def program_with(store: Any, reopen: Callable[[], Any], folder: Path) -> Iterator[Program]:
    """Yield a program, before and after which the SDK is as it was imported."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(logging, "raiseExceptions", False)  # the SDK's own log calls are malformed
        patch.setenv("no_proxy", "127.0.0.1", prepend=",")
        forget_globals()
        yield Program(store, reopen, folder)
        forget_globals()


def forget_globals() -> None:
    """Put the SDK's globals back to what they are after its import."""
    Initializer.initializer = None
    Initializer.LOCAL.init = None
