"""The store for the CRM SDK 2.0 and 2.1.

It is a `TokenStore` with that SDK's own methods. What they raise is also its `SDKException`.
"""

from __future__ import annotations

from typing import Any, ClassVar, Unpack

from zoho_tokenstore._arguments import checked
from zoho_tokenstore._options import StoreOptions
from zoho_tokenstore.errors import InvalidTokenError, MissingDependencyError
from zoho_tokenstore.records import TokenRecord, not_an_id
from zoho_tokenstore.registry import open_as
from zoho_tokenstore.renewal._steps import Origin
from zoho_tokenstore.sdk._base_store import BaseStore
from zoho_tokenstore.sdk._family import Family
from zoho_tokenstore.sdk._twins import make_twins, raises_sdk_errors

try:
    from zcrmsdk.src.com.zoho.api.authenticator.oauth_token import OAuthToken
    from zcrmsdk.src.com.zoho.api.authenticator.store import TokenStore
    from zcrmsdk.src.com.zoho.crm.api.exception import SDKException
    from zcrmsdk.src.com.zoho.crm.api.initializer import Initializer
    from zcrmsdk.src.com.zoho.crm.api.user_signature import UserSignature
except ModuleNotFoundError as error:
    raise MissingDependencyError(
        "Zoho's CRM SDK 2.0 or 2.1 for Python is not installed. Install the one you use, for example with: "
        "pip install zohocrmsdk2-1. The stores for SDK 5 to 8 are in zoho_tokenstore.sdk."
    ) from error

__all__ = ["RepositoryStore", "open_store"]


class CRM2Family(Family):
    """The CRM SDK 2.0 and 2.1. It has one user at a time, whom its tokens name by an address."""

    def origin(self, token: Any = None) -> Origin:  # noqa: ARG002  # its environment is that of all tokens
        """Return where the SDK would send its own requests now, in this thread; no answer moves it."""
        initializer = Initializer.get_initializer()
        environment = None if initializer is None else initializer.environment
        if environment is None:
            return Origin(may_move=False)
        return Origin(environment.accounts_url, environment.url, may_move=False)

    def user_of(self, token: Any) -> str | None:
        """Return the address of a token's user, or else that of the SDK's user."""
        mail = token.get_user_mail() or _mail_of(getattr(Initializer.get_initializer(), "user", None))
        return None if mail is None else str(mail)

    def put_user(self, token: Any, name: str) -> None:
        token.set_user_mail(name)


def _mail_of(user: Any) -> Any:
    if user is None:
        return None
    if not isinstance(user, UserSignature):
        raise InvalidTokenError(f"The user must be a UserSignature of zcrmsdk, not {type(user).__name__}.")
    return user.get_email()


class RepositoryStore(BaseStore, TokenStore):  # type: ignore[misc]  # the SDK has no types
    """A `TokenStore` for Zoho's CRM SDK 2.0 and 2.1.

    The SDK asks a store only while its own token has no access token, and refreshes by itself from then on.
    So look-ups return another token than the one that was passed, which is left without an access token:
    then the SDK asks before every call, and never refreshes.

    It may be shared by all threads. Its methods raise what is both an `SDKException` and one of
    `zoho_tokenstore.errors`; besides those they name: `BackendError` if the storage fails,
    `InvalidTokenError` for anything that is not an `OAuthToken`, a `UserSignature` or an id.

    The arguments and errors are those of `zoho_tokenstore.RepositoryStore`.
    """

    family: ClassVar[Family] = CRM2Family(
        "zcrmsdk",
        OAuthToken,
        UserSignature,
        OAuthToken.authenticate,
        make_twins(SDKException, __name__),
        accepts_missing_id=True,
    )

    @raises_sdk_errors
    def get_token(self, user: Any, token: Any) -> Any:
        """Return a new token for a user and their partial token, or `None`.

        Which stored token is meant: docs/explanation/matching.md. The passed token learns its id. If there
        is none, and the SDK asks for a token with a code or a refresh token, it is logged in with that.
        """
        found = self._find(self._record(user, token), token)
        if found is None:
            return None
        self.family.put_owner(found, token)
        return self.family.new_token(found)

    @raises_sdk_errors
    def get_token_by_id(self, id: str, token: Any) -> Any:  # noqa: A002  # the SDK's name
        """Return a new token with all stored fields.

        If there is none, but the SDK asks for its own token with a code or a refresh token, that is logged
        in under this id. Asked by anybody else, or with `refresh=None`, the answer is `None`.

        Raises:
            TokenNotFoundError: there is none, and nothing to log in with.
            RetiredIdError: a token with this id was deleted. The code was not used.
        """
        if not isinstance(id, str):
            raise not_an_id(id, "get_token_by_id")
        self.family.record_of(token)
        return self._by_id(id)

    @raises_sdk_errors
    def save_token(self, user: Any, token: Any) -> None:
        """Insert a user's token or update their row, and set the id and the user of the passed token.

        Raises:
            ConflictError: the token's id belongs to another user or client.
        """
        saved = self._save(self._record(user, token), token)
        if saved.user_name is not None:
            token.set_user_mail(saved.user_name)

    @raises_sdk_errors
    def delete_token(self, token: Any) -> None:
        """Delete the login that a token means, by its id if it has one; if there is none, nothing happens."""
        query = self.family.record_of(token)
        if query.id is not None:
            self._delete(query.id)
            return
        if self._renewer is not None:  # one that waits for its first save has no id either
            self._renewer.pending_saves.forget_meant(query)
        found = self.repository.find(query)
        if found is not None and found.id is not None:
            self._delete(found.id)

    def _record(self, user: Any, token: Any) -> TokenRecord:
        """Return what a token of a user holds; without a user, it is the token's own."""
        record, mail = self.family.record_of(token), _mail_of(user)
        return record if mail is None else record.changed(user_name=mail)


@checked
def open_store(url: str | None = None, **options: Unpack[StoreOptions]) -> RepositoryStore:
    """Open the tokens at a URL as a `TokenStore` for the CRM SDK 2.0 and 2.1.

    The arguments and errors are those of `zoho_tokenstore.open_store`.
    """
    return open_as(RepositoryStore, url, **options)
