"""Whether it was Zoho that named a token's user, or the application."""

from __future__ import annotations

import threading
import weakref
from typing import Any, Final

from zoho_tokenstore.sdk._zoho import is_asked_by_sdk

_FIND_USER: Final = "_OAuthToken__find_user"
"""Where the SDK keeps its `find_user`, for which it has no getter. SDK 5 has none, and asks nobody."""


class Lookup(threading.local):
    """The last look-up of a thread that left a token without a user.

    For such a token the SDK asks Zoho whose it is, and saves the same object, in the same call. A name
    that the object had before, or that came in any other way, is only what the application says.
    """

    _token: weakref.ref[Any] | None = None
    _id: str | None = None

    def ended(self, token: Any) -> None:
        """Note what a look-up leaves the SDK with."""
        self._token = weakref.ref(token) if token.get_user_signature() is None else None
        self._id = token.get_id()

    def forget(self) -> None:
        """Forget it: the SDK goes on with an object that was not looked up."""
        self._token = None

    def is_identified(self, token: Any) -> bool:
        """Tell whether Zoho named the user of a token that is being saved. It is asked once."""
        reference, self._token = self._token, None
        looked_up: Any = None if reference is None else reference()
        if token is not looked_up:
            return False
        return (
            token.get_id() == self._id
            and token.get_user_signature() is not None
            and getattr(token, _FIND_USER, False) is True
            and is_asked_by_sdk()
        )
