"""Calls of an AWS service in bounded time: tried again where that helps, failures told as ours."""

from __future__ import annotations

import random
import time
import uuid
from collections.abc import Collection
from typing import Any, Final

from zoho_tokenstore.backends._aws import failures
from zoho_tokenstore.backends._aws.client import Client, Place
from zoho_tokenstore.backends._aws.driver import BotoCoreError, ClientError, ResponseParserError
from zoho_tokenstore.backends._aws.failures import Failure, Kind
from zoho_tokenstore.errors import BackendTimeoutError, ConfigurationError

_SHORTEST_PAUSE: Final = 0.02
_LONGEST_PAUSE: Final = 0.5
_TRIES_AFTER_FAULTS: Final = 3


class Refusal(Exception):  # an answer that the caller has asked for, not an error
    """AWS refused, in a way that the caller expects.

    `code` is AWS's, `reasons` tells for each action of a transaction why. If `unclear`, an earlier
    try of the same request got no answer, and may be the reason for this one.
    """

    def __init__(self, failure: Failure, *, unclear: bool) -> None:
        super().__init__(failure.code)
        self.code = failure.code
        self.error = failure.error
        self.reasons = failure.reasons
        self.unclear = unclear


class Deadline:
    """Until when a call may begin another try, and how long it pauses before each."""

    def __init__(self, seconds: float) -> None:
        self._ends = time.monotonic() + seconds
        self._pause = _SHORTEST_PAUSE

    def half(self) -> Deadline:
        """Return a deadline that leaves half of the time for what comes after."""
        return Deadline(self.left() / 2)

    def left(self) -> float:
        """Return how many seconds there are left."""
        return max(0.0, self._ends - time.monotonic())

    def is_over(self) -> bool:
        """Tell whether nothing more may begin."""
        return time.monotonic() > self._ends

    def pause(self) -> bool:
        """Wait for a random time, longer each time; return whether there is time for another try."""
        pause = self._pause * random.uniform(0.5, 1.0)  # noqa: S311  # jitter against lockstep
        if time.monotonic() + pause > self._ends:
            return False
        time.sleep(pause)
        self._pause = min(self._pause * 2, _LONGEST_PAUSE)
        return True


class Calls:
    """The calls of one backend.

    A call ends within `timeout`, however many requests it takes: a quarter of it is the most that
    one request may take to connect, another quarter to be answered; so none begins in the second
    half. (Name resolution comes on top of it, and a name with several addresses of which the first
    ones are away.)

    Arguments:
        place: the service and where it is.
        timeout: the bound in seconds.
    """

    def __init__(self, place: Place, *, timeout: float) -> None:
        if not 0 < timeout < float("inf"):
            raise ConfigurationError("The timeout of a store must be a number of seconds above zero.")
        self.timeout = timeout
        self.subject = f"The {place.service} store"
        self._client = Client(place, patience=timeout / 4)
        self.check_open = self._client.check_open
        self.close = self._client.close

    @property
    def region(self) -> str:
        """The region that is really used.

        Raises:
            ConfigurationError: there is none, or boto3 cannot be set up as it is configured.
        """
        try:
            return self._client.region
        except (BotoCoreError, ValueError) as error:
            raise ConfigurationError(
                f"{self.subject} cannot be set up ({error}). Name the region and the endpoint in the URL, "
                "or in boto3's own configuration."
            ) from error

    def deadline(self) -> Deadline:
        """Return a new deadline, for all requests of one call."""
        return Deadline(self.timeout / 2)

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

        Throttled requests and conflicting transactions are sent again, after pauses, until the
        deadline; unanswered ones a few times.

        Arguments:
            operation: the name of boto3's method.
            deadline: that of the call this request belongs to; by default one of its own.
            refusals: the codes of AWS that are no failures here.
            once: give it a `ClientRequestToken`, by which AWS knows a repeated request. It is kept
                from a try that may have been carried out on; one that was not is sent as a new one.
            parameters: the method's.

        Raises:
            Refusal: AWS answered with one of `refusals`.
            BackendError: all else.
        """
        deadline = deadline or self.deadline()
        self._check_time(deadline)
        unclear, faults = False, 0
        while True:
            if once and not unclear:
                parameters["ClientRequestToken"] = str(uuid.uuid4())
            outcome = self._try(operation, parameters)
            if not isinstance(outcome, Failure):
                return outcome
            if outcome.code in refusals:
                raise Refusal(outcome, unclear=unclear)
            if outcome.kind is Kind.FAULT:
                unclear, faults = True, faults + 1
            if not self._helps_to_repeat(outcome, faults) or not deadline.pause():
                error = failures.error_of(outcome, self.subject, operation, self.timeout, unclear=unclear)
                raise error from failures.cause_of(outcome)

    def pause(self, deadline: Deadline) -> None:
        """Wait before the caller tries again by itself.

        Raises:
            BackendTimeoutError: there is no time left for that.
        """
        if not deadline.pause():
            raise self.timed_out()

    def timed_out(self) -> BackendTimeoutError:
        """Return the error for a call whose time is up between its requests."""
        return BackendTimeoutError(
            f"{self.subject} did not finish within {self.timeout:g} s. What was done stays done; try again "
            "later."
        )

    def _check_time(self, deadline: Deadline) -> None:
        if deadline.is_over():
            raise self.timed_out()

    def _try(self, operation: str, parameters: dict[str, Any]) -> dict[str, Any] | Failure:
        try:
            answer = self._client.send(operation, parameters)
        except (ClientError, BotoCoreError, ResponseParserError, UnicodeError) as error:
            failure = failures.failure_of(error)
            if failure.kind is Kind.CREDENTIALS:
                self._client.forget()
            return failure
        if "RequestId" not in answer.get("ResponseMetadata", {}):
            # boto3 takes any page of a proxy or portal for an empty answer: "there is no such row".
            return failures.failure_of(failures.NotAWSError("The answer bears no request id of AWS."))
        return answer

    def _helps_to_repeat(self, failure: Failure, faults: int) -> bool:
        return failure.kind is Kind.BUSY or (failure.kind is Kind.FAULT and faults < _TRIES_AFTER_FAULTS)
