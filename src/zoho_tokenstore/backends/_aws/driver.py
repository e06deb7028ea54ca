"""All of boto3 that we use. It has no types: here it is told so once."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from boto3.session import Session  # type: ignore[import-untyped]
from botocore import exceptions  # type: ignore[import-untyped]
from botocore import session as core
from botocore.config import Config  # type: ignore[import-untyped]
from botocore.exceptions import BotoCoreError, ClientError  # type: ignore[import-untyped]
from botocore.parsers import ResponseParserError  # type: ignore[import-untyped]

__all__ = ["BotoCoreError", "ClientError", "Config", "ResponseParserError", "exceptions", "new_client"]


def new_client(service: str, **options: Any) -> Any:
    """Return a client of a session of its own, which looks for credentials anew."""
    session = core.get_session()
    session.register_component("data_loader", _loader())
    return Session(botocore_session=session).client(service, **options)


@lru_cache(maxsize=1)
def _loader() -> Any:
    """Return what reads boto3's descriptions of services: for one client that takes a tenth of a second."""
    return core.get_session().get_component("data_loader")
