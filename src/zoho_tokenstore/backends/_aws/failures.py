"""AWS's failures, told as ours."""

from __future__ import annotations

from enum import Enum
from typing import Any, Final, NamedTuple

from zoho_tokenstore.backends._aws.driver import ClientError, ResponseParserError, exceptions
from zoho_tokenstore.errors import BackendError, BackendTimeoutError, BackendUnavailableError


class Kind(Enum):
    """What a failure means for the caller."""

    REFUSED = "a condition of the request does not hold"
    BUSY = "not carried out; the same again may succeed"
    FAULT = "not known whether it was carried out; the same again may succeed"
    CREDENTIALS = "the credentials are missing or not accepted"
    DENIED = "the credentials do not allow it"
    KEY = "the encryption key cannot be used"
    MISSING = "what it works on does not exist"
    LIMIT = "a quota of the account or of the resource is reached"
    INVALID = "the request was not accepted as it is"
    OTHER = "anything else"


_CODES: Final = {
    Kind.REFUSED: "ConditionalCheckFailed ConditionalCheckFailedException",
    Kind.BUSY: (
        "BandwidthLimitExceeded KMSThrottlingException PriorRequestNotComplete ProvisionedThroughputExceeded "
        "ProvisionedThroughputExceededException RequestLimitExceeded RequestThrottled "
        "RequestThrottledException SlowDown ThrottledException Throttling ThrottlingError "
        "ThrottlingException TooManyRequestsException TransactionConflict TransactionConflictException "
        "TransactionInProgressException"
    ),
    Kind.FAULT: (
        "InternalFailure InternalServerError InternalServiceError RequestTimeout "
        "RequestTimeoutException ServiceUnavailable ServiceUnavailableException"
    ),
    Kind.CREDENTIALS: (
        "AuthFailure ExpiredToken ExpiredTokenException IncompleteSignature IncompleteSignatureException "
        "InvalidAccessKeyId InvalidClientTokenId InvalidSignatureException MissingAuthenticationToken "
        "MissingAuthenticationTokenException RequestExpired SignatureDoesNotMatch UnrecognizedClientException"
    ),
    Kind.DENIED: "AccessDenied AccessDeniedException NotAuthorized OptInRequired UnauthorizedOperation",
    Kind.KEY: (
        "DecryptionFailure EncryptionFailure InaccessibleEncryptionKeyException KMSAccessDeniedException "
        "KMSDisabledException KMSInvalidStateException KMSNotFoundException"
    ),
    Kind.MISSING: "ResourceNotFoundException TableNotFoundException",
    Kind.LIMIT: "LimitExceededException ItemCollectionSizeLimitExceededException",
    Kind.INVALID: (
        "IdempotentParameterMismatchException InvalidParameterException InvalidRequestException "
        "SerializationException ValidationError ValidationException"
    ),
}
_KINDS: Final = {code: kind for kind, codes in _CODES.items() for code in codes.split()}

_LACKING: Final = (
    exceptions.NoCredentialsError,
    exceptions.PartialCredentialsError,
    exceptions.CredentialRetrievalError,
    exceptions.MetadataRetrievalError,
    exceptions.NoAuthTokenError,
    exceptions.TokenRetrievalError,
    exceptions.SSOError,
    exceptions.ProfileNotFound,
    *([exceptions.LoginError] if hasattr(exceptions, "LoginError") else []),  # newer releases
)
_NO_ANSWER: Final = (
    exceptions.ConnectionError,
    exceptions.HTTPClientError,
    exceptions.IncompleteReadError,
    exceptions.ChecksumError,
    ResponseParserError,
)

_CHAINED: Final = {Kind.BUSY, Kind.FAULT, Kind.DENIED, Kind.KEY, Kind.MISSING, Kind.LIMIT}
"""Whose own text shows nothing secret. The others may quote what was sent, or a session's token."""

_READS: Final = ("get_", "batch_get_", "transact_get_", "query", "list_", "describe_")


class UnclearError(BackendError):
    """A change that may have been made, or may still be."""


class UnclearUnavailableError(UnclearError, BackendUnavailableError):
    """The same, where AWS cannot be reached."""


class UnclearTimeoutError(UnclearError, BackendTimeoutError):
    """The same, where AWS gave no answer in time."""


class NotAWSError(Exception):
    """Something else answered in the place of AWS."""


