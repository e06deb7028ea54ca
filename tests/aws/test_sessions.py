"""A session that the caller made: it has the credentials and the region; the store makes clients of it."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from tests.aws.between import Between, refuse
from tests.aws.support import REGION, endpoint, make_dynamodb, make_secretsmanager, name_for, raw_client
from tests.support.processes import PATIENCE
from zoho_tokenstore import DynamoDBStore, SecretsManagerStore
from zoho_tokenstore.backend import Backend
from zoho_tokenstore.errors import BackendUnavailableError, ConfigurationError
from zoho_tokenstore.records import Row
from zoho_tokenstore.testing import make_token

boto3: Any = import_module("boto3")  # it has no types
botocore_sessions: Any = import_module("botocore.session")
LOGIN = {"aws_access_key_id": "testing", "aws_secret_access_key": "testing"}


def boto3_session() -> Any:
    return boto3.Session(**LOGIN, region_name=REGION)


def botocore_session() -> Any:
    session = botocore_sessions.Session()
    session.set_credentials("testing", "testing")
    session.set_config_variable("region", REGION)
    return session


def assumed_role() -> Any:
    """Return a session with the temporary credentials of a role."""
    with raw_client("sts") as sts:
        role = {"RoleArn": "arn:aws:iam::123456789012:role/tokens", "RoleSessionName": "portal"}
        granted = sts.assume_role(**role)["Credentials"]
    return boto3.Session(
        granted["AccessKeyId"], granted["SecretAccessKey"], granted["SessionToken"], region_name=REGION
    )


@pytest.fixture(params=[make_dynamodb, make_secretsmanager], ids=["dynamodb", "secretsmanager"])
def make(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Makes a backend where the environment has no credentials."""

    def make(session: Any, **options: Any) -> Backend:
        with monkeypatch.context() as patch:
            for name in LOGIN:
                patch.delenv(name.upper(), raising=False)
            patch.setenv("AWS_EC2_METADATA_DISABLED", "true")
            backend: Backend = request.param(tmp_path, region=None, session=session, **options)
            backend.write(Row("1", user_name="alice"), expect=None)
        return backend

    endpoint()  # brings credentials to the environment, once
    return make


@pytest.mark.parametrize("make_session", [boto3_session, botocore_session, assumed_role])
def test_credentials_and_region_are_the_sessions(make: Any, make_session: Callable[[], Any]) -> None:
    """A store with a session needs no credentials and no region from elsewhere."""
    backend = make(make_session())
    assert backend.load("1") == backend.find("user_name", "alice")[0]
    assert f"://{REGION}/" in backend.location
    backend.close()


def test_without_a_session_there_are_no_credentials(make: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The other tests prove something: without a session the same is refused."""
    monkeypatch.setenv("AWS_DEFAULT_REGION", REGION)
    with pytest.raises(BackendUnavailableError, match="there are none"):
        make(None)


def test_the_session_can_be_used_afterwards(make: Any) -> None:
    """A store closes what it made of a session, and nothing else: another store can have it."""
    session = boto3_session()
    make(session).close()
    again = session.client("sts", endpoint_url=endpoint())
    assert again.get_caller_identity()["Account"]
    again.close()


def test_refused_credentials_are_asked_for_again(make: Any, between: Between) -> None:
    """After credentials were refused the next call takes those that the session has by then."""
    backend = make(boto3_session(), endpoint_url=between.url)
    between.script("GetItem", refuse("ExpiredTokenException"))
    between.script("GetSecretValue", refuse("ExpiredTokenException"))
    with pytest.raises(BackendUnavailableError, match="credentials"):
        backend.load("1")
    assert backend.load("1") is not None
    backend.close()


def test_a_child_uses_the_session(make: Any) -> None:
    """After a fork the child makes a client of its own of the session that it has inherited."""
    backend = make(boto3_session())
    child = os.fork()
    if child == 0:
        signal.alarm(int(PATIENCE))
        status = 1
        try:
            backend.write(Row("2"), expect=None)
            status = 0
        finally:
            os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert [row.id for row in backend.scan()] == ["1", "2"]
    backend.close()


@pytest.mark.parametrize("store", [DynamoDBStore, SecretsManagerStore])
@pytest.mark.parametrize(
    ("make_options", "text"),
    [
        (lambda: {"session": "verysecret"}, r"session must be a boto3\.Session or .*, not str"),
        (lambda: {"session": boto3_session().client("sts")}, "session must be .*, not STS"),
        (lambda: {"session": boto3_session(), "region": REGION}, "cannot take region too"),
    ],
)
def test_sessions_that_are_none(store: Any, make_options: Callable[[], Any], text: str) -> None:
    """Anything but a session is refused, and a region beside one."""
    with pytest.raises(ConfigurationError, match=text) as refused:
        store("tokens", **make_options())
    assert "verysecret" not in str(refused.value)


@pytest.mark.parametrize("store", [DynamoDBStore, SecretsManagerStore])
def test_a_store_of_the_sdk(make: Any, store: Any, tmp_path: Path) -> None:
    """The stores take a session too."""
    make(boto3_session()).close()
    options: dict[str, Any] = {"create": True} if store is DynamoDBStore else {}
    opened = store(
        f"{name_for(tmp_path)}-sdk", session=boto3_session(), endpoint_url=endpoint(), timeout=30, **options
    )
    opened.save_token(make_token(user_name="alice", refresh_token="r"))
    assert len(opened.get_tokens()) == 1
    opened.delete_tokens()
    opened.close()
