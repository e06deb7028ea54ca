"""Random sequences of the six methods, on two handles of one store, against a plain model."""

from __future__ import annotations

import itertools
import logging
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from tests.property.model import Fields, Model, Refused
from tests.property.records import POOLS
from tests.unit.renewal.support import Line, Zoho
from zoho_tokenstore import ConfigurationError, RefreshPolicy, RepositoryStore, TokenRepository
from zoho_tokenstore._policies import DEFAULT_POLICY
from zoho_tokenstore.backend import Backend
from zoho_tokenstore.backends.list import ListBackend
from zoho_tokenstore.backends.memory import MemoryBackend
from zoho_tokenstore.backends.sqlite import SQLiteBackend
from zoho_tokenstore.errors import ConflictError, InvalidGrantError, InvalidTokenError
from zoho_tokenstore.renewal import _renewer as renewer
from zoho_tokenstore.testing import fields_of, make_token
from zoho_tokenstore.testing._tokens import SDKException, none_is_an_answer

CLIENT = ["client_id", "client_secret"]
EXPIRIES = ["4102444800000", "4102444800001"]
"""Far ahead, so that nothing is renewed but what has no access token."""

VALUES = {**POOLS, "expires_in": EXPIRIES}
HANDLES = st.integers(min_value=0, max_value=1)

# Half of the fields, each of few values: so tokens are often somebody's, and often not.
TOKENS = st.fixed_dictionaries(
    {}, optional={name: st.sampled_from(pool) for name, pool in VALUES.items() if name != "id"}
)
QUERIES = [
    ["user_name"],
    ["user_name", "client_id"],
    ["user_name", "api_domain"],
    ["user_name", "refresh_token"],
    ["user_name", "grant_token"],
    ["user_name", "access_token"],
    ["access_token"],
    ["access_token", "api_domain"],
    [*CLIENT, "refresh_token"],
    [*CLIENT, "grant_token"],
    [*CLIENT, "grant_token", "refresh_token"],
    [*CLIENT, "refresh_token", "api_domain"],
    ["client_id", "refresh_token"],
]
"""By which fields tokens are looked up."""

CLIENTS = st.sampled_from(
    [dict(zip(CLIENT, pair, strict=True)) for pair in zip(*(POOLS[name] for name in CLIENT), strict=True)]
)
LOGINS = st.builds(
    lambda client, fields: client | fields,
    CLIENTS,
    st.fixed_dictionaries(
        {name: st.sampled_from(VALUES[name]) for name in ["user_name", "access_token", "expires_in"]},
        optional={
            name: st.sampled_from(VALUES[name]) for name in ["refresh_token", "grant_token", "api_domain"]
        },
    ),
)


def _two_of(make: Callable[[], Backend]) -> Callable[[Path], list[Backend]]:
    def pair(_: Path) -> list[Backend]:
        backend = make()
        return [backend, backend]

    return pair


BACKENDS: dict[str, Callable[[Path], list[Backend]]] = {
    "list": _two_of(ListBackend),
    "memory": _two_of(MemoryBackend),
    "sqlite": lambda folder: [SQLiteBackend(folder / "tokens.db") for _ in range(2)],
}
"""Two handles on one store: for storages inside the process, two stores over one backend."""

WEIGHTS = {"list": 2, "memory": 1, "sqlite": 1}
"""The rules are the same over every storage: most examples go where they are quick."""


