"""The tree of errors, and the package's public names."""

from __future__ import annotations

import inspect

import pytest

import zoho_tokenstore
from zoho_tokenstore import errors
from zoho_tokenstore.errors import TokenStoreError

ERRORS = {
    name: error
    for name, error in vars(errors).items()
    if inspect.isclass(error) and error.__module__ == errors.__name__
}

FOR_AUTHORS_OF_BACKENDS = {"RowChangedError"}

BUILT_IN = {
    "ConfigurationError": ValueError,
    "MissingDependencyError": ImportError,
    "InvalidTokenError": ValueError,
    "TokenNotFoundError": LookupError,
    "AccountsUnavailableError": ConnectionError,
    "BackendUnavailableError": ConnectionError,
    "BackendTimeoutError": TimeoutError,
}


@pytest.mark.parametrize("error", ERRORS.values(), ids=ERRORS)
def test_every_error_has_the_one_base(error: type[Exception]) -> None:
    """`except TokenStoreError` catches every error of the package; each has a docstring."""
    assert issubclass(error, TokenStoreError)
    assert inspect.getdoc(error) != inspect.getdoc(Exception)


@pytest.mark.parametrize("name", ERRORS)
def test_errors_have_their_built_in_parents(name: str) -> None:
    """A plain `except ConnectionError` works; no error has a built-in parent that it does not promise."""
    promised = BUILT_IN.get(name)
    known = {ValueError, ImportError, LookupError, ConnectionError, TimeoutError, OSError}
    parents = {parent for parent in known if issubclass(ERRORS[name], parent)}
    assert parents == {parent for parent in known if promised and issubclass(promised, parent)}


@pytest.mark.parametrize("name", ERRORS)
def test_the_tree_shows_every_error(name: str) -> None:
    """The tree in the module's docstring shows each error below its parent, with its built-in one."""
    lines = (errors.__doc__ or "").splitlines()
    (line,) = [line for line in lines if f" {name} " in f" {line.strip()} "]
    if name in BUILT_IN:
        assert f"{name} ({BUILT_IN[name].__name__})" in line
    parent = ERRORS[name].__bases__[0].__name__
    above = [other for other in lines[: lines.index(line)] if _depth(other) == _depth(line) - 4]
    if name != "TokenStoreError":
        assert parent in above[-1]


def _depth(line: str) -> int:
    return next((at for at, character in enumerate(line) if character.isalpha()), -1)


def test_every_error_is_a_public_name() -> None:
    """Every error that a user can meet is importable from the package itself."""
    for name in set(ERRORS) - FOR_AUTHORS_OF_BACKENDS:
        assert name in zoho_tokenstore.__all__
        assert getattr(zoho_tokenstore, name) is ERRORS[name]


def test_every_public_name_is_there_and_documented() -> None:
    """Every name in `__all__` exists, is listed by `dir`, and has a docstring."""
    assert set(zoho_tokenstore.__all__) <= set(dir(zoho_tokenstore))
    missing = [name for name in zoho_tokenstore.__all__ if not inspect.getdoc(getattr(zoho_tokenstore, name))]
    assert missing == []


def test_the_public_names_are_sorted() -> None:
    """`__all__` has no name twice, and its classes and functions are sorted."""
    names = zoho_tokenstore.__all__
    assert names == sorted(set(names), key=lambda name: (not name[0].isupper(), name))
