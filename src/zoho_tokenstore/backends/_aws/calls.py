"""Calls of an AWS service in bounded time: retried where that helps, failures mapped to our errors."""

from __future__ import annotations

import uuid
from collections.abc import Collection
from typing import Any, Final

from zoho_tokenstore._util.deadlines import Deadline
from zoho_tokenstore.backends._aws import failures
from zoho_tokenstore.backends._aws.client import AWSClient, ServiceEndpoint
from zoho_tokenstore.backends._aws.driver import BotoCoreError, ClientError, ResponseParserError
from zoho_tokenstore.backends._aws.failures import AWSFailure, Kind
from zoho_tokenstore.errors import BackendTimeoutError, ConfigurationError

_FIRST_DELAY: Final = 0.02
_LONGEST_DELAY: Final = 0.5
_MAX_TRIES_AFTER_FAULTS: Final = 3


class Refusal(Exception):  # an answer the caller asked for, not an error
    """AWS refused, in a way the caller expects.

    `code` is AWS's; `reasons` says why, for each action of a transaction. If `unclear`, an earlier
    try of the same request got no answer, and may be the reason.
    """

    def __init__(self, failure: AWSFailure, *, unclear: bool) -> None:
        super().__init__(failure.code)
        self.code = failure.code
        self.error = failure.error
        self.reasons = failure.reasons
        self.unclear = unclear


class AWSCalls:
    """The calls of one backend.

    A call ends within `timeout`, however many requests it takes: each may take a quarter of it to
    connect and another quarter to be answered, so none begins in the second half. (Name resolution is
    extra, as is a name with several addresses whose first ones are down.)
    """

    def __init__(self, endpoint: ServiceEndpoint, *, timeout: float) -> None:
        if not 0 < timeout < float("inf"):
            raise ConfigurationError("The timeout of a store must be a number of seconds above zero.")
        self.timeout = timeout
        self.subject = f"The {endpoint.service} store"
        self._client = AWSClient(endpoint, timeout=timeout / 4)
        self.check_open = self._client.check_open
        self.close = self._client.close

    @property
    def region(self) -> str:
        """The region actually used."""
        try:
            return self._client.region
        except (BotoCoreError, ValueError) as error:
            raise ConfigurationError(
                f"{self.subject} cannot be set up ({error}). Name the region and the endpoint in the URL, "
                "or in boto3's own configuration."
            ) from error

    def deadline(self) -> Deadline:
        """Return a new deadline, for all requests of one call."""
        return Deadline(self.timeout / 2, first_delay=_FIRST_DELAY, longest_delay=_LONGEST_DELAY)

    def call(
        self,
        operation: str,
        deadline: Deadline | None = None,
        *,
        refusals: Collection[str] = (),
        once: bool = False,
        **parameters: Any,
    ) -> dict[str, Any]:
        """Return what AWS answers to one request.

        Throttled requests and conflicting transactions are resent, after pauses, until the
        deadline; unanswered ones a few times.

        Arguments:
            operation: the name of boto3's method.
            deadline: that of the call this request belongs to; by default a new one.
            refusals: AWS's codes that are not failures here.
            once: send a `ClientRequestToken`, by which AWS recognises a repeat. After a try that may
                have been carried out it is kept; otherwise the next try is sent as a new request.
            parameters: the method's.

        Raises:
            Refusal: AWS answered with one of `refusals`.
            BackendError: anything else.
        """
        deadline = deadline or self.deadline()
        self._check_time(deadline)
        unclear, faults = False, 0
        while True:
            if once and not unclear:
                parameters["ClientRequestToken"] = str(uuid.uuid4())
            outcome = self._try(operation, parameters)
            if not isinstance(outcome, AWSFailure):
                return outcome
            if outcome.code in refusals:
                raise Refusal(outcome, unclear=unclear)
            if outcome.kind is Kind.FAULT:
                unclear, faults = True, faults + 1
            if not self._may_retry(outcome, faults) or not deadline.delay():
                error = failures.map_failure(outcome, self.subject, operation, self.timeout, unclear=unclear)
                raise error from failures.cause_of(outcome)

    def pause(self, deadline: Deadline) -> None:
        """Wait before the caller retries by itself, or raise a `BackendTimeoutError`: no time is left."""
        if not deadline.delay():
            raise self._timeout_error()

    def _timeout_error(self) -> BackendTimeoutError:
        """Return the error for a call whose time is up between its requests."""
        return BackendTimeoutError(
            f"{self.subject} did not finish within {self.timeout:g} s. What was done stays done; try again "
            "later."
        )

    def _check_time(self, deadline: Deadline) -> None:
        if deadline.has_passed():
            raise self._timeout_error()

    def _try(self, operation: str, parameters: dict[str, Any]) -> dict[str, Any] | AWSFailure:
        try:
            answer = self._client.send(operation, parameters)
        except (ClientError, BotoCoreError, ResponseParserError, UnicodeError) as error:
            failure = failures.classify_error(error)
            if failure.kind is Kind.CREDENTIALS:
                self._client.forget()
            return failure
        if "RequestId" not in answer.get("ResponseMetadata", {}):
            # boto3 mistakes any page from a proxy or portal for an empty answer: "there is no such row".
            return failures.classify_error(failures.NotAWSError("The answer has no AWS request id."))
        return answer

    def _may_retry(self, failure: AWSFailure, faults: int) -> bool:
        return failure.kind is Kind.BUSY or (failure.kind is Kind.FAULT and faults < _MAX_TRIES_AFTER_FAULTS)
