"""One renewal made with the real store and Zoho: performs the steps that `protocol.renewal` requests."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any, Final, NamedTuple

from zoho_tokenstore import _matching as matching
from zoho_tokenstore._reading import Stored
from zoho_tokenstore._saving import Fence
from zoho_tokenstore.backend import Leases
from zoho_tokenstore.errors import ConfigurationError, TokenStoreError
from zoho_tokenstore.events import EventKind
from zoho_tokenstore.records import TokenRecord
from zoho_tokenstore.renewal import _datacenters as datacenters
from zoho_tokenstore.renewal import _users as users
from zoho_tokenstore.renewal._accounts import Accounts
from zoho_tokenstore.renewal._addresses import accounts_server
from zoho_tokenstore.renewal._answers import TokenResponse
from zoho_tokenstore.renewal._pending_saves import PendingSaves, may_pass
from zoho_tokenstore.renewal._protocol import (
    Find,
    Pause,
    Prove,
    Read,
    Renewal,
    Replace,
    Save,
    Saved,
    Send,
    Step,
)
from zoho_tokenstore.renewal._single_flight import THE_STORE, PendingRenewal
from zoho_tokenstore.renewal._transport import Transport
from zoho_tokenstore.repository import TokenRepository


class Origin(NamedTuple):
    """What a caller knows of Zoho, beyond what the token itself says.

    `accounts_url` and `api_domain` are those of the SDK's environment, or of the application's choice.
    `crm_version` is that of the CRM API that is asked whose a nameless login is; with `None`, none is asked.
    A token keeps its API domain unless `may_move`. `code_verifier` belongs to a one-time code.
    """

    accounts_url: str | None = None
    api_domain: str | None = None
    crm_version: int | None = None
    may_move: bool = True
    code_verifier: str | None = None

    def __repr__(self) -> str:
        return f"Origin({self.accounts_url!r}, {self.api_domain!r})"

    def accounts_url_of(self, record: TokenRecord) -> str:
        """Return the address of the accounts server that a token's requests go to."""
        center = datacenters.of_api_domain(record.api_domain or "")
        url = self.accounts_url if center is None else center.accounts_url
        if url is None:
            raise ConfigurationError(
                f"Which of Zoho's accounts servers the token with id {record.id!r} belongs to is not known: "
                f"its API domain is {record.api_domain!r}. Pass accounts_url= (--accounts-url)."
            )
        return url

    def server_of(self, record: TokenRecord) -> str | None:
        """Return the accounts server whose rejection of a token counts; `None` if any server's does.

        A one-time code is sent once, to whichever server.
        """
        if record.refresh_token is None:
            return None
        try:
            return accounts_server(self.accounts_url_of(record))
        except ConfigurationError:  # whoever sends it is told
            return None

    def domain_for(self, record: TokenRecord, granted: str | None) -> str | None:
        """Return the API domain to store: Zoho's answer names production's, whatever it is for.

        So it moves a token to another data centre, but to no other environment, and none away from an
        address that is not Zoho's.
        """
        known = record.api_domain or self.api_domain
        if known is None or granted is None:
            return known or granted
        old, new = datacenters.of_api_domain(known), datacenters.of_api_domain(granted)
        if not self.may_move or old is None or new in (None, old):
            return known
        return datacenters.environment_like(known, new) or granted


class Services(NamedTuple):
    """What renewals of one store work with."""

    repository: TokenRepository
    leases: Leases
    pending_saves: PendingSaves
    transport: Transport
    learn: Callable[[TokenResponse], None]


