"""Rows in a DynamoDB table: for processes on any number of hosts."""

from __future__ import annotations

import re
from typing import Any, Final, Self
from urllib.parse import SplitResult

from zoho_tokenstore._util.packages import needed_by
from zoho_tokenstore.backend import SupportsLeases
from zoho_tokenstore.errors import ConfigurationError

with needed_by("A DynamoDB store", "boto3", "dynamodb"):
    from zoho_tokenstore.backends._aws.calls import AWSCalls

from zoho_tokenstore.backends._aws import urls
from zoho_tokenstore.backends._aws.client import ServiceEndpoint
from zoho_tokenstore.backends.dynamodb._creation import create_table, open_table
from zoho_tokenstore.backends.dynamodb._leases import DynamoDBLeases
from zoho_tokenstore.backends.dynamodb._table import DynamoDBTable

__all__ = ["DynamoDBBackend"]

DEFAULT_TIMEOUT: Final = urls.DEFAULT_TIMEOUT

_NAME: Final = re.compile(r"[A-Za-z0-9_.-]{3,255}")
_SWITCH: Final = {"true": True, "false": False}


class DynamoDBBackend(DynamoDBTable, SupportsLeases):
    """The rows of a DynamoDB table, and their leases.

    Reads are strongly consistent, and a row is written in one transaction with what finds it. The
    credentials are those boto3 finds. Opening makes one request.

    Arguments:
        table: its name.
        region: the AWS region; by default the one that boto3 is configured for.
        endpoint_url: where to send requests instead of AWS's own address for the region.
        session: a boto3 or botocore session that has the credentials and the region; by default a
            new boto3 session.
        create: create the table if there is none, billed on demand, and wait until it can be used.
        timeout: how long one call may take, with all its requests and retries, in seconds.

    Raises:
        ConfigurationError: there is no such table, or it is not ours; no region is known;
            the session cannot be used.
        BackendError: the table was written by a newer release.
        BackendUnavailableError: it cannot be reached, or AWS denies access.
        BackendTimeoutError: AWS gave no answer in time, or is still creating the table.
    """

    def __init__(
        self,
        table: str,
        *,
        region: str | None = None,
        endpoint_url: str | None = None,
        session: Any = None,
        create: bool = False,
        timeout: float = DEFAULT_TIMEOUT,
    ) -> None:
        if not _NAME.fullmatch(table):
            raise ConfigurationError(
                "The name of a DynamoDB table has 3 to 255 letters, digits and _ . - characters."
            )
        calls = AWSCalls(ServiceEndpoint("dynamodb", region, endpoint_url, session), timeout=timeout)
        super().__init__(calls, table)
        self.location = urls.location_of("dynamodb", calls.region, table, endpoint_url)
        self.leases = DynamoDBLeases(calls, table)
        calls.subject = f"The token table {self.location}"
        try:
            if create:
                create_table(calls, table)
            open_table(calls, table)
        except BaseException:
            calls.close()
            raise

    @classmethod
    def from_url(cls, parts: SplitResult) -> Self:
        """Open ``dynamodb://region/table`` or ``dynamodb:///table``.

        The options are ``endpoint_url``, ``timeout`` and ``create`` (``true`` or ``false``).
        """
        address = urls.parse_url(parts, "create")
        create = _SWITCH.get(address.options.get("create", "false"))
        if create is None:
            raise ConfigurationError("The URL option create must be true or false.")
        return cls(
            address.name,
            region=address.region,
            endpoint_url=address.endpoint_url,
            create=create,
            timeout=address.timeout,
        )
