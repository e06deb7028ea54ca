"""AWS's failures mapped to our errors."""

from __future__ import annotations

from enum import Enum
from typing import Any, Final, NamedTuple

from zoho_tokenstore.backends._aws.driver import ClientError, ResponseParserError, exceptions
from zoho_tokenstore.errors import BackendError, BackendTimeoutError, BackendUnavailableError


class Kind(Enum):
    """What a failure means for the caller."""

    REFUSED = "a condition of the request does not hold"
    BUSY = "not carried out; a retry may succeed"
    FAULT = "unknown whether it was carried out; a retry may succeed"
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

_CREDENTIALS_ERRORS: Final = (
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
_NO_ANSWER_ERRORS: Final = (
    exceptions.ConnectionError,
    exceptions.HTTPClientError,
    exceptions.IncompleteReadError,
    exceptions.ChecksumError,
    ResponseParserError,
)

_SAFE_TO_CHAIN: Final = {Kind.BUSY, Kind.FAULT, Kind.DENIED, Kind.KEY, Kind.MISSING, Kind.LIMIT}
"""Those whose text shows nothing secret. The others may quote what was sent, or a session's token."""

_READS: Final = ("get_", "batch_get_", "transact_get_", "query", "list_", "describe_")


class UnclearError(BackendError):
    """A change that may have been made, or may still be."""


class UnclearUnavailableError(UnclearError, BackendUnavailableError):
    """The same, if AWS cannot be reached."""


class UnclearTimeoutError(UnclearError, BackendTimeoutError):
    """The same, if AWS gave no answer in time."""


class NotAWSError(Exception):
    """Something else answered instead of AWS."""


class AWSFailure(NamedTuple):
    """One request that failed."""

    kind: Kind
    code: str
    error: Exception

    @property
    def reasons(self) -> list[dict[str, Any]]:
        """Why a transaction was cancelled, action by action; otherwise empty."""
        found: list[dict[str, Any]] = getattr(self.error, "response", {}).get("CancellationReasons", [])
        return found


def classify_error(error: Exception) -> AWSFailure:
    """Return what a boto3 exception means."""
    if not isinstance(error, ClientError):
        return AWSFailure(_kind_of_exception(error), type(error).__name__, error)
    code = error.response.get("Error", {}).get("Code", "")
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    kind = _KINDS.get(code) or (Kind.FAULT if status >= 500 else Kind.OTHER)
    failure = AWSFailure(kind, code, error)
    return _decide(failure) if failure.reasons else failure


def map_failure(
    failure: AWSFailure, subject: str, operation: str, timeout: float, *, unclear: bool
) -> BackendError:
    """Return our error for a failure. The caller raises it `from` what `cause_of` returns.

    The outcome is `unclear` if this or an earlier try may have been carried out.
    """
    action = "".join(word.capitalize() for word in operation.split("_"))
    what = f"{action}: {failure.code}" if failure.code else action
    text = f"{subject} {_text(failure.kind, what, timeout)}"
    if not unclear or operation.startswith(_READS):
        return _class(failure)(text)
    text += " The change may still have been made: read before you repeat it."
    timed = issubclass(_class(failure), BackendTimeoutError)
    return UnclearTimeoutError(text) if timed else UnclearUnavailableError(text)


def cause_of(failure: AWSFailure) -> Exception | None:
    """Return the exception to chain, unless its text may show a secret."""
    return failure.error if failure.kind in _SAFE_TO_CHAIN else None


_LESSER: Final = (Kind.REFUSED, Kind.FAULT, Kind.BUSY)
"""Reasons of a cancelled transaction that count only if there is no other, the last one least."""

_UNAVAILABLE: Final = {Kind.FAULT, Kind.CREDENTIALS, Kind.DENIED, Kind.KEY, Kind.MISSING}

_ADVICE: Final = {
    Kind.CREDENTIALS: (
        "AWS did not accept the credentials, or there are none. Renew them, and check this host's "
        "clock; they are looked for again at the next call."
    ),
    Kind.DENIED: "access is denied. Give this identity the policy that the store's page shows.",
    Kind.KEY: "its KMS key cannot be used. Check that the key is enabled and that this identity may use it.",
    Kind.MISSING: "it does not exist, not yet or no longer. Check the region and the name.",
    Kind.LIMIT: "a quota of AWS is reached. The store's page names those that matter.",
    Kind.INVALID: "AWS did not accept the request as it is. The store's page names its limits.",
    Kind.REFUSED: "a condition does not hold.",
    Kind.OTHER: "AWS answered with an error that this release does not know.",
}


def _text(kind: Kind, what: str, timeout: float) -> str:
    if kind is Kind.BUSY:
        return (
            f"was throttled by AWS, or changed by others, for {timeout:g} s ({what}). Try again later, and "
            "compare the traffic with AWS's quotas."
        )
    if kind is Kind.FAULT:
        return f"gave no answer ({what}). Check the network, the region and the endpoint, and try again."
    return f"did not work ({what}): {_ADVICE[kind]}"


def _class(failure: AWSFailure) -> type[BackendError]:
    if failure.kind is Kind.BUSY or isinstance(failure.error, exceptions.ReadTimeoutError):
        return BackendTimeoutError
    return BackendUnavailableError if failure.kind in _UNAVAILABLE else BackendError


def _kind_of_exception(error: Exception) -> Kind:
    if isinstance(error, _CREDENTIALS_ERRORS):
        return Kind.CREDENTIALS
    return Kind.FAULT if isinstance(error, (*_NO_ANSWER_ERRORS, NotAWSError)) else Kind.INVALID


def _decide(cancelled: AWSFailure) -> AWSFailure:
    """Return a cancelled transaction's failure, with the code of the reason that matters most."""
    codes = {reason.get("Code", "None") for reason in cancelled.reasons} - {"None"}
    found = [(_KINDS.get(code, Kind.OTHER), code) for code in sorted(codes)]
    kind, code = min(found, key=lambda reason: reason[0] in _LESSER and 1 + _LESSER.index(reason[0]))
    return cancelled._replace(kind=kind, code=code)