class Steps:
    """The steps of one renewal.

    `about` is the stored token, or the query of a first login.
    """

    def __init__(
        self,
        services: Services,
        name: str,
        about: TokenRecord,
        find: Callable[[], TokenRecord | None],
        origin: Origin,
    ) -> None:
        self._services = services
        self._name = name
        self._about = about
        self._find_stored = find
        self._origin = origin
        self._known: Stored | None = None
        self._cleared_ms: int | None = None
        self._began = time.monotonic()
        self.has_sent = False

    def run(self, renewal: Renewal, pending: PendingRenewal) -> TokenRecord | None:
        """Do all steps; return the token, or raise what prevents it."""
        step = next(renewal)
        while True:
            pending.begin(_WAITING_FOR.get(type(step), THE_STORE))
            try:
                try:
                    answer = self._do(step)
                except TokenStoreError as error:
                    step = renewal.throw(error)
                else:
                    step = renewal.send(answer)
            except StopIteration as end:
                result: TokenRecord | None = end.value
                return result

    def _do(self, step: Step) -> Any:
        match step:
            case Read():
                return self._services.leases.read(self._name)
            case Replace(was, entry):
                return self._services.leases.replace(self._name, was, str(entry), entry.keep_ms())
            case Find(renewed):
                return self._find_stored() or self._of_exchange(renewed)
            case Prove(record):
                return self._prove(record or self._about)
            case Send(record):
                return self._send(record or self._about)
            case Save(record, grant):
                return self.save(record, grant)
            case Pause(seconds):
                return time.sleep(seconds)

    def _of_exchange(self, renewed: Any) -> TokenRecord | None:
        """Return the token of an exchange made meanwhile, if its row does not hold another login by now."""
        if renewed is None or self._about.grant_token is None or not renewed.token_id:
            return None
        record = self._services.repository.get(renewed.token_id)
        if record is None or record.updated_at_ms != renewed.saved_ms:
            return None
        is_same = matching.same_person(self._about, record)
        return record.changed(grant_token=self._about.grant_token) if is_same else None

    def _prove(self, record: TokenRecord) -> None:
        repository = self._services.repository
        if self._about.id is None:
            self._cleared_ms = repository.cleared_ms()
        known = repository.prove_writable(record)
        # If somebody saved since the token was found, the fence decides, not this row's state.
        self._known = known if known is not None and _fence(known.record) == _fence(record) else None

    def _send(self, record: TokenRecord) -> TokenResponse:
        self._services.repository.emit(EventKind.RENEWAL_STARTED, record)
        accounts = Accounts(self._origin.accounts_url_of(record), transport=self._services.transport)
        self.has_sent = True
        self._began = time.monotonic()
        client = record.client_id or "", record.client_secret or ""
        if record.refresh_token is not None:
            grant = accounts.refresh(*client, record.refresh_token)
        else:
            grant = accounts.exchange(
                *client,
                record.grant_token or "",
                redirect_url=record.redirect_url,
                code_verifier=self._origin.code_verifier,
            )
        self._services.learn(grant)
        return grant

    def _user_of(
        self, record: TokenRecord, grant: TokenResponse, version: int, *, is_needed: bool
    ) -> str | None:
        """Ask who logged in, while the lease lasts: others with the same code wait for that, too."""
        left = self._services.transport.timeout.total_seconds() - (time.monotonic() - self._began)
        transport = self._services.transport.within(timedelta(seconds=max(left, _MIN_USER_TIMEOUT)))
        domain = record.api_domain or ""
        ask = users.named_user if is_needed else users.current_user
        return ask(domain, grant.access_token, version=version, transport=transport)

    def save(
        self,
        stored: TokenRecord | None,
        grant: TokenResponse,
        check: Callable[[TokenRecord], None] = lambda _: None,
        *,
        may_wait: bool = True,
    ) -> Saved:
        """Save what Zoho has granted, instead of what was stored; a first login with its user's name.

        Before that, `check` may raise what prevents it. If the storage fails, it is kept until it can be
        saved, if it `may_wait`; otherwise an unanswered question who logged in prevents it, too.
        """
        base = stored or self._about
        record = base.changed(
            access_token=grant.access_token,
            expires_at_ms=grant.expires_at_ms,
            refresh_token=grant.refresh_token or base.refresh_token,
            api_domain=self._origin.domain_for(base, grant.api_domain),
        )
        identified = False
        if record.user_name is None and self._origin.crm_version is not None:
            # What cannot wait has a user who can try again.
            name = self._user_of(record, grant, self._origin.crm_version, is_needed=not may_wait)
            record, identified = record.changed(user_name=name), name is not None
        check(record)
        fence = Fence(is_login=True)
        if stored is not None:
            fence = self._services.pending_saves.fence_of(stored) or _fence(stored)
        try:
            saved = self._services.repository.save(
                record, fence=fence, identified=identified, known=self._known
            )
        except TokenStoreError as error:  # reported by its event and log line
            if not (may_wait and may_pass(error)):
                raise
            kept = self._services.pending_saves.keep(
                record,
                fence,
                identified=identified,
                row_id=None if stored is None else stored.id,
                cleared_ms=self._cleared_ms,
            )
            return Saved(kept, grant.scopes, is_stored=False)
        self._services.pending_saves.drop(record, saved, renews=fence.refresh_token is not None)
        return Saved(saved, grant.scopes, is_stored=True)


def _fence(record: TokenRecord) -> Fence:
    return Fence(record.access_token, record.refresh_token)


_MIN_USER_TIMEOUT: Final = 0.5
"""The minimum number of seconds for asking Zoho who somebody is."""

_WAITING_FOR: Final = {Send: "Zoho's accounts server", Pause: "somebody else's renewal"}
"""What a renewal waits for in a step, for messages."""
