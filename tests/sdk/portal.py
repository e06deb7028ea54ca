"""What the tests of this folder share: an application with a store, before a local Zoho."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import mkdtemp
from typing import Any
from urllib.parse import urlencode
from urllib.request import Request, urlopen

from zohocrmsdk.src.com.zoho.api.authenticator.store import TokenStore

from tests.sdk import app
from tests.sdk.generation import SDK
from zoho_tokenstore import Event, TokenRecord
from zoho_tokenstore.emulator import Client, Emulator, User
from zoho_tokenstore.sdk import RepositoryStore

ROOT = Path(__file__).parents[2]


@dataclass
class Trace:
    """What happened, in order: the calls of the store, and the requests that reached Zoho."""

    zoho: Emulator
    _steps: list[str] = field(default_factory=list)
    _seen: int = 0

    def note(self, store_call: str) -> None:
        """Note a call of the store, after the requests that came before it."""
        self._note_requests()
        self._steps.append(store_call)

    def take(self) -> list[str]:
        """Return what happened since the last call."""
        self._note_requests()
        steps, self._steps = self._steps, []
        return steps

    def _note_requests(self) -> None:
        for entry in self.zoho.journal(after=self._seen):
            self._seen = entry.number
            self._steps.append(entry.endpoint)


class TracedStore(TokenStore):  # type: ignore[misc]  # the SDK has no types
    """A store that notes which of its methods the SDK calls."""

    def __init__(self, store: RepositoryStore, trace: Trace) -> None:
        self._store = store
        self._trace = trace

    def find_token(self, token: Any) -> Any:
        self._trace.note("find_token")
        return self._store.find_token(token)

    def save_token(self, token: Any) -> None:
        self._trace.note("save_token")
        self._store.save_token(token)

    def delete_token(self, id: str) -> None:  # noqa: A002  # the SDK's name
        self._trace.note("delete_token")
        self._store.delete_token(id)

    def get_tokens(self) -> list[Any]:
        self._trace.note("get_tokens")
        return self._store.get_tokens()

    def delete_tokens(self) -> None:
        self._trace.note("delete_tokens")
        self._store.delete_tokens()

    def find_token_by_id(self, id: str) -> Any:  # noqa: A002  # the SDK's name
        self._trace.note("find_token_by_id")
        return self._store.find_token_by_id(id)


class Portal:
    """An application that uses one store, and the Zoho that it talks to.

    Arguments:
        zoho: the local Zoho.
        folder: a folder of its own.
        open_store: opens the store; after a restart it is called again.
    """

    def __init__(self, zoho: Emulator, folder: Path, open_store: Callable[[], RepositoryStore]) -> None:
        self.zoho = zoho
        self.folder = folder
        self.trace = Trace(zoho)
        self._open_store = open_store
        self.store = open_store()

    @property
    def records(self) -> list[TokenRecord]:
        """All stored tokens."""
        return list(self.store.repository.scan())

    def record(self, token: Any) -> TokenRecord:
        """Return the stored token that has the id of an SDK token."""
        found = self.store.repository.get(token.get_id())
        assert found is not None
        return found

    def restart(self) -> None:
        """Begin anew, as a new process would: nothing is left but what the store keeps."""
        forget_sdk_state()
        self.store = self._open_store()
        self.trace.take()

    def start(self, token: Any) -> Any:
        """Initialize the SDK with a token; return the token."""
        app.connect(
            token, TracedStore(self.store, self.trace), self.zoho.environment_args(), self._resources()
        )
        return token

    def log_in(self, user: User | None = None, client: Client | None = None) -> Any:
        """Log in with a fresh grant code; return the token. Users have a name with every SDK."""
        user = user or self.zoho.default_users[0]
        name = None if SDK.looks_users_up else user.user_name
        return self.start(app.token_of(name, **self.grant(user, client)))

    def grant(self, user: User | None = None, client: Client | None = None) -> dict[str, str]:
        """Return the fields of a token that begins with a fresh grant code."""
        return {"grant_token": self.zoho.mint_code(client, user), **self.credentials(client)}

    def refresh(self, user: User | None = None, client: Client | None = None) -> dict[str, str]:
        """Return the fields of a token that begins with a fresh refresh token."""
        return {"refresh_token": self.zoho.mint_refresh_token(client, user), **self.credentials(client)}

    def credentials(self, client: Client | None = None) -> dict[str, str]:
        """Return a client's id and secret; the demo client's by default."""
        client = client or self.zoho.default_client
        return {"client_id": client.client_id, "client_secret": client.client_secret}

    def access_token(self) -> str:
        """Return an access token that was obtained without the SDK."""
        form = urlencode({"grant_type": "refresh_token", **self.refresh()}).encode()
        with urlopen(Request(self.zoho.accounts_url, form)) as answer:
            return str(json.load(answer)["access_token"])

    def let_expire(self, token: Any) -> None:
        """Let the hour of a stored access token be over: in the store, and for Zoho."""
        record = self.record(token)
        self.zoho.expire_access_tokens()
        self.store.repository.save(replace(record, expires_at_ms=1))

    def process(self, **task: Any) -> subprocess.CompletedProcess[str]:
        """Run the application as a process of its own, on the store at the task's `url`."""
        resources = mkdtemp(dir=self._resources())  # the SDK's processes disturb each other in a shared one
        task |= {"urls": self.zoho.environment_args(), "resources": resources}
        return subprocess.run(
            [sys.executable, "-m", "tests.sdk.app"],
            input=json.dumps(task),
            capture_output=True,
            text=True,
            cwd=ROOT,
            timeout=60,
            check=False,
        )

    def _resources(self) -> Path:
        folder = self.folder / "resources"
        folder.mkdir(exist_ok=True)
        return folder


def forget_sdk_state() -> None:
    """Put the SDK's globals back to what they are after its import."""
    app.Initializer.initializer = None
    app.Initializer.LOCAL.init = None


def of_kind(events: list[Event], *kinds: str) -> list[Event]:
    """Return the events of some kinds, in order."""
    return [event for event in events if event.kind in kinds]
