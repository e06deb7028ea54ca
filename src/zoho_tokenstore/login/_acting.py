"""Acting as a user: blocks in a request, and functions that are given a login, such as tasks of Celery."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import wraps
from typing import ParamSpec, TypeVar

from zoho_tokenstore.errors import (
    ConfigurationError,
    InvalidGrantError,
    LoginExpiredError,
    TokenNotFoundError,
    TokenStoreError,
)
from zoho_tokenstore.records import TokenRecord
from zoho_tokenstore.tokens import Tokens

P = ParamSpec("P")
R = TypeVar("R")


@contextmanager
def acting_in_request(
    tokens: Tokens, login_id: str, log_in: Callable[[TokenStoreError], Exception | None]
) -> Iterator[TokenRecord]:
    """Act as a user in a block. If their login has ended, here or at Zoho, what `log_in` returns is raised.

    `None` raises the error as it is.
    """
    with ExitStack() as block:
        try:
            login = block.enter_context(tokens.acting_as(login_id))
        except (InvalidGrantError, LoginExpiredError, TokenNotFoundError) as error:
            instead = log_in(error)
            if instead is None:
                raise
            raise instead from error
        yield login


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
