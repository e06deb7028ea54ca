"""What a store is declared to be able to do: asked for, never guessed."""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from enum import StrEnum
from typing import Final

import pytest

from zoho_tokenstore.errors import ConfigurationError


class Ability(StrEnum):
    """What not every store can do. Clauses about an ability that isn't declared are skipped."""

    PERSISTENT = "persistent"
    """Tokens outlive the process that saved them."""
    SHARED = "shared"
    """Several handles may work on the same tokens at once; if they persist, in several processes."""
    FILES = "files"
    """Tokens are kept in files of the folder that the store was made with."""
    SEALED = "sealed"
    """No secret is stored in plain text."""


ORDINARY: Final = frozenset({Ability.PERSISTENT, Ability.SHARED, Ability.FILES})
"""What a store is taken to be able to do if it declares nothing else."""

_NONE: Final = "none"


class Declares:
    """A contract whose subclasses declare abilities."""

    abilities: AbstractSet[Ability] = ORDINARY
    """What the subject is able to do. The clauses about other abilities are skipped."""

    def need(self, *needed: Ability) -> None:
        """Skip the running clause unless these abilities are declared."""
        missing = [ability for ability in needed if ability not in self.abilities]
        if missing:
            pytest.skip(f"not among the declared abilities: {', '.join(missing)}")


def parse_abilities(text: str) -> frozenset[Ability]:
    """Return the abilities that a comma-separated list names; `none` for no ability."""
    names = [] if text == _NONE else text.replace(" ", "").split(",")
    unknown = sorted({*names} - {*Ability})
    if unknown:
        raise ConfigurationError(
            f"There is no ability {', '.join(unknown) or repr(text)}. "
            f"Write {_NONE!r}, or some of {', '.join(Ability)}, separated by commas."
        )
    return frozenset(map(Ability, names))
