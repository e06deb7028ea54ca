"""The reference names everything that there is."""

from __future__ import annotations

import dataclasses
import inspect
import re

import pytest

import zoho_tokenstore
from tests.docs.pages import DOCS, Page
from zoho_tokenstore import errors, registry, sdk
from zoho_tokenstore.events import Event, EventKind
from zoho_tokenstore.records import TokenRecord
from zoho_tokenstore.repository import TokenRepository
from zoho_tokenstore.sdk import RepositoryStore

ERRORS = [error for name in errors.__all__ if isinstance(error := getattr(errors, name), type)]


def page(name: str) -> Page:
    return Page(DOCS / "reference" / name)


def codes(name: str) -> set[str]:
    """Return what stands in backquotes on a page, without call brackets."""
    return {code.partition("(")[0] for code in re.findall(r"`([^`\n]+)`", page(name).prose)}


def test_public_names_are_in_the_api_reference() -> None:
    """Every public name of the package stands in docs/reference/api.md."""
    assert set(zoho_tokenstore.__all__) - codes("api.md") == set()


@pytest.mark.parametrize("owner", [TokenRepository, RepositoryStore], ids=lambda owner: owner.__name__)
def test_public_method_is_in_the_api_reference(owner: type) -> None:
    """Every public method of the repository and of the stores stands in docs/reference/api.md."""
    methods = {name for name, _ in inspect.getmembers(owner, inspect.isfunction) if not name.startswith("_")}
    assert methods <= codes("api.md")


def test_every_field_of_a_token_is_in_the_api_reference() -> None:
    """Every field of a `TokenRecord` stands in docs/reference/api.md."""
    assert {field.name for field in dataclasses.fields(TokenRecord)} <= codes("api.md")


def test_errors_are_in_the_error_reference() -> None:
    """Every error stands in docs/reference/errors.md."""
    known = {error.__name__ for error in (*ERRORS, sdk.SDKTokenNotFoundError)}
    assert known - codes("errors.md") == set()


def test_error_reference_names_no_error_that_is_gone() -> None:
    """Every name that looks like an error of ours is one."""
    known = {error.__name__ for error in ERRORS} | {name for name in sdk.__all__ if name.endswith("Error")}
    builtin = {"ValueError", "ImportError", "LookupError", "ConnectionError", "TimeoutError", "OSError"}
    assert {code for code in codes("errors.md") if re.fullmatch(r"\w+Error", code)} <= known | builtin


def test_events_page_lists_the_kinds_of_events_and_their_fields() -> None:
    """The table of docs/reference/events.md has the kinds that exist, no more; all fields are named."""
    kinds = set(re.findall(r"^\| `EventKind\.(\w+)` \|", page("events.md").text, re.MULTILINE))
    assert kinds == {kind.name for kind in EventKind}
    assert {kind.value for kind in EventKind} <= codes("events.md")
    assert {field.name for field in dataclasses.fields(Event)} <= codes("events.md")


def test_every_store_has_a_row_and_a_page() -> None:
    """Every URL scheme stands in docs/reference/stores.md and has a page of its own below it."""
    listed = set(re.findall(r"\]\(stores/(\w+)\.md\)", page("stores.md").text))
    assert listed == set(registry.schemes())
