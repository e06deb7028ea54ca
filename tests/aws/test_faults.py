"""AWS, or what is in its place, fails: an error of ours in bounded time, with advice and without a secret."""

from __future__ import annotations

import socket
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, cast

import pytest

from tests.aws import support
from tests.aws.between import Between, Reply, Step, cancel, page, refuse, swallow
from tests.aws.support import make_dynamodb, reopen_dynamodb, reopen_secretsmanager
from tests.support.servers.moto import start_local
from zoho_tokenstore.backend import Backend
from zoho_tokenstore.backends.dynamodb import DynamoDBBackend
from zoho_tokenstore.errors import (
    BackendError,
    BackendTimeoutError,
    BackendUnavailableError,
    ConfigurationError,
    TokenStoreError,
)
from zoho_tokenstore.records import COLUMNS, RetiredId, Row

SECRET: Final = "1000.very-secret"
ROW: Final = Row("1", **dict.fromkeys(COLUMNS[1:], SECRET))  # type: ignore[arg-type]

USES: Final[dict[str, Callable[[Any], object]]] = {
    "load": lambda backend: backend.load("1"),
    "find": lambda backend: backend.find("access_token", SECRET),
    "find several": lambda backend: backend.find("access_token", SECRET, "b"),
    "scan": lambda backend: list(backend.scan()),
    "write": lambda backend: backend.write(ROW, expect=None),
    "remove": lambda backend: backend.remove("1"),
    "retired": lambda backend: list(backend.retired.scan()),
    "retire": lambda backend: backend.retired.add([RetiredId("9", 1)]),
    "prune": lambda backend: backend.retired.prune(2),
    "cleared": lambda backend: backend.retired.cleared_ms(),
    "clear": lambda backend: backend.clear(),
}
SOME_USES: Final = ("find several", "clear")
"""One request, and many. Every call goes the same way to AWS: `_aws/calls`."""


@pytest.fixture(params=["dynamodb", "secretsmanager"])
def far(request: pytest.FixtureRequest, tmp_path: Path, between: Between) -> Iterator[Backend]:
    """A backend behind the proxy that tries again for half a second at most."""
    make = getattr(support, f"make_{request.param}")
    backend: Backend = make(tmp_path, endpoint_url=between.url)
    impatient(backend)
    between.seen.clear()
    yield backend
    backend.close()


def impatient(backend: Any) -> None:
    """Shorten the time of calls, not that of each request: moto may be slow where the tests run."""
    backend._calls.timeout = 0.5


@contextmanager
def told(kind: type[TokenStoreError], text: str, within: float = 15) -> Iterator[None]:
    """Expect an error of ours in time, with such a text, and without a secret in it or its chain."""
    began = time.monotonic()
    with pytest.raises(kind, match=text) as raised:
        yield
    assert time.monotonic() - began < within
    shown = "".join(traceback.format_exception(raised.value))
    chain: BaseException | None = raised.value
    while chain is not None:  # also what `from None` hides
        shown += str(chain) + repr(chain)
        chain = chain.__cause__ or chain.__context__
    assert SECRET not in shown


@pytest.mark.parametrize("use", SOME_USES)
@pytest.mark.parametrize(
    ("step", "kind", "text"),
    [
        (refuse("AccessDeniedException"), BackendUnavailableError, "access is denied. Give this identity"),
        (refuse("ExpiredTokenException"), BackendUnavailableError, "Renew them"),
        (refuse("UnrecognizedClientException"), BackendUnavailableError, "Renew them"),
        (refuse("KMSAccessDeniedException"), BackendUnavailableError, "KMS key"),
        (refuse("LimitExceededException"), BackendError, "a quota of AWS is reached"),
        (refuse("ValidationException"), BackendError, "did not accept the request"),
        (refuse("SomethingNewException"), BackendError, "SomethingNewException"),
        (refuse("ThrottlingException"), BackendTimeoutError, "was throttled by AWS"),
        (refuse("InternalServerError", status=500), BackendUnavailableError, "InternalServerError"),
        (refuse("ServiceUnavailable", status=503), BackendUnavailableError, "gave no answer"),
        (page("<h1>Bad gateway</h1>", 502), BackendUnavailableError, "gave no answer"),
        (page("<h1>Log in to the Wi-Fi</h1>"), BackendUnavailableError, "NotAWSError"),
        (page("<h1>Log in to the Wi-Fi</h1>", 403), BackendError, "did not work"),
        (swallow, BackendUnavailableError, "ConnectionClosedError"),
    ],
    ids=[
        *("denied", "expired", "unknown", "key", "quota", "invalid", "new", "throttled", "failed"),
        *("unavailable", "gateway", "captive portal", "firewall", "lost"),
    ],
)
def test_every_call_tells_what_is_wrong(
    far: Backend, between: Between, use: str, step: Step, kind: type[BackendError], text: str
) -> None:
    """Whatever AWS, or what is in its place, answers to a call: an error that says so."""
    between.always(step)
    with told(kind, text):
        USES[use](far)


