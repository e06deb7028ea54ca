"""One of Zoho's SDKs: how its tokens are made and read, and where it works at the moment.

The stores are the same for all of them; what differs is here, and in a subclass for each of them.
"""

from __future__ import annotations

import sys
from abc import ABC, abstractmethod
from collections.abc import Callable
from types import CodeType, FrameType
from typing import Any, Final

from zoho_tokenstore.errors import InvalidTokenError
from zoho_tokenstore.records import TokenRecord
from zoho_tokenstore.renewal._steps import Origin
from zoho_tokenstore.sdk._twins import Twins


class Family(ABC):
    """One of Zoho's SDKs. A subclass says where it works.

    Arguments:
        package: the name of what is imported.
        token_class: the class of its tokens.
        user_signature: the class of its users.
        asks: the method in which it asks a store for the token of an API call.
        twins: our errors as its own exceptions.
        accepts_missing_id: whether a look-up by id may return `None`.
    """

    def __init__(
        self,
        package: str,
        token_class: Any,
        user_signature: Any,
        asks: Callable[..., object],
        twins: Twins,
        *,
        accepts_missing_id: bool = False,
    ) -> None:
        self.package: Final = package
        self.token_class: Final = token_class
        self.user_signature: Final = user_signature
        self.twins: Final = twins
        self.has_api_domain: Final = hasattr(token_class, "set_api_domain")
        self.accepts_missing_id = accepts_missing_id
        self._asks: Final[CodeType] = asks.__code__

    @abstractmethod
    def origin(self, token: Any = None) -> Origin:
        """Return where the SDK would send its own requests for a token now, in this thread."""

    def user_of(self, token: Any) -> str | None:
        """Return the name of a token's user."""
        signature = token.get_user_signature()
        return None if signature is None else signature.get_name()

    def put_user(self, token: Any, name: str) -> None:
        """Set the name of a token's user."""
        token.set_user_signature(self.user_signature(name))

    def api_domain_of(self, token: Any) -> str | None:
        """Return the API domain of a token; of one that cannot hold it, that of the SDK's environment."""
        domain: str | None = token.get_api_domain() if self.has_api_domain else self.origin(token).api_domain
        return domain

    def asking_token(self) -> Any:
        """Return the token for which the SDK is asking a store now, or `None` if it is not."""
        frame: FrameType | None = sys._getframe(1)
        while frame is not None and frame.f_code is not self._asks:
            frame = frame.f_back
        return None if frame is None else frame.f_locals.get("self")

    def record_of(self, token: Any) -> TokenRecord:
        """Return what an SDK token holds."""
        if not isinstance(token, self.token_class):
            raise InvalidTokenError(
                f"A store keeps {self.token_class.__name__} objects of the installed {self.package}, not "
                f"{type(token).__name__}."
            )
        return TokenRecord(
            id=token.get_id(),
            user_name=self.user_of(token),
            client_id=token.get_client_id(),
            client_secret=token.get_client_secret(),
            refresh_token=token.get_refresh_token(),
            access_token=token.get_access_token(),
            grant_token=token.get_grant_token(),
            expires_at_ms=_milliseconds(token.get_expires_in()),
            redirect_url=token.get_redirect_url(),
            api_domain=self.api_domain_of(token),
        )

    def put(self, record: TokenRecord, token: Any) -> None:
        """Write a record's fields into an SDK token.

        Its tokens and their expiry are written as they are, even missing ones: they are one login. Any
        other field that is missing in the record is left alone.
        """
        self.put_owner(record, token)
        token.set_access_token(record.access_token)
        token.set_expires_in(None if record.expires_at_ms is None else str(record.expires_at_ms))
        token.set_refresh_token(record.refresh_token)
        token.set_grant_token(record.grant_token)

    def put_owner(self, record: TokenRecord, token: Any) -> None:
        """Write a record's fields into an SDK token, but for those of the login."""
        for setter, value in (
            (token.set_id, record.id),
            (token.set_client_id, record.client_id),
            (token.set_client_secret, record.client_secret),
            (token.set_redirect_url, record.redirect_url),
        ):
            if value is not None:
                setter(value)
        if record.user_name is not None:
            self.put_user(token, record.user_name)
        if record.api_domain is not None and self.has_api_domain:
            token.set_api_domain(record.api_domain)

    def new_token(self, record: TokenRecord) -> Any:
        """Return a complete, independent SDK token for a stored record."""
        token = self.token_class(  # by position, which is the same in all SDKs: by name takes a third longer
            record.client_id,
            record.client_secret,
            record.grant_token,
            record.refresh_token,
            record.redirect_url,
            record.id,
            record.access_token,
        )
        if record.user_name is not None:
            self.put_user(token, record.user_name)
        if record.api_domain is not None and self.has_api_domain:
            token.set_api_domain(record.api_domain)
        if record.expires_at_ms is not None:
            token.set_expires_in(str(record.expires_at_ms))
        return token

    def copy_of(self, token: Any) -> Any:
        """Return a token with the same attributes, in a third of the constructor's time.

        The values are immutable, so they are shared. Never one that the SDK has used: it leaves bound
        methods in the attributes.
        """
        copy = self.token_class.__new__(self.token_class)
        copy.__dict__.update(token.__dict__)
        return copy


def _milliseconds(expires_in: Any) -> int | None:
    """Read `expires_in`, which the SDK keeps as `None`, an empty string or decimal milliseconds."""
    if expires_in is None or expires_in == "":
        return None
    try:
        return int(expires_in)
    except (TypeError, ValueError):
        raise InvalidTokenError("expires_in must be a string of epoch milliseconds, or None.") from None