class Failure(NamedTuple):
    """One request that failed."""

    kind: Kind
    code: str
    error: Exception

    @property
    def reasons(self) -> list[dict[str, Any]]:
        """Why a transaction was cancelled, action by action; empty for all else."""
        found: list[dict[str, Any]] = getattr(self.error, "response", {}).get("CancellationReasons", [])
        return found


def failure_of(error: Exception) -> Failure:
    """Tell what an exception of boto3 means."""
    if not isinstance(error, ClientError):
        return Failure(_kind_of_exception(error), type(error).__name__, error)
    code = error.response.get("Error", {}).get("Code", "")
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    kind = _KINDS.get(code) or (Kind.FAULT if status >= 500 else Kind.OTHER)
    failure = Failure(kind, code, error)
    return _decisive(failure) if failure.reasons else failure


def error_of(
    failure: Failure, subject: str, operation: str, timeout: float, *, unclear: bool
) -> BackendError:
    """Return our error for a failure. The caller raises it `from` what `cause_of` returns.

    Arguments:
        failure: that of the last try.
        subject: what the request was about, at the beginning of a sentence.
        operation: boto3's method.
        timeout: the bound of the call, in seconds.
        unclear: whether this or an earlier try may have been carried out.
    """
    action = "".join(word.capitalize() for word in operation.split("_"))
    told = f"{action}: {failure.code}" if failure.code else action
    text = f"{subject} {_text(failure.kind, told, timeout)}"
    if not unclear or operation.startswith(_READS):
        return _class(failure)(text)
    text += " The change may have been made all the same: read before you repeat it."
    timed = issubclass(_class(failure), BackendTimeoutError)
    return UnclearTimeoutError(text) if timed else UnclearUnavailableError(text)


def cause_of(failure: Failure) -> Exception | None:
    """Return the exception to chain, unless its text may show what nobody should see."""
    return failure.error if failure.kind in _CHAINED else None


_LEAST: Final = (Kind.REFUSED, Kind.FAULT, Kind.BUSY)
"""Reasons of a cancelled transaction that count only where there is no other one, the last one least."""

_UNAVAILABLE: Final = {Kind.FAULT, Kind.CREDENTIALS, Kind.DENIED, Kind.KEY, Kind.MISSING}

_ADVICE: Final = {
    Kind.CREDENTIALS: (
        "AWS has not accepted the credentials, or there are none. Renew them, and check this host's "
        "clock; they are looked for again at the next call."
    ),
    Kind.DENIED: "access is denied. Give this identity the policy that the store's page shows.",
    Kind.KEY: "its KMS key cannot be used. Check that the key is enabled and that this identity may use it.",
    Kind.MISSING: "it does not exist, or not yet, or no more. Check the region and the name.",
    Kind.LIMIT: "a quota of AWS is reached. The store's page names those that matter.",
    Kind.INVALID: "AWS did not accept the request as it is. The store's page names its limits.",
    Kind.REFUSED: "a condition does not hold.",
    Kind.OTHER: "AWS answered with an error that this release does not know.",
}


def _text(kind: Kind, told: str, timeout: float) -> str:
    if kind is Kind.BUSY:
        return (
            f"was throttled by AWS, or changed by others, for {timeout:g} s ({told}). Try again later, and "
            "compare the traffic with AWS's quotas."
        )
    if kind is Kind.FAULT:
        return f"gave no answer ({told}). Check the network, the region and the endpoint, and try again."
    return f"did not work ({told}): {_ADVICE[kind]}"


def _class(failure: Failure) -> type[BackendError]:
    if failure.kind is Kind.BUSY or isinstance(failure.error, exceptions.ReadTimeoutError):
        return BackendTimeoutError
    return BackendUnavailableError if failure.kind in _UNAVAILABLE else BackendError


def _kind_of_exception(error: Exception) -> Kind:
    if isinstance(error, _LACKING):
        return Kind.CREDENTIALS
    return Kind.FAULT if isinstance(error, (*_NO_ANSWER, NotAWSError)) else Kind.INVALID


def _decisive(cancelled: Failure) -> Failure:
    """Return the failure of a cancelled transaction under the code of the reason that matters most."""
    codes = {reason.get("Code", "None") for reason in cancelled.reasons} - {"None"}
    found = [(_KINDS.get(code, Kind.OTHER), code) for code in sorted(codes)]
    kind, code = min(found, key=lambda reason: reason[0] in _LEAST and 1 + _LEAST.index(reason[0]))
    return cancelled._replace(kind=kind, code=code)
