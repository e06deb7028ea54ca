"""What the stores for all of Zoho's SDKs are made of: tokens that renew by themselves, over a repository."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from typing import Any, ClassVar, Final

from zoho_tokenstore import _matching as matching
from zoho_tokenstore._arguments import checked
from zoho_tokenstore._policies import DEFAULT_POLICY, RefreshPolicy, SessionPolicy
from zoho_tokenstore._util.caches import SecondHitCache
from zoho_tokenstore._util.opened import Opened
from zoho_tokenstore.errors import BackendError, ConfigurationError, RetiredIdError, TokenNotFoundError
from zoho_tokenstore.lifecycle._lifecycle import Lifecycle
from zoho_tokenstore.records import TokenRecord
from zoho_tokenstore.renewal._renewer import Renewer
from zoho_tokenstore.renewal._steps import Origin
from zoho_tokenstore.repository import TokenRepository
from zoho_tokenstore.sdk._family import Family
from zoho_tokenstore.sdk._twins import raises_sdk_errors
from zoho_tokenstore.tokens import Tokens


class BaseStore(Opened):
    """A store for an SDK, without the methods in which the SDKs differ.

    The arguments and errors are those of `zoho_tokenstore.RepositoryStore`.
    """

    family: ClassVar[Family]
    """The SDK that it is for."""

    @checked
    def __init__(
        self,
        repository: TokenRepository,
        *,
        refresh: RefreshPolicy | None = DEFAULT_POLICY,
        sessions: SessionPolicy | None = None,
        spool: str | os.PathLike[str] | None = None,
    ) -> None:
        if not isinstance(repository, TokenRepository):
            raise ConfigurationError(
                f"RepositoryStore: repository must be a TokenRepository, not {type(repository).__name__}. "
                "For a URL there is open_store, for a backend TokenRepository(backend)."
            )
        if refresh is None and (spool, sessions) != (None, None):
            raise ConfigurationError(
                f"RepositoryStore: {'sessions' if spool is None else 'spool'}= needs a refresh policy: with "
                "refresh=None, the SDK does by itself what that is about."
            )
        origin = self.family.origin
        self.repository: Final = repository
        self._renewer = (
            None if refresh is None else Renewer(repository, refresh, origin=self._origin, spool=spool)
        )
        self._lifecycle = None if self._renewer is None else Lifecycle(self._renewer, sessions, origin)
        self._get: Callable[[str], TokenRecord | None] = (self._renewer or repository).get
        # The repository returns the same record while nobody changed it: then its token is valid too.
        self._known: SecondHitCache[tuple[TokenRecord, Any]] = SecondHitCache()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.repository.location!r})"

    @property
    def tokens(self) -> Tokens:
        """The same logins for any other program and Zoho API.

        A token whose API domain is not Zoho's is renewed where the SDK's environment says.

        Raises:
            ConfigurationError: the store was opened with `refresh=None`, which leaves renewals to the SDK.
        """
        if self._lifecycle is None:
            raise ConfigurationError(
                "This store was opened with refresh=None: it renews no tokens, so it has none to hand out. "
                "Open it without that, or open_tokens(url)."
            )
        return Tokens(self._lifecycle, accounts_url=self.family.origin().accounts_url)

    def close(self) -> None:
        """Close the store. It cannot be used afterwards."""
        if self._renewer is not None:
            self._renewer.close()
        self.repository.close()
        self._known.clear()

    @raises_sdk_errors
    def get_tokens(self) -> list[Any]:
        """Return all tokens, but for those over a session limit."""
        records = (record for record in self.repository.scan() if not self._is_overdue(record))
        return [self.family.new_token(self._on_this_host(record)) for record in records]

    @raises_sdk_errors
    def delete_tokens(self) -> None:
        """Delete all tokens, in one step if the storage can."""
        (self._renewer or self.repository).clear()

    # ---- for the methods in which the SDKs differ

    def _find(self, query: TokenRecord, token: Any) -> TokenRecord | None:
        """Return what a token of the SDK is filled with, or `None`; see `SixMethods.find_token`."""
        found = self._stored(query, token)
        if found is None:
            return None
        filled = matching.fill(query, found)
        if query.id is None and not matching.is_same_login(query, found):
            filled = matching.with_login_of(filled, found)  # the query's credentials were used for it
        return self._on_this_host(filled)

    def _stored(self, query: TokenRecord, token: Any) -> TokenRecord | None:
        if self._renewer is None:
            return self.repository.find(query)
        # What an application itself asks for is not a login.
        is_asked = self.family.asking_token() is token
        return self._renewer.find(query, lambda: self.family.origin(token), logs_in=is_asked)

    def _by_id(self, token_id: str) -> Any:
        """Return a new token with all stored fields, or `None`; see `SixMethods.find_token_by_id`."""
        record = self._get(token_id)
        if record is None:
            record = self._log_in(token_id)
            if record is None:
                return None
        if self._offset_ms:
            return self.family.new_token(self._on_this_host(record))
        known = self._known.get(token_id)
        if known is not None and known[0] is record:
            return self.family.copy_of(known[1])
        token = self.family.new_token(record)
        if self._known.is_second_hit(token_id):
            self._known.keep(token_id, (record, self.family.copy_of(token)))
        return token

    def _save(self, record: TokenRecord, token: Any) -> TokenRecord:
        """Save what a token of the SDK holds, and set its id; return what is stored."""
        given = _shift_expiry(self._in_its_domain(record), self._offset_ms)  # by Zoho's clock
        saved = (self._renewer or self.repository).save(given)
        token.set_id(saved.id)
        if given.access_token not in (None, saved.access_token):  # another process's newer one stays
            self.family.put(self._on_this_host(saved), token)
        return saved

    def _in_its_domain(self, record: TokenRecord) -> TokenRecord:
        """Return a record with the API domain of its row, if the SDK's tokens cannot hold it."""
        if self.family.has_api_domain or record.id is None:
            return record
        with suppress(BackendError):  # the save reports it, and keeps the token
            stored = self.repository.get(record.id)
            return record if stored is None else record.changed(api_domain=stored.api_domain)
        return record.changed(api_domain=None)

    def _delete(self, token_id: str) -> None:
        (self._renewer or self.repository).delete(token_id)

    def _log_in(self, token_id: str) -> TokenRecord | None:
        """Return what the SDK's own token is logged in as, for an id that is not in the store."""
        token = self.family.asking_token()
        query = None if token is None else self.family.record_of(token)
        if self._renewer is not None and query is not None and query.id == token_id:
            if query.access_token is None and self.repository.is_retired(token_id):
                raise RetiredIdError(
                    f"The token with the id {token_id!r} was deleted, and its id is never reused. Log in "
                    "without an id."
                )
            record = self._renewer.log_in(query, lambda: self.family.origin(token))
            if record is not None:
                return record
        may_be_missing = query is None or query.access_token is not None or self._renewer is None
        if self.family.accepts_missing_id and may_be_missing:
            return None
        raise TokenNotFoundError(f"There is no token with the id {token_id!r}. Log in again.")

    def _origin(self) -> Origin:
        return self.family.origin(self.family.asking_token())

    def _is_overdue(self, record: TokenRecord) -> bool:
        sessions = None if self._lifecycle is None else self._lifecycle.sessions
        return sessions is not None and sessions.is_overdue(record)

    @property
    def _offset_ms(self) -> int:
        return 0 if self._renewer is None else self._renewer.skew.offset_ms

    def _on_this_host(self, record: TokenRecord) -> TokenRecord:
        """Return a token whose expiry is right by this host's clock, which the SDK uses."""
        return _shift_expiry(record, -self._offset_ms)


def _shift_expiry(record: TokenRecord, by_ms: int) -> TokenRecord:
    if not by_ms or record.expires_at_ms is None:
        return record
    return record.changed(expires_at_ms=max(0, record.expires_at_ms + by_ms))