class SixMethods(RuleBasedStateMachine):
    """The six methods on either handle answer as the model does.

    With a policy they renew what has no access token, and Zoho refuses that.
    """

    make_backends: Callable[[Path], list[Backend]]
    policy: RefreshPolicy | None = DEFAULT_POLICY

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        clock = itertools.count(1)  # one for both handles, never twice the same
        self.stores = [
            self.open(TokenRepository(backend, clock=lambda: next(clock)))
            for backend in type(self).make_backends(Path(self.folder.name))
        ]
        self.model = Model()

    def open(self, repository: TokenRepository) -> RepositoryStore:
        return RepositoryStore(repository, refresh=self.policy)

    def teardown(self) -> None:
        for store in self.stores:
            store.close()
        self.folder.cleanup()

    @rule(handle=HANDLES, query=TOKENS)
    def find(self, handle: int, query: Fields) -> None:
        self._find(handle, query)

    @precondition(lambda self: self.model.rows)
    @rule(handle=HANDLES, data=st.data(), names=st.sampled_from(QUERIES))
    def find_by_what_is_stored(self, handle: int, data: st.DataObject, names: list[str]) -> None:
        """Look up by some fields of a stored token, half of the times with one of them changed."""
        row = self.model.rows[data.draw(st.sampled_from(sorted(self.model.rows)))]
        query = {name: row[name] for name in names if name in row}
        if data.draw(st.booleans()):
            changed = data.draw(st.sampled_from(names))
            query[changed] = data.draw(st.sampled_from(VALUES[changed]))
        self._find(handle, query)

    @rule(handle=HANDLES, query=TOKENS, data=st.data())
    def find_by_id_in_a_token(self, handle: int, query: Fields, data: st.DataObject) -> None:
        self._find(handle, query | {"id": self._id(data)})

    @rule(handle=HANDLES, token=TOKENS)
    def save(self, handle: int, token: Fields) -> None:
        self._save(handle, token)

    @rule(handle=HANDLES, token=LOGINS)
    def save_a_login(self, handle: int, token: Fields) -> None:
        self._save(handle, token)

    @rule(handle=HANDLES, token=TOKENS, data=st.data())
    def save_under_an_id(self, handle: int, token: Fields, data: st.DataObject) -> None:
        self._save(handle, token | {"id": self._id(data)})

    @rule(handle=HANDLES, data=st.data())
    def refresh(self, handle: int, data: st.DataObject) -> None:
        """As the SDK does it: by id, then a new access token saved in the object that came back."""
        row_id = self._id(data)
        if row_id in self.model.rows and not self._needs_a_login(self.model.rows[row_id]):
            token = self.stores[handle].find_token_by_id(row_id)
            token.set_access_token(data.draw(st.sampled_from(VALUES["access_token"])))
            self._save(handle, _present(token))

    @rule(handle=HANDLES, data=st.data())
    def delete(self, handle: int, data: st.DataObject) -> None:
        row_id = self._id(data)
        self.stores[handle].delete_token(row_id)
        self.model.delete(row_id)

    @precondition(lambda self: len(self.model.rows) > 3)
    @rule(handle=HANDLES)
    def delete_all(self, handle: int) -> None:
        self.stores[handle].delete_tokens()
        self.model.clear()

    @rule(handle=HANDLES, data=st.data())
    def find_by_id(self, handle: int, data: st.DataObject) -> None:
        row_id = self._id(data)
        expected = self.model.rows.get(row_id)
        if expected is None and not none_is_an_answer():
            with pytest.raises(SDKException):
                self.stores[handle].find_token_by_id(row_id)
            return
        if expected is not None and self._needs_a_login(expected):
            with pytest.raises(REFUSED):
                self.stores[handle].find_token_by_id(row_id)
            return
        token = self.stores[handle].find_token_by_id(row_id)
        assert (None if token is None else _present(token)) == expected

    @invariant()
    def both_handles_hold_what_the_model_holds(self) -> None:
        for store in self.stores:
            tokens = [_present(token) for token in store.get_tokens()]
            assert {token["id"]: token for token in tokens} == self.model.rows
            assert len(tokens) == len(self.model.rows)

    def _find(self, handle: int, query: Fields) -> None:
        token = make_token(**query)
        row = self.model.find(query)
        if row is not None and "id" not in query and self._needs_a_login(row):
            with pytest.raises(REFUSED):
                self.stores[handle].find_token(token)
            assert _present(token) == query
            return
        found = self.stores[handle].find_token(token)
        assert found is (None if row is None else token)
        assert _present(token) == (query if row is None else self.model.filled(query, row))

    def _save(self, handle: int, fields: Fields) -> None:
        token = make_token(**fields)
        try:
            expected = self.model.row_to_save(fields)
        except Refused:
            with pytest.raises((ConflictError, InvalidTokenError)):
                self.stores[handle].save_token(token)
            assert _present(token) == fields
            return
        self.stores[handle].save_token(token)
        row_id = token.get_id()
        if expected is None and "id" not in fields:
            assert row_id not in {*self.model.rows, *self.model.retired}
            assert len(row_id) == 9
        else:
            assert row_id == (expected or fields["id"])
        self.model.save(fields, row_id)
        assert _present(token) == fields | {"id": row_id}

    def _needs_a_login(self, row: Fields) -> bool:
        return self.policy is not None and "access_token" not in row

    def _id(self, data: st.DataObject) -> str:
        return data.draw(st.sampled_from(sorted({*self.model.rows, *POOLS["id"]})))


def _present(token: Any) -> Fields:
    return {name: value for name, value in fields_of(token).items() if value is not None}


REFUSED = (InvalidGrantError, ConfigurationError)
"""What a token without an access token ends in: Zoho refuses it, or it is not known which server to ask."""


@pytest.fixture
def refusing(monkeypatch: pytest.MonkeyPatch) -> Zoho:
    """Let every request be refused."""
    zoho = Zoho()
    zoho.granted = {"error": "invalid_code"}
    monkeypatch.setattr(renewer, "Transport", lambda *_, **__: Line(zoho=zoho))
    return zoho


@pytest.mark.parametrize("policy", [DEFAULT_POLICY, None], ids=["renewing", "left to the SDK"])
@pytest.mark.parametrize("name", BACKENDS)
def test_two_handles_do_as_the_model_does(
    name: str, policy: RefreshPolicy | None, refusing: Zoho, caplog: pytest.LogCaptureFixture
) -> None:
    """Whatever is done through two handles, in whatever order, both answer as the model."""
    caplog.set_level(logging.CRITICAL, "zoho_tokenstore")  # refused saves are expected by the hundred
    attributes = {"make_backends": staticmethod(BACKENDS[name]), "policy": policy}
    machine = type(f"SixMethodsOf{name}", (SixMethods,), attributes)
    run_state_machine_as_test(
        machine, settings=settings(max_examples=settings().max_examples * WEIGHTS[name])
    )
