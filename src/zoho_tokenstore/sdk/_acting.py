"""Acting as a user with the SDK: for a block of one thread, and never as somebody else.

The SDK keeps its current user in a thread-local, beside one for all threads. So who forgets to switch acts as
whoever came before in this thread. Here a block switches, and restores; outside of blocks nobody acts.
"""

from __future__ import annotations

import asyncio
import sys
import threading
from contextlib import suppress
from typing import Any, Final

from zoho_tokenstore.errors import ConfigurationError
from zoho_tokenstore.records import TokenRecord, not_an_id
from zoho_tokenstore.renewal import _datacenters as datacenters
from zoho_tokenstore.sdk._tokens import CRM
from zoho_tokenstore.sdk._zoho import (
    PLACE,
    Initializer,
    SDKException,
    Token,
    USDataCenter,
    environment_of,
    place_of,
)
from zoho_tokenstore.tokens import Tokens

__all__ = ["ActingAs", "initialize_sdk"]


_FILE_SERVERS: Final = {"ca": "https://upload.zohocloud.ca", "sa": "https://files.zoho.sa"}
"""Where files go in the data centres whose server for them is named otherwise, as the SDK says."""


class _Blocks(threading.local):
    """The blocks that this thread is in, the innermost last."""

    def __init__(self) -> None:
        self.entered: list[ActingAs] = []


_blocks: Final = _Blocks()


class Nobody(Token):  # type: ignore[misc]  # the SDK has no types
    """The SDK's user where nobody acts: every call fails."""

    def __init__(self, why: str) -> None:
        self._why = why

    def authenticate(self, *_: object, **__: object) -> None:
        raise SDKException("NOBODY_ACTS", self._why)

    def generate_token(self) -> None:
        pass

    def remove(self) -> None:
        pass

    def __getattr__(self, name: str) -> Any:
        if name.startswith("get_"):  # what the SDK asks a token for, before a call
            return lambda: None
        raise AttributeError(name)


class ActingAs:
    """The block in which this thread acts as a user; `Tokens.acting_as` returns it."""

    def __init__(self, tokens: Tokens, token_id: str) -> None:
        self._tokens = tokens
        self._token_id = token_id
        self._thread: int | None = None
        self._before: Any = None
        self._mine: Any = None

    def __enter__(self) -> TokenRecord:
        if not isinstance(self._token_id, str):
            raise not_an_id(self._token_id, "acting_as")
        if self._thread is not None:
            raise ConfigurationError("This block was entered before: call acting_as for each block.")
        _refuse_event_loop()
        record = self._tokens.get(self._token_id)
        current = self._initializer(record)
        _refuse_shared_local()
        self._thread, self._before = threading.get_ident(), getattr(Initializer.LOCAL, "init", None)
        Initializer.LOCAL.init = self._mine = current
        _blocks.entered.append(self)
        return record

    def __exit__(self, *exc_info: object) -> None:
        if self._thread != threading.get_ident():
            # The other thread stays in the block: there, nobody acts from now on.
            self._mine.token = Nobody("The block of acting_as was left in another thread.")
            raise ConfigurationError(
                "A block of acting_as was entered in one thread and left in another: the SDK's user belongs "
                "to a thread. Enter and leave it in one function; in async code, await tokens.run_as."
            )
        entered = _blocks.entered
        if entered[-1] is not self:
            for block in entered[entered.index(self) :]:
                block._mine.token = Nobody("Blocks of acting_as were left in another order than entered.")
            del entered[entered.index(self) :]
            Initializer.LOCAL.init = self._before
            raise ConfigurationError("Blocks of acting_as were left in another order than they were entered.")
        entered.pop()
        Initializer.LOCAL.init = self._before

    def _initializer(self, record: TokenRecord) -> Any:
        """Return what the SDK is to use in this thread: everything as before, but the user and the place."""
        base = Initializer.get_initializer()
        repository = self._tokens.lifecycle.renewer.repository
        # Not one of the same location: that of two stores in memory is, too, and so may be their ids.
        if getattr(getattr(base, "store", None), "repository", None) is not repository:
            raise ConfigurationError(
                f"The SDK is not initialized with the store of these tokens, {repository.location}. Call "
                "store.initialize_sdk() once, when the program starts, and use that store's tokens."
            )
        mine = Initializer()
        for name, value in vars(base).items():
            setattr(mine, name, value)
        place = place_of(base)
        setattr(mine, PLACE, place)
        mine.environment = _environment(record, place)
        mine.token = CRM.new_token(record)
        return mine


def initialize_sdk(store: Any, environment: Any = None, **options: Any) -> None:
    """Initialize the SDK with a store, and with nobody as its user; see `RepositoryStore.initialize_sdk`."""
    nobody = Nobody("Nobody acts here. Call the SDK in a block: with store.tokens.acting_as(login_id): ...")
    usual = USDataCenter.PRODUCTION()
    place = usual if environment is None else environment
    if not isinstance(place, type(usual)):  # the SDK would keep it, and fail at every call
        raise ConfigurationError(
            "initialize_sdk: the environment must be one of the SDK's, such as EUDataCenter.PRODUCTION(), "
            f"not {type(place).__name__}."
        )
    Initializer.initialize(environment=place, token=nobody, store=store, **options)
    with suppress(AttributeError):  # SDK 6 and 7 also set the user of this thread
        del Initializer.LOCAL.init


def _refuse_event_loop() -> None:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return
    raise ConfigurationError(
        "acting_as was called in the thread of an event loop: other tasks would act as this user at the next "
        "await. Use: await tokens.run_as(login_id, function, ...)"
    )


def _refuse_shared_local() -> None:
    """Refuse a greenlet, as gevent and eventlet have, that shares the SDK's thread-local with others."""
    greenlets = sys.modules.get("greenlet")
    if greenlets is None or greenlets.getcurrent().parent is None:
        return
    Initializer.LOCAL.probe = mine = object()
    try:
        is_shared = greenlets.greenlet(lambda: getattr(Initializer.LOCAL, "probe", None) is mine).switch()
    finally:
        del Initializer.LOCAL.probe
    if is_shared:
        raise ConfigurationError(
            "acting_as was called in a greenlet that shares its thread with others, and they would act as "
            "this user whenever it waits: the SDK was imported before gevent or eventlet patched threading. "
            "Patch first: under gunicorn, don't use --preload."
        )


def _environment(record: TokenRecord, current: Any) -> Any:
    """Return the environment of a login's data centre, or the current one if it is no other."""
    domain = record.api_domain
    center = datacenters.of_api_domain(domain or "")
    if domain is None or center is None or domain == getattr(current, "url", None):
        return current
    content = center.production.replace("https://www.", "https://content.")
    upload = _FILE_SERVERS.get(center.location, content)
    return environment_of(domain, f"{center.accounts_url}/oauth/v2/token", upload, center.location)
