"""What the URLs of both backends share: ``scheme://region/name?endpoint_url=…&timeout=…``."""

from __future__ import annotations

import re
from typing import Final, NamedTuple
from urllib.parse import SplitResult, quote, unquote

from zoho_tokenstore._util.urls import options_of, parts_of, seconds
from zoho_tokenstore.errors import ConfigurationError

DEFAULT_TIMEOUT: Final = 10.0

_REGION: Final = re.compile(r"[a-z]{2,}(-[a-z]+)+-\d+")


class AWSAddress(NamedTuple):
    """What such a URL says; `options` has the rest, for the backend itself."""

    region: str | None
    name: str
    endpoint_url: str | None
    timeout: float
    options: dict[str, str]


def parse_url(parts: SplitResult, *known: str) -> AWSAddress:
    """Read a URL."""
    if parts.netloc and not _REGION.fullmatch(parts.netloc):
        # Not shown: it may hold credentials.
        raise ConfigurationError(
            f"Between {parts.scheme}:// and the next slash goes an AWS region, as in "
            f"{parts.scheme}://eu-central-1/name, or nothing: {parts.scheme}:///name uses boto3's. "
            "Credentials never go in the URL; boto3 finds them where AWS says."
        )
    options = options_of(parts, "endpoint_url", "timeout", *known)
    return AWSAddress(
        region=parts.netloc or None,
        name=unquote(parts.path[1:]),
        endpoint_url=options.pop("endpoint_url", None),
        timeout=seconds("timeout", options.pop("timeout", str(DEFAULT_TIMEOUT))),
        options=options,
    )


def check_endpoint(endpoint_url: str | None) -> None:
    """Raise a `ConfigurationError` if this is not an endpoint's URL, or contains a password."""
    if endpoint_url is None:
        return
    parts = parts_of(endpoint_url)
    if (
        parts is None
        or parts.scheme not in ("http", "https")
        or not parts.hostname
        or "@" in parts.netloc
        or parts.fragment
    ):
        raise ConfigurationError(
            "The endpoint_url must look like https://vpce-1a2b.dynamodb.eu-central-1.vpce.amazonaws.com, "
            "without user name and password."
        )


def location_of(scheme: str, region: str, name: str, endpoint_url: str | None) -> str:
    """Return the URL of a store, for people."""
    at = f"?endpoint_url={quote(endpoint_url, safe=':/')}" if endpoint_url else ""
    return f"{scheme}://{region}/{name}{at}"
