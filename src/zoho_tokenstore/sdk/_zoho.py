"""The installed SDK: the names we use of it, and where its versions differ.

Every release from 5.0 on installs the same package `zohocrmsdk`, so there is one of them at most.
docs/explanation/sdk-behaviour.md tells what was seen of each.
"""

from __future__ import annotations

import sys
from importlib.metadata import PackageNotFoundError, version
from types import CodeType, FrameType
from typing import Final

from zoho_tokenstore.errors import MissingDependencyError

try:
    from zohocrmsdk.src.com.zoho.api.authenticator.oauth_token import OAuthToken
    from zohocrmsdk.src.com.zoho.api.authenticator.store import TokenStore
    from zohocrmsdk.src.com.zoho.crm.api.exception import SDKException
    from zohocrmsdk.src.com.zoho.crm.api.user_signature import UserSignature
except ModuleNotFoundError as error:
    raise MissingDependencyError(
        "Zoho's CRM SDK for Python (5.0 or newer) is not installed. Install the one you use, for example "
        "with: pip install zohocrmsdk8-0. Without it, use zoho_tokenstore.open_repository()."
    ) from error

__all__ = [
    "ACCEPTS_MISSING_ID",
    "OAuthToken",
    "SDKException",
    "TokenStore",
    "UserSignature",
    "is_asked_by_sdk",
]

_GET_TOKEN: Final[CodeType] = OAuthToken.get_token.__code__


def is_asked_by_sdk() -> bool:
    """Tell whether the SDK's `OAuthToken.get_token` is on the stack.

    It looks up, refreshes what has expired, and saves. An application that looks a token up
    directly does not refresh it, and nobody must wait for that. The SDK passes nothing by which a
    store could tell the two apart.
    """
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and frame.f_code is not _GET_TOKEN:
        frame = frame.f_back
    return frame is not None


def _accepts_missing_id() -> bool:
    try:
        return int(version("zohocrmsdk8-0").partition(".")[0]) >= 7
    except (PackageNotFoundError, ValueError):
        return False


ACCEPTS_MISSING_ID: Final = _accepts_missing_id()
"""Whether `find_token_by_id` may answer `None`: in SDK 8.0 from release 7.0.0 on. Older ones fail on it."""
