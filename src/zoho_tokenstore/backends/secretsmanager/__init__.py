"""Rows in AWS Secrets Manager, one secret each: for when policy puts secrets there."""

from __future__ import annotations

from typing import Any, Final, Self
from urllib.parse import SplitResult

from zoho_tokenstore._util.packages import needed_by
from zoho_tokenstore.errors import BackendError

with needed_by("A Secrets Manager store", "boto3", "secretsmanager"):
    from zoho_tokenstore.backends._aws.calls import AWSCalls

from zoho_tokenstore.backends._aws import urls
from zoho_tokenstore.backends._aws.client import ServiceEndpoint
from zoho_tokenstore.backends.secretsmanager._secret_names import LAYOUT, SecretNames
from zoho_tokenstore.backends.secretsmanager._table import SecretsManagerTable

__all__ = ["SecretsManagerBackend"]

DEFAULT_TIMEOUT: Final = urls.DEFAULT_TIMEOUT


class SecretsManagerBackend(SecretsManagerTable):
    """Rows below a prefix of AWS Secrets Manager.

    It has compare-and-set for each row, but no leases: one refresh at a time holds only among the threads
    of a process. The store's page says what AWS cannot promise. The credentials are those
    boto3 finds. Opening makes one request.

    Arguments:
        prefix: the beginning of all this store's secret names, before a slash.
        region: the AWS region; by default the one that boto3 is configured for.
        endpoint_url: where to send requests instead of AWS's own address for the region.
        session: a boto3 or botocore session that has the credentials and the region; by default a
            new boto3 session.
        kms_key_id: the key that encrypts new secrets; by default ``aws/secretsmanager``.
        timeout: how long one call may take, with all its requests and retries, in seconds.

    Raises:
        ConfigurationError: the prefix or the session cannot be used; no region is known.
        BackendError: the secrets were written by a newer release.
        BackendUnavailableError: AWS cannot be reached, or denies access.
        BackendTimeoutError: AWS gave no answer in time.
    """

    def __init__(
        self,
        prefix: str,
        *,
        region: str | None = None,
        endpoint_url: str | None = None,
        session: Any = None,
        kms_key_id: str | None = None,
        timeout: float = DEFAULT_TIMEOUT,
    ) -> None:
        names = SecretNames(prefix)
        calls = AWSCalls(ServiceEndpoint("secretsmanager", region, endpoint_url, session), timeout=timeout)
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
        address = urls.parse_url(parts, "kms_key_id")
        return cls(
            address.name,
            region=address.region,
            endpoint_url=address.endpoint_url,
            kms_key_id=address.options.get("kms_key_id"),
            timeout=address.timeout,
        )

    def _check_layout(self) -> None:
        """Check that AWS answers, and that no release with another layout has left a note."""
        secret = self._secrets.read(self._names.store, self._calls.deadline())
        layout = LAYOUT if secret is None else secret.require_content().get("layout")
        if layout != LAYOUT:
            raise BackendError(
                f"{self._calls.subject} has layout {layout}; this release knows {LAYOUT}. "
                "Upgrade zoho-tokenstore to open it."
            )
