"""`access-token`, `refresh`, `invalidate`, `revoke` and `delete`: what they change, and what they ask."""

from __future__ import annotations

import pytest

from tests.cli.conftest import Site
from tests.support.terminal import Terminal
from zoho_tokenstore import Keyset

pytestmark = pytest.mark.clear


def test_an_access_token(site: Site) -> None:
    """It alone is on standard output, renewed if it has expired, and Zoho accepts it."""
    token_id = site.log_in(expires_at_ms=1)
    out, err, status = site.run("access-token", token_id)
    assert (status, err) == (0, "")
    assert site.zoho.is_live(out.removesuffix("\n"))
    assert site.run("access-token", token_id).out == out
    assert site.run("access-token", "nobody").status == 1


def test_a_refresh_goes_on_after_a_failure(site: Site) -> None:
    """The others are renewed; the exit code is 3 if Zoho refuses one, and 1 if another is missing."""
    good, bad = site.log_in(0), site.save(user_name="stranger", refresh_token="1000.unknown")
    out, err, status = site.run("refresh", bad, good)
    assert (status, out) == (3, f"{good}: renewed, expires in 60 min\n")
    assert err.startswith(f"{bad}: ")
    assert site.run("refresh", "nobody", good).status == 1


def test_an_unreachable_zoho(site: Site) -> None:
    """Is told from a refusal: the exit code is 1, and the login is still there."""
    token_id = site.log_in()
    site.zoho.fault("accounts", "status", status=503)
    for command in (["refresh", token_id], ["revoke", "--yes", token_id]):
        assert site.run(*command).status == 1
    assert [record.id for record in site.records()] == [token_id]


def test_invalidate(site: Site) -> None:
    """The next look-up renews it."""
    token_id = site.log_in()
    before = site.run("access-token", token_id).out
    assert site.run("invalidate", token_id).out == f"{token_id}: the next look-up renews it\n"
    after = site.run("access-token", token_id).out
    assert before != after
    assert site.zoho.is_live(after.strip())


def test_revoke(site: Site) -> None:
    """It ends at Zoho, and is deleted here; others are left alone."""
    one, two, other = site.log_in(0), site.save(user_name="ended", refresh_token="r"), site.log_in(1)
    tokens = {record.id: record.refresh_token or "" for record in site.records()}
    out, err, status = site.run("revoke", one, two, "nobody", "--yes")
    assert (status, len(out.splitlines())) == (1, 2)  # one was alive, and one was dead already
    assert err == "nobody: There is no token with the id 'nobody'.\n"
    assert [record.id for record in site.records()] == [other]
    assert (site.zoho.is_live(tokens[one]), site.zoho.is_live(tokens[other])) == (False, True)


def test_delete(site: Site) -> None:
    """It is deleted here, and alive at Zoho."""
    token_id = site.log_in()
    (record,) = site.records()
    assert site.run("delete", token_id, "--yes").status == 0
    assert site.records() == []
    assert site.zoho.is_live(record.refresh_token or "")
    assert site.run("delete", token_id, "--yes").status == 1


def test_delete_of_a_row_that_cannot_be_read(site: Site) -> None:
    """It can be deleted like any other; the question says that it cannot be read."""
    token_id = site.log_in()
    assert site.run("keys", "seal", ZOHO_TOKENSTORE_KEYS=Keyset.generate().to_text()).status == 0
    done = site.run("delete", token_id)
    assert (done.status, f"{token_id}, which cannot be read" in done.err) == (2, True)
    assert site.run("delete", token_id, "--yes").status == 0
    assert site.records() == []


@pytest.mark.parametrize("command", ["revoke", "delete"])
def test_nobody_is_asked_through_a_pipe(site: Site, command: str) -> None:
    """Without `--yes` nothing is done, whatever comes through the pipe, and the exit code is 2."""
    token_id = site.log_in()
    out, err, status = site.run(command, token_id, text="y\n")
    assert (status, out) == (2, "")
    assert "Add --yes" in err
    assert len(site.records()) == 1


@pytest.mark.parametrize(
    ("answer", "status", "left"),
    [("y\n", 0, 0), ("n\n", 1, 1), ("\n", 1, 1), ("\x03", 130, 1), ("\x04", 130, 1)],
)
@pytest.mark.parametrize("command", ["revoke", "delete"])
def test_the_question(site: Site, command: str, answer: str, status: int, left: int) -> None:
    """It names the user and the store; only a yes does anything, Ctrl+C and the end of input do not."""
    token_id = site.log_in()
    with Terminal([command, token_id], env=site.env, cwd=site.folder) as terminal:
        text = terminal.see("[y/N]: ")
        assert f"{token_id}, patricia@zylker.example" in text
        assert str(site.folder) in text
        if answer == "\x03":
            assert terminal.interrupt().status == status
        else:
            terminal.type(answer)
            assert terminal.end().status == status
    assert len(site.records()) == left


def test_where_a_login_belongs_is_not_known(site: Site) -> None:
    """It says what to pass; nothing was sent anywhere."""
    token_id = site.log_in()
    done = site.run("revoke", token_id, "--yes", ZOHO_ACCOUNTS_URL="")
    assert (done.status, "--accounts-url" in done.err) == (1, True)
    assert len(site.records()) == 1
