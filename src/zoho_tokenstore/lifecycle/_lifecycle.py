"""What a store knows about how its logins last and end."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Protocol

from zoho_tokenstore._policies import SessionPolicy
from zoho_tokenstore.errors import ConfigurationError
from zoho_tokenstore.events import EventKind
from zoho_tokenstore.lifecycle._ending import Ending
from zoho_tokenstore.lifecycle._sessions import Sessions
from zoho_tokenstore.records import TokenRecord
from zoho_tokenstore.renewal._renewer import Renewer
from zoho_tokenstore.renewal._steps import Origin


class Lifecycle:
    """The life of a store's logins."""

    def __init__(
        self, renewer: Renewer, policy: SessionPolicy | None = None, origin: Callable[[], Origin] = Origin
    ) -> None:
        self.renewer: Final = renewer
        self.origin: Final = origin
        self.ending: Final = Ending(renewer, origin)
        self.sessions: Final = None if policy is None else Sessions(policy, renewer, origin)
        if self.sessions is not None:
            renewer.gate = self.sessions
            renewer.repository.on_login(self.sessions.began)

    def settle(self, granted: TokenRecord, origin: Origin) -> TokenRecord | None:
        """Return a login whose save failed, if it is stored all the same: perhaps only the answer was lost.

        If it is not, what Zoho has granted is given back.

        If the storage still fails, nobody knows: the login may be stored, so it stays alive at Zoho.
        """
        repository = self.renewer.repository
        if granted.refresh_token is None:  # then a look-up is by the access token, and needs no client
            query = TokenRecord(access_token=granted.access_token)
        else:
            query = granted.changed(access_token=None, grant_token=None, api_domain=None)
        stored = repository.find(query, tell=False)
        if stored is None:
            self.ending.give_back(granted, origin)
            return None
        repository.emit(EventKind.SAVED_LATE, stored)
        if self.sessions is not None:
            self.sessions.began(stored)
        return stored


class HasLifecycle(Protocol):
    """`Tokens`: what the jobs of this package work on."""

    @property
    def lifecycle(self) -> Lifecycle:
        """The life of its logins."""


def lifecycle_of(tokens: HasLifecycle, caller: str) -> Lifecycle:
    """Return that of `Tokens`, or say that it is them who are needed."""
    lifecycle = getattr(tokens, "lifecycle", None)
    if not isinstance(lifecycle, Lifecycle):
        raise ConfigurationError(
            f"{caller} needs Tokens, not {type(tokens).__name__}: what open_tokens returns, or a store's "
            "attribute tokens."
        )
    return lifecycle
