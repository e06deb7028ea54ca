"""Rows in AWS Secrets Manager, a secret each: where policy says that secrets live there."""

from __future__ import annotations

from typing import Final, Self
from urllib.parse import SplitResult

from zoho_tokenstore.errors import BackendError, MissingDependencyError

try:
    from zoho_tokenstore.backends._aws.calls import Calls
except ModuleNotFoundError as error:
    raise MissingDependencyError(
        "A Secrets Manager store needs boto3, which is not installed. "
        'Install it with: pip install "zoho-tokenstore[secretsmanager]".'
    ) from error

from zoho_tokenstore.backends._aws import urls
from zoho_tokenstore.backends._aws.client import Place
from zoho_tokenstore.backends._secretsmanager.names import LAYOUT, Names
from zoho_tokenstore.backends._secretsmanager.table import Table

DEFAULT_TIMEOUT: Final = urls.DEFAULT_TIMEOUT


class SecretsManagerBackend(Table):
    """Rows below a prefix of AWS Secrets Manager.

    It has compare-and-set for each row, and no leases: one refresh at a time holds among the threads
    of a process. What AWS cannot promise is on the store's page. The credentials are those that
    boto3 finds. Opening makes one request.

    Arguments:
        prefix: what the names of all secrets of this store begin with, before a slash.
        region: the AWS region; by default the one that boto3 is configured for.
        endpoint_url: where to send requests instead of AWS's own address for the region.
        kms_key_id: the key that encrypts new secrets; by default ``aws/secretsmanager``.
        timeout: how long one call may take, with all its requests and repetitions, in seconds.

    Raises:
        ConfigurationError: the prefix cannot be used; no region is known.
        BackendError: the secrets were written by a newer release.
        BackendUnavailableError: AWS cannot be reached, or does not let us.
        BackendTimeoutError: AWS gave no answer in time.
    """

    def __init__(
        self,
        prefix: str,
        *,
        region: str | None = None,
        endpoint_url: str | None = None,
        kms_key_id: str | None = None,
        timeout: float = DEFAULT_TIMEOUT,
    ) -> None:
        names = Names(prefix)
        urls.check_endpoint(endpoint_url)
        calls = Calls(Place("secretsmanager", region, endpoint_url), timeout=timeout)
        super().__init__(calls, names, kms_key_id)
        self.location = urls.location_of("secretsmanager", calls.region, prefix, endpoint_url)
        calls.subject = f"The secret store {self.location}"
        try:
            self._check_layout()
        except BaseException:
            calls.close()
            raise

    @classmethod
    def from_url(cls, parts: SplitResult) -> Self:
        """Open ``secretsmanager://region/prefix`` or ``secretsmanager:///prefix``.

        The options are ``endpoint_url``, ``kms_key_id`` and ``timeout``.
        """
        address = urls.address_of(parts, "kms_key_id")
        return cls(
            address.name,
            region=address.region,
            endpoint_url=address.endpoint_url,
            kms_key_id=address.options.get("kms_key_id"),
            timeout=address.timeout,
        )

    def _check_layout(self) -> None:
        """See that AWS answers, and that no release with another layout has left a note that says so."""
        cell = self._cells.read(self._names.store, self._calls.deadline())
        layout = LAYOUT if cell is None else cell.written().get("layout")
        if layout != LAYOUT:
            raise BackendError(
                f"{self._calls.subject} has layout {layout}; this release knows {LAYOUT}. "
                "Upgrade zoho-tokenstore to open it."
            )
