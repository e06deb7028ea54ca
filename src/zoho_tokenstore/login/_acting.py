"""Functions that act as a user: tasks of Celery and RQ, and any other function that is given a login."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

from zoho_tokenstore.errors import ConfigurationError
from zoho_tokenstore.tokens import Tokens

P = ParamSpec("P")
R = TypeVar("R")


def acts_as(
    tokens: Tokens | Callable[[], Tokens], argument: str = "login_id"
) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Return a decorator: the function runs as the user of the login whose id it is given.

    ::

        @app.task                      # Celery; or a plain function that RQ enqueues
        @acts_as(lambda: store.tokens)
        def enrol(login_id, course): ...

    Arguments:
        tokens: the logins, or a function that returns them, called in the worker's process.
        argument: the name of the argument that holds the id.

    Raises:
        ConfigurationError: the function has no such argument, or is a coroutine function: await
            `Tokens.run_as` in it.
    """

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        signature = inspect.signature(function)
        name = getattr(function, "__qualname__", repr(function))
        if argument not in signature.parameters:
            raise ConfigurationError(f"{name} has no argument {argument!r} to take the id of a login from.")
        if inspect.iscoroutinefunction(function) or inspect.isgeneratorfunction(function):
            raise ConfigurationError(
                f"{name} is a coroutine or generator function: between its steps, others run in its thread, "
                "and would act as this user. Use a plain function, and await tokens.run_as."
            )

        @wraps(function)
        def call(*args: P.args, **kwargs: P.kwargs) -> R:
            login_id = signature.bind(*args, **kwargs).arguments.get(argument)
            known = tokens if isinstance(tokens, Tokens) else tokens()
            with known.acting_as(login_id):  # type: ignore[arg-type]  # whatever it is, it is checked there
                return function(*args, **kwargs)

        return call

    return decorate