@pytest.mark.parametrize("use", SOME_USES)
@pytest.mark.parametrize("kind", ["dynamodb", "secretsmanager"])
def test_what_never_answers(tmp_path: Path, between: Between, use: str, kind: str) -> None:
    """Something that takes requests and says nothing is an error after the timeout."""
    getattr(support, f"make_{kind}")(tmp_path).close()
    backend = getattr(support, f"reopen_{kind}")(tmp_path, endpoint_url=between.url, timeout=2)
    over = threading.Event()

    def wait(_: object) -> None:
        over.wait(5)

    between.always(wait)
    with told(BackendTimeoutError, "ReadTimeoutError|did not finish", within=2.5):
        USES[use](backend)
    over.set()
    backend.close()


@pytest.mark.parametrize("use", USES)
def test_afterwards_the_same_store_works(far: Backend, between: Between, use: str) -> None:
    """When the fault is over, the very same store goes on, with new credentials if need be."""
    between.always(refuse("ExpiredTokenException"))
    with told(BackendUnavailableError, "they are looked for again"):
        USES[use](far)
    between.always(lambda forward: forward())
    cast(Any, far)._calls.timeout = 30
    USES[use](far)


@pytest.mark.parametrize(
    ("step", "use"),
    [
        *((refuse("ThrottlingException"), use) for use in USES),
        *((refuse("InternalServerError", status=500), use) for use in SOME_USES),
        *((swallow, use) for use in USES),
        *((page("<html>", 503), use) for use in SOME_USES),
    ],
)
def test_a_short_fault_is_not_noticed(far: Backend, between: Between, use: str, step: Step) -> None:
    """A request that is throttled or fails once is sent again, and the call succeeds."""
    cast(Any, far)._calls.timeout = 30
    far.write(Row("2", user_name="bob"), expect=None)
    between.seen.clear()
    USES[use](far)
    operations = set(between.seen)
    far.clear()
    far.retired.prune(2**53)
    far.write(Row("2", user_name="bob"), expect=None)
    for operation in operations:
        between.script(operation, step)
    USES[use](far)


@pytest.mark.parametrize("code", ["ProvisionedThroughputExceededException", "RequestLimitExceeded"])
def test_dynamodb_is_throttled(far_dynamodb: DynamoDBBackend, between: Between, code: str) -> None:
    """DynamoDB's own words for "too much" are tried again too, and so are cancelled transactions."""
    between.script("TransactWriteItems", refuse(code), cancel("None", "ThrottlingError"))
    between.script("GetItem", refuse(code))
    far_dynamodb.write(Row("1"), expect=None)
    assert far_dynamodb.load("1") is not None


def test_dynamodb_refuses_a_transaction(far_dynamodb: DynamoDBBackend, between: Between) -> None:
    """A transaction cancelled for another reason than a condition is no row that has changed."""
    between.script("TransactWriteItems", cancel("ValidationError", "None", message=SECRET))
    with told(BackendError, "ValidationError"):
        far_dynamodb.write(ROW, expect=None)


def test_what_aws_echoes_is_not_shown(far: Backend, between: Between) -> None:
    """AWS's and boto3's own texts that may quote what was sent are neither shown nor chained."""
    for code in (
        "ValidationException",
        "InvalidSignatureException",
        "NewException",
        "SerializationException",
    ):
        between.always(refuse(code, f"What you sent was {SECRET}."))
        with told(BackendError, code):
            far.load("1")


