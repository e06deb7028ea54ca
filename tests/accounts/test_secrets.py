"""What errors show, wherever an error collector may look: no secret."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest

from tests.accounts.conftest import Serve
from tests.accounts.support import answering, hang, http, texts_of
from zoho_tokenstore import Client, ClientCredentials, Code, RefreshToken, open_tokens
from zoho_tokenstore.errors import AccountsError, AccountsUnavailableError
from zoho_tokenstore.renewal._accounts import Accounts
from zoho_tokenstore.renewal._transport import Transport

QUICK = Transport(timeout=timedelta(seconds=5))

SECRETS = {
    "client_secret": "secret-of-the-client",
    "refresh_token": "secret-refresh-token",
    "code": "secret-code",
    "token": "secret-token",
    "code_verifier": "secret-verifier",
    "device_code": "secret-device-code",
    "answer": "secret-in-the-answer",
}


def calls(accounts: Accounts) -> list[Callable[[], object]]:
    """Return one call of each method, with a secret in each place."""
    client = "1000.CLIENT", SECRETS["client_secret"]
    return [
        lambda: accounts.refresh(*client, SECRETS["refresh_token"]),
        lambda: accounts.exchange(*client, SECRETS["code"], code_verifier=SECRETS["code_verifier"]),
        lambda: accounts.client_credentials(*client, ["A.b.READ"], soid="ZohoCRM.1"),
        lambda: accounts.revoke(SECRETS["token"]),
        lambda: accounts.start_device(client[0], ["A.b.READ"]),
        lambda: accounts.poll_device(*client, SECRETS["device_code"]),
    ]


FAILING = {
    "refused": http({"error": "invalid_code", "error_description": SECRETS["answer"]}),
    "echoed": http(
        {"error": SECRETS["answer"], "error_description": SECRETS["answer"], "status": "failure"}, 400
    ),
    "broken": http({"access_token": SECRETS["answer"] + "\n", "refresh_token": SECRETS["answer"]}),
    "html": http(SECRETS["answer"].encode(), 500, "text/html"),
    "none": b"",
    "no HTTP": SECRETS["answer"].encode() + b"\r\n\r\n",
}


@pytest.mark.parametrize("name", FAILING)
def test_no_error_shows_a_secret(serve: Serve, name: str) -> None:
    """Neither what was sent nor what came back is in an error, in its causes, or in frames of ours."""
    server = serve(answering(FAILING[name]))
    for call in calls(Accounts(server.url, transport=QUICK)):
        with pytest.raises(AccountsError) as caught:
            call()
        shown = " ".join(texts_of(caught.value))
        assert [secret for secret in SECRETS.values() if secret in shown] == []
    assert server.connections == len(calls(Accounts(server.url)))


def test_no_login_shows_the_clients_secret(serve: Serve) -> None:
    """Not in what is made of the call on its way to Zoho, either."""
    server = serve(answering(FAILING["refused"]))
    client = Client("1000.CLIENT", SECRETS["client_secret"])
    with open_tokens("memory://", accounts_url=server.url) as tokens:
        for credentials in (
            Code("1000.c"),
            RefreshToken("1000.r"),
            ClientCredentials(("A.b.READ",), "ZohoCRM.1"),
        ):
            with pytest.raises(AccountsError) as caught:
                tokens.log_in(client, credentials)
            assert SECRETS["client_secret"] not in " ".join(texts_of(caught.value))


def test_no_error_shows_a_secret_without_an_answer(serve: Serve) -> None:
    """The same if nobody answers, or nobody is there."""
    for url in (serve(hang).url, "http://127.0.0.1:1"):
        for call in calls(Accounts(url, transport=Transport(timeout=timedelta(seconds=0.1)))):
            with pytest.raises(AccountsUnavailableError) as caught:
                call()
            shown = " ".join(texts_of(caught.value))
            assert [secret for secret in SECRETS.values() if secret in shown] == []
