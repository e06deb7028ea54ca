"""The installed SDK: the names we use from it, and where its versions differ.

Every release from 5.0 on installs the same package `zohocrmsdk`, so there is at most one.
docs/explanation/sdk-behaviour.md says what was observed of each.
"""

from __future__ import annotations

import contextlib
import sys
from importlib.metadata import PackageNotFoundError, version
from types import CodeType, FrameType
from typing import Any, Final

from zoho_tokenstore.errors import MissingDependencyError
from zoho_tokenstore.renewal._steps import Origin

try:
    from zohocrmsdk.src.com.zoho.api.authenticator.oauth_token import OAuthToken
    from zohocrmsdk.src.com.zoho.api.authenticator.store import TokenStore
    from zohocrmsdk.src.com.zoho.api.authenticator.token import Token
    from zohocrmsdk.src.com.zoho.crm.api.dc import USDataCenter
    from zohocrmsdk.src.com.zoho.crm.api.dc.data_center import DataCenter
    from zohocrmsdk.src.com.zoho.crm.api.exception import SDKException
    from zohocrmsdk.src.com.zoho.crm.api.initializer import Initializer
    from zohocrmsdk.src.com.zoho.crm.api.user_signature import UserSignature
except ModuleNotFoundError as error:
    raise MissingDependencyError(
        "Zoho's CRM SDK for Python (5.0 or newer) is not installed. Install the one you use, for example "
        "with: pip install zohocrmsdk8-0. Without it, use zoho_tokenstore.open_repository()."
    ) from error

__all__ = [
    "ACCEPTS_MISSING_ID",
    "Initializer",
    "OAuthToken",
    "SDKException",
    "Token",
    "TokenStore",
    "USDataCenter",
    "UserSignature",
    "asking_token",
    "environment_of",
    "origin",
]

_GET_TOKEN: Final[CodeType] = OAuthToken.get_token.__code__


def asking_token() -> Any:
    """Return the token for which the SDK's `OAuthToken.get_token` is running, or `None` if it is not.

    It passes nothing but an id to `find_token_by_id`, and continues with that token's own credentials if
    there is no such token in the store.
    """
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and frame.f_code is not _GET_TOKEN:
        frame = frame.f_back
    return None if frame is None else frame.f_locals.get("self")


def origin(token: Any = None) -> Origin:
    """Return where the SDK would send its own requests now, in this thread.

    It asks who a new login is if that token has no user and its `find_user`, which has no
    getter, is on; SDK 5 has none, and asks nobody.
    """
    initializer = Initializer.get_initializer()
    environment = None if initializer is None else initializer.environment
    asks = token is not None and token.get_user_signature() is None and getattr(token, _FIND_USER, False)
    return Origin(
        accounts_url=None if environment is None else environment.accounts_url,
        api_domain=None if environment is None else environment.url,
        crm_version=_CRM_VERSION if asks is True else None,
        may_move=_may_move(initializer),
    )


def _may_move(initializer: Any) -> bool:
    """Return whether the SDK's configuration lets Zoho's answers move a token to another API domain."""
    config = None if initializer is None else initializer.sdk_config
    update = getattr(config, "apply_api_domain_update", None)  # from SDK 7.0 on
    return update is None or bool(update())


def _release() -> tuple[int, int]:
    """Return the version of the CRM API that the installed SDK calls, and its own major release."""
    for crm_version in (8, 7, 6):
        with contextlib.suppress(PackageNotFoundError, ValueError):
            return crm_version, int(version(f"zohocrmsdk{crm_version}-0").partition(".")[0])
    return 5, 0


_CRM_VERSION: Final = _release()[0]
_FIND_USER: Final = "_OAuthToken__find_user"

ACCEPTS_MISSING_ID: Final = _release() >= (8, 7)
"""Whether `find_token_by_id` may answer `None`: in SDK 8.0 from release 7.0.0 on. Older ones fail on it."""


def environment_of(url: str, accounts_url: str, file_url: str, name: str = "zoho") -> Any:
    """Return the SDK's environment of these addresses; in SDK 5 it has a name as well."""
    names = (name,) if _CRM_VERSION == 5 else ()
    return DataCenter.Environment(url, accounts_url, file_url, *names)
