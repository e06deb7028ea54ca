"""What the URLs of the stores on AWS say, and what they must not."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import pytest

from tests.aws.support import (
    endpoint,
    make_dynamodb,
    make_secretsmanager,
    name_for,
    raw_client,
    reopen_dynamodb,
    secret_names,
)
from tests.unit.test_imports import BLOCK
from zoho_tokenstore.backends.dynamodb import DynamoDBBackend
from zoho_tokenstore.backends.secretsmanager import SecretsManagerBackend
from zoho_tokenstore.errors import BackendError, ConfigurationError
from zoho_tokenstore.records import Row

KINDS: dict[str, Any] = {"dynamodb": DynamoDBBackend, "secretsmanager": SecretsManagerBackend}


def open_url(url: str) -> Any:
    parts = urlsplit(url)
    return KINDS[parts.scheme].from_url(parts)


@pytest.mark.parametrize(
    ("scheme", "make"), [("dynamodb", make_dynamodb), ("secretsmanager", make_secretsmanager)]
)
def test_the_location_is_the_url(scheme: str, make: Any, tmp_path: Path) -> None:
    """What a store tells as its location opens the same rows again."""
    made = make(tmp_path)
    made.write(Row("1"), expect=None)
    assert made.location == f"{scheme}://eu-central-1/{name_for(tmp_path)}?endpoint_url={endpoint()}"
    again = open_url(f"{made.location}&timeout=7")
    assert again.load("1") is not None
    assert again._calls.timeout == 7
    again.close()
    made.close()


def test_the_region_may_be_boto3s(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Without a region in the URL the one that boto3 is configured for is taken, and told."""
    make_dynamodb(tmp_path).close()
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    monkeypatch.setenv("AWS_ENDPOINT_URL_DYNAMODB", endpoint())
    backend = open_url(f"dynamodb:///{name_for(tmp_path)}")
    assert backend.location == f"dynamodb://eu-central-1/{name_for(tmp_path)}"
    backend.close()


def test_create_in_the_url(tmp_path: Path) -> None:
    """The table is created if the URL says so."""
    url = f"dynamodb://eu-central-1/{name_for(tmp_path)}?endpoint_url={quote(endpoint())}"
    with pytest.raises(ConfigurationError, match="does not exist"):
        open_url(f"{url}&create=false")
    open_url(f"{url}&create=true").close()
    open_url(url).close()


def test_the_key_in_the_url(tmp_path: Path) -> None:
    """The KMS key of new secrets can stand in the URL; a prefix may have slashes."""
    prefix = f"{name_for(tmp_path)}/prod"
    backend = open_url(
        f"secretsmanager://eu-central-1/{prefix}?endpoint_url={endpoint()}&kms_key_id=alias/zoho"
    )
    backend.write(Row("1"), expect=None)
    backend.close()
    with raw_client("secretsmanager") as client:
        (name,) = secret_names(client, prefix)
        assert name == f"{prefix}/token/1"
        assert client.describe_secret(SecretId=name)["KmsKeyId"] == "alias/zoho"


@pytest.mark.parametrize("scheme", KINDS)
@pytest.mark.parametrize(
    "rest",
    ["AKIAEXAMPLE:verysecret@eu-central-1/tokens", "verysecret/tokens", "eu-central-1:8000/verysecret"],
)
def test_credentials_in_the_url_are_refused(scheme: str, rest: str) -> None:
    """Between the slashes stands a region; what else stands there is refused, and not shown."""
    with pytest.raises(ConfigurationError, match="Credentials never go in the URL") as raised:
        open_url(f"{scheme}://{rest}")
    assert "verysecret" not in str(raised.value)


@pytest.mark.parametrize("scheme", KINDS)
@pytest.mark.parametrize(
    "wrong",
    ["localhost:8000", "ftp://localhost", "https://", "https://user:verysecret@localhost", "http:verysecret"],
)
def test_endpoints_that_are_none(scheme: str, wrong: str) -> None:
    """An endpoint is an http or https URL without a password; a wrong one is not shown."""
    with pytest.raises(ConfigurationError, match="endpoint_url must look like") as raised:
        open_url(f"{scheme}://eu-central-1/tokens?endpoint_url={quote(wrong)}")
    assert "verysecret" not in str(raised.value)


@pytest.mark.parametrize(
    ("url", "text"),
    [
        ("dynamodb://eu-central-1", "3 to 255 letters"),
        ("dynamodb://eu-central-1/ab", "3 to 255 letters"),
        ("dynamodb://eu-central-1/tokens/more", "3 to 255 letters"),
        ("dynamodb:///tokens?create=maybe", "create must be true or false"),
        ("dynamodb:///tokens?timeout=0", "timeout must be"),
        ("dynamodb:///tokens?prefix=a", "options of a dynamodb URL are endpoint_url, timeout, create"),
        ("secretsmanager:///", "prefix of a Secrets Manager store"),
        ("secretsmanager:///a//b", "prefix of a Secrets Manager store"),
        ("secretsmanager:///a/", "prefix of a Secrets Manager store"),
        ("secretsmanager:///a%20b", "prefix of a Secrets Manager store"),
        (f"secretsmanager:///{'a' * 257}", "prefix of a Secrets Manager store"),
        (
            "secretsmanager:///a?create=true",
            "options of a secretsmanager URL are endpoint_url, timeout, kms_key_id",
        ),
    ],
)
def test_urls_that_cannot_be_used(url: str, text: str) -> None:
    """A wrong URL is an error that says how a right one looks."""
    with pytest.raises(ConfigurationError, match=text):
        open_url(url)


@pytest.mark.parametrize("timeout", [0, -1, float("inf"), float("nan")])
def test_timeouts_that_are_none(timeout: float, tmp_path: Path) -> None:
    """A timeout is a number of seconds above zero."""
    with pytest.raises(ConfigurationError, match="timeout"):
        reopen_dynamodb(tmp_path, timeout=timeout)


@pytest.mark.parametrize("kind", KINDS)
def test_without_boto3(kind: str) -> None:
    """Without boto3 the error names the extra to install."""
    code = BLOCK.format(name="boto3") + (
        "from zoho_tokenstore.errors import MissingDependencyError\n"
        f"try:\n    import zoho_tokenstore.backends.{kind}\n"
        "except MissingDependencyError as error:\n    print(error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, timeout=60, check=True
    )
    assert f'pip install "zoho-tokenstore[{kind}]"' in done.stdout


@pytest.mark.parametrize("make", [make_dynamodb, make_secretsmanager])
def test_a_closed_store_has_nothing_to_say(make: Any, tmp_path: Path) -> None:
    """After `close` every call raises, also one that would need no request; closing again is allowed."""
    backend = make(tmp_path)
    backend.close()
    backend.close()
    for use in (backend.load, backend.remove, backend.find):
        with pytest.raises(BackendError, match="has been closed"):
            use("user_name" if use == backend.find else "")
