"""How groups of commands are read."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from typer.core import TyperGroup


class Group(TyperGroup):
    """A group whose commands show their help at once.

    Typer (0.29) loads Pydantic to check the group's own options, even those that nobody gave, as `--help`.
    That takes longer than everything else.
    """

    def get_params(self, ctx: Any) -> list[Any]:
        params: list[Any] = [*super().get_params(ctx)]
        for option in params:
            if option.default is None and getattr(option, "is_flag", False):
                option.default = False
            elif option.default is None and not isinstance(option.process_value, partial):
                option.process_value = partial(_if_given, option.process_value)
        return params


def _if_given(process: Callable[[Any, Any], Any], ctx: Any, value: Any) -> Any:
    return None if value is None else process(ctx, value)
