"""The installed SDK: the names we use from it, and where its versions differ.

Every release from 5.0 on installs the same package `zohocrmsdk`, so there is at most one.
docs/explanation/sdk-behaviour.md says what was observed of each.
"""

from __future__ import annotations

import contextlib
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Final

from zoho_tokenstore.errors import MissingDependencyError

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
        "with: pip install zohocrmsdk8-0. Without it, use zoho_tokenstore.open_tokens()."
    ) from error

__all__ = [
    "ACCEPTS_MISSING_ID",
    "CRM_VERSION",
    "PLACE",
    "Initializer",
    "OAuthToken",
    "SDKException",
    "Token",
    "TokenStore",
    "USDataCenter",
    "UserSignature",
    "environment_of",
    "may_move",
    "place_of",
]

PLACE: Final = "_zoho_tokenstore_place"
"""Where an initializer of `acting_as` keeps the environment that it has replaced by its user's."""


def place_of(initializer: Any) -> Any:
    """Return the environment that the application has chosen, for logins of which no other is known.

    In a block of `acting_as`, the SDK's own is that of the block's user, which says nothing of others.
    """
    return getattr(initializer, PLACE, initializer.environment)


def may_move(initializer: Any) -> bool:
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


CRM_VERSION: Final = _release()[0]

ACCEPTS_MISSING_ID: Final = _release() >= (8, 7)
"""Whether `find_token_by_id` may answer `None`: in SDK 8.0 from release 7.0.0 on. Older ones fail on it."""


def environment_of(url: str, accounts_url: str, file_url: str, name: str = "zoho") -> Any:
    """Return the SDK's environment of these addresses; in SDK 5 it has a name as well."""
    names = (name,) if CRM_VERSION == 5 else ()
    return DataCenter.Environment(url, accounts_url, file_url, *names)
