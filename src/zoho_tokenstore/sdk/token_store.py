"""The six methods of Zoho's `TokenStore`, over a repository."""

from __future__ import annotations

from typing import Any, Final, NoReturn, Self

from zoho_tokenstore import matching
from zoho_tokenstore.arguments import checked
from zoho_tokenstore.coordinator import Coordinator
from zoho_tokenstore.errors import ConfigurationError, TokenNotFoundError, TokenStoreError
from zoho_tokenstore.policies import DEFAULT_POLICY, RefreshPolicy
from zoho_tokenstore.records import Recent, TokenRecord, not_an_id
from zoho_tokenstore.repository import TokenRepository
from zoho_tokenstore.sdk import tokens
from zoho_tokenstore.sdk._zoho import ACCEPTS_MISSING_ID, TokenStore, is_asked_by_sdk
from zoho_tokenstore.sdk.failures import raises_sdk_errors, sdk_error
from zoho_tokenstore.sdk.identity import Lookup


class RepositoryStore(TokenStore):  # type: ignore[misc]  # the SDK has no types
    """A `TokenStore` for Zoho's CRM SDK 5.0, 6.0, 7.0 and 8.0.

    It may be shared by all threads. What its six methods raise is an `SDKException` as well as one of
    `zoho_tokenstore.errors`; beside what they name: `BackendError` if the storage fails,
    `InvalidTokenError` for anything that is no `OAuthToken`, or no id.

    Arguments:
        repository: the tokens.
        refresh: when tokens are refreshed, and by whom; `None` leaves every refresh to the SDK.

    Raises:
        ConfigurationError: an argument is of the wrong kind.
    """

    @checked
    def __init__(
        self, repository: TokenRepository, *, refresh: RefreshPolicy | None = DEFAULT_POLICY
    ) -> None:
        if not isinstance(repository, TokenRepository):
            raise ConfigurationError(
                f"RepositoryStore: repository must be a TokenRepository, not {type(repository).__name__}. "
                "For a URL there is open_store, for a backend TokenRepository(backend)."
            )
        self.repository: Final = repository
        self._service = (
            repository if refresh is None else Coordinator(repository, refresh, is_refresher=is_asked_by_sdk)
        )
        # The repository hands out the same record while nobody changed it: then its token holds too.
        self._known: Recent[tuple[TokenRecord, Any]] = Recent()
        self._lookup = Lookup()

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

        Which stored token is meant: docs/explanation/matching.md. The caller's own fields stay.
        """
        query = tokens.record_of(token)
        found = self._service.find(query)
        if found is not None:
            tokens.put(matching.fill(query, found), token)
        self._lookup.ended(token)
        return None if found is None else token

    @raises_sdk_errors
    def save_token(self, token: Any) -> None:
        """Insert the token or update its owner's row, and set the id of the passed token.

        Raises:
            ConflictError: the token's id is that of another user or client.
        """
        given = tokens.record_of(token)
        saved = self._service.save(given, identified=self._lookup.is_identified(token))
        token.set_id(saved.id)
        if given.access_token not in (None, saved.access_token):  # another process's newer one stays
            tokens.put(saved, token)

    @raises_sdk_errors
    def delete_token(self, id: str) -> None:  # noqa: A002  # the SDK's name
        """Delete the token with this id; if there is none, nothing happens."""
        if not isinstance(id, str):
            raise not_an_id(id, "delete_token")
        self._service.delete(id)

    @raises_sdk_errors
    def get_tokens(self) -> list[Any]:
        """Return all tokens."""
        return [tokens.new_token(record) for record in self.repository.scan()]

    @raises_sdk_errors
    def delete_tokens(self) -> None:
        """Delete all tokens, in one step where the storage can."""
        self._service.clear()

    def find_token_by_id(self, id: str) -> Any:  # noqa: A002  # the SDK's name
        """Return a new token with all stored fields.

        If there is none, the answer is `None` where the installed SDK goes on with the caller's
        own credentials (8.0 from release 7.0.0 on).

        Raises:
            SDKTokenNotFoundError: there is none, and the installed SDK cannot take `None`.
        """
        try:  # as `raises_sdk_errors` does, without a call more: this runs before every API call
            if not isinstance(id, str):
                raise not_an_id(id, "find_token_by_id")
            record = self._service.get(id)
        except TokenStoreError as error:
            raise sdk_error(error) from error.__cause__
        if record is not None:
            return self._token(record, id)
        self._lookup.forget()
        if ACCEPTS_MISSING_ID:
            return None
        raise sdk_error(TokenNotFoundError(f"There is no token with the id {id!r}. Log in again."))

    def close(self) -> None:
        """Close the store. It cannot be used afterwards."""
        if isinstance(self._service, Coordinator):
            self._service.close()
        self.repository.close()
        self._known.clear()

    def _token(self, record: TokenRecord, token_id: str) -> Any:
        known = self._known.get(token_id)
        if known is not None and known[0] is record:
            return tokens.copy_of(known[1])
        token = tokens.new_token(record)
        if record.user_name is None:
            self._lookup.ended(token)
            return token
        if self._known.is_asked_again(token_id):
            self._known.keep(token_id, (record, tokens.copy_of(token)))
        return token
