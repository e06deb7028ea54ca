"""The machine of the property tests over sealed stores, while their keys are changed."""

from __future__ import annotations

import itertools
import logging
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, precondition, rule, run_state_machine_as_test

from tests.property.model import Fields
from tests.property.test_stateful import BACKENDS, LOGINS, TOKENS, SixMethods, refusing
from tests.sealing.support import NEW, OLD
from tests.unit.renewal.support import Zoho
from zoho_tokenstore import Keyset, RepositoryStore, TokenRepository
from zoho_tokenstore.backend import Backend
from zoho_tokenstore.sealing import SealingKey, count_by_key, reseal

__all__ = ["refusing"]

EXAMPLES = {"list": 24, "memory": 10, "sqlite": 8}
"""The rules are those of the property tests, which have more examples; here it is about the keys."""


class SealedSixMethods(SixMethods):
    """Two handles that fetch their keys, and a third one that begins to use a new key in mid-run."""

    make_backends: Callable[[Path], list[Backend]]

    def __init__(self) -> None:
        super().__init__()
        self.backends = [store.repository._backend for store in self.stores]
        self.keys: list[SealingKey] = [OLD]
        self.clock = itertools.count(1)
        self.stores = [self._open(backend, self._fetched()) for backend in self.backends]

    def _fetched(self) -> Keyset:
        return Keyset.from_callable(lambda: self.keys, max_age=timedelta(0))

    def _open(self, backend: Backend, keys: Keyset) -> RepositoryStore:
        return self.open(TokenRepository(backend, keys=keys, clock=lambda: next(self.clock)))

    @initialize(early=st.booleans())
    def may_begin_with_two_keys(self, early: bool) -> None:
        if early:
            self.a_new_key_comes()

    @precondition(lambda self: len(self.stores) == 2)
    @rule()
    def a_new_key_comes(self) -> None:
        """For a third handle at once; the others come by it when they meet it or save."""
        self.keys = [NEW, OLD]
        self.stores.append(self._open(self.backends[-1], Keyset([NEW, OLD])))

    @precondition(lambda self: len(self.stores) == 3)
    @rule(token=TOKENS | LOGINS)
    def save_by_the_third(self, token: Fields) -> None:
        self._save(2, token)

    @precondition(lambda self: len(self.stores) == 3)
    @rule(query=TOKENS)
    def find_by_the_third(self, query: Fields) -> None:
        self._find(2, query)

    @precondition(lambda self: len(self.stores) == 3)
    @rule()
    def rotate(self) -> None:
        """Afterwards the new key opens everything by itself, and all tokens are what they were."""
        assert reseal(self.backends[0], Keyset([NEW, OLD])).refused == set()
        alone = self._open(self.backends[0], Keyset([NEW]))
        assert {token.get_id() for token in alone.get_tokens()} == set(self.model.rows)

    @invariant()
    def every_row_opens_and_is_found(self) -> None:
        stock = count_by_key(self.backends[0], Keyset(self.keys))
        assert stock.refused == []
        assert set(stock.by_key) <= {key.id for key in self.keys}


@pytest.mark.parametrize("name", BACKENDS)
def test_sealed_handles_do_as_the_model_does(
    name: str, refusing: Zoho, caplog: pytest.LogCaptureFixture
) -> None:
    """Whatever is done through two handles, and a third with a newer key, all answer as the model."""
    caplog.set_level(logging.CRITICAL, "zoho_tokenstore")  # refused saves are expected by the hundred
    machine = type(f"SealedOf{name}", (SealedSixMethods,), {"make_backends": staticmethod(BACKENDS[name])})
    scale = max(settings().max_examples // 60, 1)
    run_state_machine_as_test(machine, settings=settings(max_examples=EXAMPLES[name] * scale))
