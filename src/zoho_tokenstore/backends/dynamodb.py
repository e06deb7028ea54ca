"""Rows in a DynamoDB table: for processes on any number of hosts."""

from __future__ import annotations

import re
from typing import Final, Self
from urllib.parse import SplitResult

from zoho_tokenstore.errors import ConfigurationError, MissingDependencyError

try:
    from zoho_tokenstore.backends._aws.calls import Calls
except ModuleNotFoundError as error:
    raise MissingDependencyError(
        "A DynamoDB store needs boto3, which is not installed. "
        'Install it with: pip install "zoho-tokenstore[dynamodb]".'
    ) from error

from zoho_tokenstore.backends._aws import urls
from zoho_tokenstore.backends._aws.client import Place
from zoho_tokenstore.backends._dynamodb.creation import create_table, open_table
from zoho_tokenstore.backends._dynamodb.leases import DynamoDBLeases
from zoho_tokenstore.backends._dynamodb.table import Table

DEFAULT_TIMEOUT: Final = urls.DEFAULT_TIMEOUT

_NAME: Final = re.compile(r"[A-Za-z0-9_.-]{3,255}")
_YES: Final = {"true": True, "false": False}


class DynamoDBBackend(Table):
    """The rows of a DynamoDB table, and the leases beside them.

    Reads are strongly consistent, and a row is written in one transaction with what finds it. The
    credentials are those that boto3 finds. Opening makes one request.

    Arguments:
        table: its name.
        region: the AWS region; by default the one that boto3 is configured for.
        endpoint_url: where to send requests instead of AWS's own address for the region.
        create: create the table if there is none, billed on demand, and wait until it can be used.
        timeout: how long one call may take, with all its requests and repetitions, in seconds.

    Raises:
        ConfigurationError: there is no such table, or it is not one of ours; no region is known.
        BackendError: the table was written by a newer release.
        BackendUnavailableError: it cannot be reached, or AWS does not let us.
        BackendTimeoutError: AWS gave no answer in time, or is still creating the table.
    """

    def __init__(
        self,
        table: str,
        *,
        region: str | None = None,
        endpoint_url: str | None = None,
        create: bool = False,
        timeout: float = DEFAULT_TIMEOUT,
    ) -> None:
        if not _NAME.fullmatch(table):
            raise ConfigurationError(
                "The name of a DynamoDB table has 3 to 255 letters, digits and _ . - characters."
            )
        urls.check_endpoint(endpoint_url)
        calls = Calls(Place("dynamodb", region, endpoint_url), timeout=timeout)
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
        address = urls.address_of(parts, "create")
        create = _YES.get(address.options.get("create", "false"))
        if create is None:
            raise ConfigurationError("The URL option create is true or false.")
        return cls(
            address.name,
            region=address.region,
            endpoint_url=address.endpoint_url,
            create=create,
            timeout=address.timeout,
        )
