"""What is deleted stays deleted, whoever still holds it; and no id is given twice."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.contract.stores import SHARED
from tests.sdk import app
from tests.sdk.portal import Portal, of_kind
from tests.sdk.test_outages import breakable, gone_at_the_save
from zoho_tokenstore import Event, TokenRecord, open_store
from zoho_tokenstore._ids import candidate_ids
from zoho_tokenstore._util.clock import now_ms
from zoho_tokenstore.emulator import Emulator
from zoho_tokenstore.sdk import RepositoryStore
from zoho_tokenstore.testing._tokens import none_is_an_answer


def is_absent(store: RepositoryStore, token_id: str) -> bool:
    """Tell whether there is no token with this id, in the way that the installed SDK can take."""
    try:
        return store.find_token_by_id(token_id) is None
    except app.SDKException:
        return True


def test_an_id_once_held_is_nobody_elses(portal: Portal) -> None:
    """Somebody got the id that alice's login would have, and was deleted: alice gets another one."""
    user = portal.zoho.default_users[0]
    owner = TokenRecord(
        user_name=user.user_name,
        client_id=portal.zoho.default_client.client_id,
        api_domain=portal.zoho.url,
        access_token="any",
    )
    ids = candidate_ids(owner, now_ms() // 3_600_000)
    first, second = next(ids), next(ids)
    for taken in (first, second):
        portal.store.save_token(app.token_of("mallory", id=taken, access_token=f"1000.{taken}"))
        portal.store.delete_token(taken)
    token = portal.start(app.token_of(user.user_name, **portal.grant(user)))
    assert token.get_id() not in (first, second)
    assert is_absent(portal.store, first)


def test_a_new_login_gets_a_new_id(portal: Portal) -> None:
    """Who logs out and in again has another id, each time; the old ones lead nowhere, after a restart too."""
    ids = []
    for _ in range(4):
        token = portal.log_in()
        ids.append(token.get_id())
        portal.store.delete_token(token.get_id())
        portal.restart()
    token = portal.log_in()
    assert len({*ids, token.get_id()}) == 5
    assert all(is_absent(portal.store, old) for old in ids)
    portal.store.delete_tokens()
    portal.restart()
    assert portal.log_in().get_id() not in {*ids, token.get_id()}


@pytest.mark.parametrize("everything", [False, True], ids=["its row", "all rows"])
def test_a_refresh_brings_no_deleted_token_back(
    portal: Portal, events: list[Event], everything: bool
) -> None:
    """A process goes on with a token in memory that was deleted: its refresh is not stored, and told."""
    token = portal.log_in()
    token_id = token.get_id()
    held = portal.store.find_token_by_id(token_id)
    if everything:
        portal.store.delete_tokens()
    else:
        portal.store.delete_token(token_id)
    events.clear()
    if none_is_an_answer():
        held.set_expires_in("1")
        held.get_token()  # by the refresh token in memory; the SDK drops what the save raises
    else:
        with pytest.raises(app.SDKException):
            held.get_token()
        with pytest.raises(app.SDKException):
            portal.store.save_token(held)
    assert portal.records == []
    refused = of_kind(events, "save_refused")
    assert {(event.token_id, event.reason) for event in refused} == {(token_id, "it was deleted")}
    portal.restart()
    again = portal.log_in()
    assert again.get_id() != token_id
    assert [record.id for record in portal.records] == [again.get_id()]


@pytest.mark.parametrize("name", SHARED)
@pytest.mark.parametrize(
    ("known", "everything"),
    [(True, True), (True, False), (False, True)],
    ids=["a known user, all rows", "a known user, its row", "a new user, all rows"],
)
def test_a_late_save_brings_no_deleted_token_back(
    zoho: Emulator, tmp_path: Path, events: list[Event], name: str, known: bool, everything: bool
) -> None:
    """A token waits in a process to be saved; another process deletes it: it is neither served nor stored."""
    with breakable(name, tmp_path) as (url, outage), open_store(SHARED[name].url(tmp_path)) as other:
        portal = Portal(zoho, tmp_path, lambda: open_store(url, on_event=events.append))
        token = _unsaved(portal, outage, known=known)
        assert len(of_kind(events, "save_failed")) == 1
        if everything:
            other.delete_tokens()
        else:
            other.delete_token(token.get_id())
        query = app.token_of(token.get_user_signature().get_name())
        assert portal.store.find_token(query) is None
        portal.store.close()  # which saves what waits
        assert other.get_tokens() == []


def _unsaved(portal: Portal, outage: Any, *, known: bool) -> Any:
    """Return a token that waits in the process: a renewed one of a known user, or that of a first login."""
    token = app.token_of("alice", **portal.refresh())
    if known:
        portal.start(token)
        portal.let_expire(token)
        with gone_at_the_save(portal.store, outage):
            portal.store.find_token_by_id(token.get_id())
    else:
        with gone_at_the_save(portal.store, outage):
            portal.start(token)
    return token
