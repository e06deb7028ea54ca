"""The portal's parts: the store, the login, and calls of Zoho as a user."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, ParamSpec, TypeVar

from starlette.concurrency import run_in_threadpool
from zohocrmsdk.src.com.zoho.crm.api.dc import DataCenter

from demos.portal_web.crm import UnauthorizedError
from demos.portal_web.local_zoho import COORDINATOR, local_zoho
from demos.portal_web.settings import Settings, folded
from zoho_tokenstore import Client, RepositoryStore, SessionPolicy, SQLiteStore, TokenRecord
from zoho_tokenstore.emulator import Emulator
from zoho_tokenstore.login import CRM_WRITE, LoginFlow

P = ParamSpec("P")
R = TypeVar("R")

AFTER_LOGOUT: Final = "/?said=out"
_DATABASE: Final = "zohooauth.db"


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


@dataclass(frozen=True)
class Portal:
    """The portal, as its pages see it.

    Arguments:
        settings: how it runs.
        store: its logins.
        flow: how users log in.
        zoho: the local Zoho, if there is one.
    """

    settings: Settings
    store: RepositoryStore
    flow: LoginFlow
    zoho: Emulator | None = None

    def is_coordinator(self, user: TokenRecord) -> bool:
        """Return whether a user may see and end everybody's logins."""
        name = folded(user.user_name or "")
        return bool({name, name.rpartition(":")[0]} & self.settings.coordinators)

    async def act(
        self, user: TokenRecord, function: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs
    ) -> R:
        """Call a function of the SDK as a user; once more if Zoho refuses an access token that looks good."""
        login_id, run_as = user.id or "", self.flow.tokens.run_as
        try:
            return await run_as(login_id, function, *args, **kwargs)
        except UnauthorizedError:
            await run_in_threadpool(self.flow.tokens.invalidate, login_id)
        return await run_as(login_id, function, *args, **kwargs)


@contextmanager
def open_portal(settings: Settings, clock: Callable[[], int] = _now_ms) -> Iterator[Portal]:
    """Open the portal; without a client of Zoho's, with a local Zoho of its own.

    Arguments:
        settings: how it runs.
        clock: the time in milliseconds since 1970; for tests.
    """
    settings.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if settings.client is not None:
        with _opened(settings, settings.client, settings.folder, clock) as portal:
            yield portal
        return
    with local_zoho(settings.redirect_url) as zoho:
        client = Client(zoho.default_client.client_id, zoho.default_client.client_secret)
        local = replace(
            settings,
            accounts_url=zoho.accounts_url,
            coordinators=settings.coordinators or frozenset({COORDINATOR}),
        )
        with _opened(local, client, _emptied(settings.folder / "local"), clock, zoho) as portal:
            yield portal


@contextmanager
def _opened(
    settings: Settings,
    client: Client,
    folder: Path,
    clock: Callable[[], int],
    zoho: Emulator | None = None,
) -> Iterator[Portal]:
    policy = SessionPolicy(idle=settings.idle, revoke=True)
    with SQLiteStore(folder / _DATABASE, sessions=policy, clock=clock) as store:
        resources = folder / "sdk"
        resources.mkdir(exist_ok=True)
        place = None if zoho is None else DataCenter.Environment(*zoho.environment_args())
        store.initialize_sdk(place, resource_path=str(resources))
        flow = LoginFlow(
            store.tokens,
            client,
            settings.redirect_url,
            scopes=CRM_WRITE,
            accounts_url=settings.accounts_url,
        )
        yield Portal(settings, store, flow, zoho)


def _emptied(folder: Path) -> Path:
    """Return a folder without what an earlier run left: the local Zoho has forgotten those logins."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(mode=0o700)
    return folder
