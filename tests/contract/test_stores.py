"""The contract of a token store, over every store of this package, clear and sealed."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, Final

import pytest

from tests.contract.few_texts import FewTexts
from tests.contract.stores import ALL, CASES, Case
from tests.contract.stricter import StricterContract
from zoho_tokenstore import Keyset, registry
from zoho_tokenstore.registry import open_store
from zoho_tokenstore.testing import Ability, _children

OPTIONS: Final[dict[str, dict[str, Any]]] = {"clear": {}, "sealed": {"keys": Keyset.generate()}}

WITH_ALL_TEXTS: Final = {"clear": {"list", "sqlite"}, "sealed": {"sqlite"}}
"""Each backend's own contract proves all texts, and what is between it and a token is the same over every
backend. So a few of them are enough for all other pairs of both."""


def over(**chosen: set[str]) -> Any:
    """Return a parametrisation: these stores, by how they keep secrets."""
    return pytest.mark.parametrize(
        ("case", "options"),
        [
            pytest.param(case, OPTIONS[how], id=f"{name}-{how}", marks=[pytest.mark.clear] * (how == "clear"))
            for how, names in chosen.items()
            for name, case in CASES.items()
            if name in names
        ],
    )


_children.PRELOADED.extend(("boto3", "psycopg", "pymysql", "redis", "sqlalchemy"))  # where installed


class Stores(StricterContract):
    """The contract over the store of a case."""

    @pytest.fixture(autouse=True)
    def _choose(self, case: Case, options: dict[str, Any]) -> None:
        self.case, self.options = case, options
        able = {Ability.SHARED: True, Ability.PERSISTENT: case.is_shared, Ability.FILES: case.has_files}
        able[Ability.SEALED] = bool(options)
        self.abilities = {ability for ability, has in able.items() if has}

    def make_store(self, folder: Path) -> Any:
        return self.case.make_store(folder, **self.options)

    def reopen(self, store: Any, folder: Path) -> Any:
        return self.case.reopen_store(store, folder, **self.options)

    def opener(self, folder: Path) -> Callable[[], Any]:
        return partial(open_store, self.case.url(folder), **self.options)


@over(**WITH_ALL_TEXTS)
class TestStores(Stores):
    """All clauses, with all texts."""


@over(**{how: {*ALL} - names for how, names in WITH_ALL_TEXTS.items()})
class TestStoresWithFewTexts(FewTexts, Stores):
    """All clauses, those about many texts with a few of them."""


def test_every_scheme_has_a_case() -> None:
    """Each of our URL schemes is among the stores that the contracts run over."""
    aliases = {"mariadb": "mysql"}  # as the registry has it
    assert sorted(aliases.get(name, name) for name in ALL) == registry.schemes()
