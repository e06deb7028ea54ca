"""The six methods of Zoho's `TokenStore`, over a repository."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, Final, NoReturn, Self

from zoho_tokenstore import _matching as matching
from zoho_tokenstore._arguments import checked
from zoho_tokenstore._policies import DEFAULT_POLICY, RefreshPolicy, SessionPolicy
from zoho_tokenstore._util.caches import SecondHitCache
from zoho_tokenstore.errors import ConfigurationError, RetiredIdError, TokenNotFoundError, TokenStoreError
from zoho_tokenstore.lifecycle._lifecycle import Lifecycle
from zoho_tokenstore.records import TokenRecord, not_an_id
from zoho_tokenstore.renewal._renewer import Renewer
from zoho_tokenstore.renewal._steps import Origin
from zoho_tokenstore.repository import TokenRepository
from zoho_tokenstore.sdk import _tokens as tokens
from zoho_tokenstore.sdk._failures import raises_sdk_errors, to_sdk_error
from zoho_tokenstore.sdk._zoho import ACCEPTS_MISSING_ID, TokenStore, asking_token, origin
from zoho_tokenstore.tokens import Tokens


class RepositoryStore(TokenStore):  # type: ignore[misc]  # the SDK has no types
    """A `TokenStore` for Zoho's CRM SDK 5.0, 6.0, 7.0 and 8.0.

    It may be shared by all threads. Its six methods raise what is both an `SDKException` and one of
    `zoho_tokenstore.errors`; besides those they name: `BackendError` if the storage fails,
    `InvalidTokenError` for anything that is not an `OAuthToken`, or not an id.

    Arguments:
        repository: the tokens.
        refresh: when tokens are refreshed, and by whom; `None` leaves every refresh to the SDK.
        sessions: how long logins last; by default until they are revoked.
        spool: a folder for tokens that could not be saved, which the next process then saves.

    Raises:
        ConfigurationError: an argument is of the wrong kind, or `spool` or `sessions` is given while
            `refresh` is `None`.
        BackendUnavailableError: others can write to the spool, or it cannot be read.
    """

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
        self.repository: Final = repository
        self._renewer = None if refresh is None else Renewer(repository, refresh, origin=_origin, spool=spool)
        self._lifecycle = None if self._renewer is None else Lifecycle(self._renewer, sessions, origin)
        self._get: Callable[[str], TokenRecord | None] = (self._renewer or repository).get
        # The repository returns the same record while nobody changed it: then its token is valid too.
        self._known: SecondHitCache[tuple[TokenRecord, Any]] = SecondHitCache()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.repository.location!r})"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def __reduce__(self) -> NoReturn:
        raise ConfigurationError(
            f"A {type(self).__name__} cannot be pickled or copied: it has connections and locks. "
            "Open it in each process, with the same arguments."
        )

    @raises_sdk_errors
    def find_token(self, token: Any) -> Any:
        """Return the passed token with its missing fields filled from the store, or `None`.

        Which stored token is meant: docs/explanation/matching.md. The caller's own fields stay. If there
        is none, and the SDK asks for a token with a code or a refresh token, it is logged in with
        that.
        """
        query = tokens.record_of(token)
        found = self._find(query, token)
        if found is None:
            return None
        filled = matching.fill(query, found)
        if query.id is None and not matching.is_same_login(query, found):
            filled = matching.yield_to(filled, found)  # the query's credentials were used for it
        tokens.put(self._on_this_host(filled), token)
        return token

    @raises_sdk_errors
    def save_token(self, token: Any) -> None:
        """Insert the token or update its owner's row, and set the id of the passed token.

        Raises:
            ConflictError: the token's id belongs to another user or client.
        """
        given = self._by_zohos_clock(tokens.record_of(token))
        saved = (self._renewer or self.repository).save(given)
        token.set_id(saved.id)
        if given.access_token not in (None, saved.access_token):  # another process's newer one stays
            tokens.put(self._on_this_host(saved), token)

    @raises_sdk_errors
    def delete_token(self, id: str) -> None:  # noqa: A002  # the SDK's name
        """Delete the token with this id; if there is none, nothing happens."""
        if not isinstance(id, str):
            raise not_an_id(id, "delete_token")
        (self._renewer or self.repository).delete(id)

    @raises_sdk_errors
    def get_tokens(self) -> list[Any]:
        """Return all tokens, but for those over a session limit."""
        return [tokens.new_token(record) for record in self.repository.scan() if not self._is_overdue(record)]

    @raises_sdk_errors
    def delete_tokens(self) -> None:
        """Delete all tokens, in one step if the storage can."""
        (self._renewer or self.repository).clear()

    def find_token_by_id(self, id: str) -> Any:  # noqa: A002  # the SDK's name
        """Return a new token with all stored fields.

        If there is none, but the SDK asks for its own token with a code or a refresh token,
        that is logged in under this id. Otherwise the answer is `None` if the installed SDK continues with
        the caller's own access token (8.0 from release 7.0.0 on).

        Raises:
            SDKTokenNotFoundError: there is none, and nothing to log in with.
            SDKRetiredIdError: a token with this id was deleted. The code was not used.
        """
        try:  # as in `raises_sdk_errors`, with one call less: this runs before every API call
            if not isinstance(id, str):
                raise not_an_id(id, "find_token_by_id")
            record = self._get(id)
            if record is None:
                record = self._log_in(id)
        except TokenStoreError as error:
            raise to_sdk_error(error) from error.__cause__
        return None if record is None else self._token(record, id)

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
        return Tokens(self._lifecycle, accounts_url=origin().accounts_url)

    def initialize_sdk(self, environment: Any = None, **options: Any) -> None:
        """Initialize Zoho's SDK with this store, and with nobody as its user.

        For programs of many users: calls of the SDK are then made in blocks of `tokens.acting_as`, and fail
        outside of them, instead of being made as whoever came first.

        Arguments:
            environment: the SDK's environment of logins whose API domain is not one of Zoho's, such as those
                of the local Zoho; all others have that of their data centre. By default the production of the
                USA.
            options: other arguments of the SDK's `Initializer.initialize`, such as `resource_path` and
                `sdk_config`.
        """
        from zoho_tokenstore.sdk._acting import initialize_sdk

        initialize_sdk(self, environment, **options)

    def close(self) -> None:
        """Close the store. It cannot be used afterwards."""
        if self._renewer is not None:
            self._renewer.close()
        self.repository.close()
        self._known.clear()

    def _find(self, query: TokenRecord, token: Any) -> TokenRecord | None:
        if self._renewer is None:
            return self.repository.find(query)
        # What an application itself asks for is not a login.
        return self._renewer.find(query, lambda: origin(token), logs_in=asking_token() is token)

    def _log_in(self, token_id: str) -> TokenRecord | None:
        """Return what the SDK's own token is logged in as, for an id that is not in the store."""
        token = asking_token()
        query = None if token is None else tokens.record_of(token)
        if self._renewer is not None and query is not None and query.id == token_id:
            if query.access_token is None and self.repository.is_retired(token_id):
                raise RetiredIdError(
                    f"The token with the id {token_id!r} was deleted, and its id is never reused. Log in "
                    "without an id."
                )
            record = self._renewer.log_in(query, lambda: origin(token))
            if record is not None:
                return record
        if ACCEPTS_MISSING_ID and (query is None or query.access_token is not None or self._renewer is None):
            return None
        raise TokenNotFoundError(f"There is no token with the id {token_id!r}. Log in again.")

    def _token(self, record: TokenRecord, token_id: str) -> Any:
        known = self._known.get(token_id)
        if known is not None and known[0] is record:
            return tokens.copy_of(known[1])
        token = tokens.new_token(self._on_this_host(record))
        if self._known.is_second_hit(token_id) and not self._offset_ms:
            self._known.keep(token_id, (record, tokens.copy_of(token)))
        return token

    def _is_overdue(self, record: TokenRecord) -> bool:
        sessions = None if self._lifecycle is None else self._lifecycle.sessions
        return sessions is not None and sessions.is_overdue(record)

    @property
    def _offset_ms(self) -> int:
        return 0 if self._renewer is None else self._renewer.skew.offset_ms

    def _on_this_host(self, record: TokenRecord) -> TokenRecord:
        """Return a token whose expiry is right by this host's clock, which the SDK uses."""
        return _shift_expiry(record, -self._offset_ms)

    def _by_zohos_clock(self, record: TokenRecord) -> TokenRecord:
        return _shift_expiry(record, self._offset_ms)


def _origin() -> Origin:
    return origin(asking_token())


def _shift_expiry(record: TokenRecord, by_ms: int) -> TokenRecord:
    if not by_ms or record.expires_at_ms is None:
        return record
    return record.changed(expires_at_ms=max(0, record.expires_at_ms + by_ms))