def test_a_parameter_that_boto3_refuses_is_not_shown(far_dynamodb: DynamoDBBackend) -> None:
    """boto3 quotes the parameters that it does not accept."""
    wrong: Any = [SECRET]
    with told(BackendError, "ParamValidationError"):
        far_dynamodb._calls.call("get_item", TableName=far_dynamodb._table, Key={"id": {"S": wrong}})


def test_nobody_is_there(tmp_path: Path) -> None:
    """An endpoint that nobody listens on is told at once, at opening."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}"
        for reopen in (reopen_dynamodb, reopen_secretsmanager):
            with told(BackendUnavailableError, "EndpointConnectionError"):
                reopen(tmp_path, endpoint_url=url, timeout=1)


@pytest.mark.long
def test_a_server_that_goes_and_comes_back(tmp_path: Path) -> None:
    """While the server is away calls fail in time; when it is back, the same store works again."""
    with start_local() as own:
        backend = make_dynamodb(tmp_path, endpoint_url=own.url)
        impatient(backend)
        backend.write(Row("1"), expect=None)
        own.kill()
        with told(BackendUnavailableError, "gave no answer"):
            backend.load("1")
        own.restart()
        with told(BackendUnavailableError, "it does not exist"):  # moto has forgotten the table
            backend.load("1")
        make_dynamodb(tmp_path, endpoint_url=own.url).close()
        assert backend.load("1") is None
        backend.write(Row("1"), expect=None)
        backend.close()


def test_no_credentials(tmp_path: Path, dynamodb: DynamoDBBackend, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where boto3 finds no credentials, opening says so; half of them are a wrong configuration."""
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    for reopen in (reopen_dynamodb, reopen_secretsmanager):
        with pytest.raises(ConfigurationError, match="Partial credentials"):
            reopen(tmp_path)
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    for reopen in (reopen_dynamodb, reopen_secretsmanager):
        with pytest.raises(BackendUnavailableError, match=r"NoCredentialsError.*there are none"):
            reopen(tmp_path)


def test_no_region(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Without a region anywhere, the error says where it belongs."""
    support.endpoint()
    monkeypatch.delenv("AWS_DEFAULT_REGION", raising=False)
    for reopen in (reopen_dynamodb, reopen_secretsmanager):
        with pytest.raises(ConfigurationError, match="Name the region and the endpoint in the URL"):
            reopen(tmp_path, region=None, endpoint_url=None)


def test_a_table_that_is_still_being_created(tmp_path: Path, between: Between) -> None:
    """`create=True` waits until AWS has made the table; without it the error says what may be the case."""
    creating = Reply(
        200,
        {"Content-Type": "application/x-amz-json-1.0", "x-amzn-RequestId": "1"},
        b'{"Table": {"TableStatus": "CREATING"}}',
    )
    missing = refuse("ResourceNotFoundException")
    between.script("DescribeTable", missing, lambda _: creating, lambda _: creating)
    make_dynamodb(tmp_path, endpoint_url=between.url).close()
    assert between.seen == ["CreateTable", *["DescribeTable"] * 4, "UpdateTimeToLive", "GetItem"]
    between.script("GetItem", missing)
    with pytest.raises(ConfigurationError, match="or is still being created"):
        reopen_dynamodb(tmp_path, endpoint_url=between.url)


def test_a_table_that_is_never_ready(
    tmp_path: Path, between: Between, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Waiting for a new table has an end."""
    monkeypatch.setattr("zoho_tokenstore.backends.dynamodb._creation._CREATION_TIMEOUT", 0.2)
    between.always(refuse("ResourceNotFoundException"), "DescribeTable")
    with told(BackendTimeoutError, "still being created after 0.2 s"):
        make_dynamodb(tmp_path, endpoint_url=between.url)


def test_creating_is_not_allowed(tmp_path: Path, between: Between) -> None:
    """Who may not create tables is told which action that was."""
    between.always(refuse("AccessDeniedException"), "CreateTable")
    with told(BackendUnavailableError, "CreateTable: AccessDeniedException"):
        make_dynamodb(tmp_path, endpoint_url=between.url, timeout=1)
