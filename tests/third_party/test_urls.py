"""Backends of other packages are opened by URL, and none gets in the way of another."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from zoho_tokenstore import (
    ConfigurationError,
    MissingDependencyError,
    TokenRecord,
    open_repository,
    open_store,
    registry,
)
from zoho_tokenstore.backends.list import ListBackend
from zoho_tokenstore.registry import open_backend

ALICE = TokenRecord(user_name="alice", access_token="a")
Offer = Callable[..., None]


def test_the_scheme_opens_the_store(json_file: type, tmp_path: Path) -> None:
    """`open_store` and `open_repository` open an installed backend by the name of its entry point."""
    url = f"json-file:///{tmp_path}/tokens"
    with open_repository(url) as tokens, open_store(url) as store:
        saved = tokens.save(ALICE)
        assert tokens.location == str(tmp_path / "tokens")
        assert [token.get_id() for token in store.get_tokens()] == [saved.id]


def test_the_command_line_opens_the_store(installed: Path, json_file: type, tmp_path: Path) -> None:
    """`zoho-tokens` works on it as on any other store."""
    url = f"json-file:///{tmp_path}/tokens"
    with open_repository(url) as tokens:
        tokens.save(ALICE)
    done = subprocess.run(
        [Path(sys.executable).with_name("zoho-tokens"), "keys", "status", "--store", url],
        env={**os.environ, "PYTHONPATH": str(installed)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"1 rows in {tmp_path}/tokens\n")


def test_an_unknown_scheme_names_it_among_the_known(json_file: type) -> None:
    """The error for a scheme that nobody serves lists the schemes of other packages, too."""
    with pytest.raises(ConfigurationError, match=r"csv, dynamodb, json-file, list, "):
        open_backend("mongo://server/db")
    assert "json-file" not in registry.schemes()


@pytest.mark.parametrize("scheme", ["list", "sqlite", "mariadb", "rediss", "sql+sqlite"])
def test_no_package_replaces_a_store_of_ours(offer: Offer, scheme: str) -> None:
    """An entry point by one of our schemes, or by another word for one, is left alone."""
    offer("usurper", {scheme: "usurper:Backend"}, "raise RuntimeError('imported')")
    assert registry._class_for(scheme).__module__.startswith("zoho_tokenstore.backends.")
    assert "usurper" not in sys.modules


@pytest.mark.parametrize(
    ("target", "source", "told"),
    [
        ("broken:Backend", "import no_such_driver", "ModuleNotFoundError: No module named 'no_such_driver'"),
        ("broken:Backend", "1 / 0", "ZeroDivisionError: division by zero"),
        ("broken:Backend", "", "AttributeError: module 'broken' has no attribute 'Backend'"),
        ("gone:Backend", "", "ModuleNotFoundError: No module named 'gone'"),
    ],
    ids=["driver", "import", "class", "module"],
)
def test_a_broken_package_is_told_by_name(offer: Offer, target: str, source: str, told: str) -> None:
    """A backend that cannot be imported is an error that names scheme, package and reason."""
    offer("broken", {"odd": target}, source)
    with pytest.raises(ConfigurationError) as refused:
        open_backend("odd://place")
    assert "The backend for odd:// cannot be loaded" in str(refused.value)
    assert f"{target} of the package broken raises {told}" in str(refused.value)
    assert refused.value.__cause__ is not None
    sys.modules.pop("broken", None)


def test_a_broken_package_breaks_no_other_store(offer: Offer, json_file: type, tmp_path: Path) -> None:
    """Beside a package that cannot be imported all other stores are opened, ours and others'."""
    offer("broken", {"odd": "broken:Backend"}, "raise RuntimeError('imported')")
    with open_repository("list://") as ours, open_repository(f"json-file:///{tmp_path}/tokens") as theirs:
        assert ours.count() == theirs.count() == 0
    with pytest.raises(ConfigurationError, match=r"No store is known by the scheme 'mongo'.*odd"):
        open_backend("mongo://place")
    assert "broken" not in sys.modules


def test_a_missing_driver_is_told_by_its_own_package(offer: Offer) -> None:
    """An error of ours that a package raises, such as that of a missing extra, comes through as it is."""
    source = (
        "from zoho_tokenstore import MissingDependencyError\nraise MissingDependencyError('pip install x')"
    )
    offer("lacking", {"odd": "lacking:Backend"}, source)
    with pytest.raises(MissingDependencyError, match="pip install x"):
        open_backend("odd://place")


def test_what_is_no_backend_is_told_by_name(offer: Offer) -> None:
    """An entry point that leads to something without `from_url` names scheme, package and target."""
    offer("other", {"odd": "other:Backend"}, "class Backend: pass")
    with pytest.raises(ConfigurationError, match="other:Backend of the package other, has no from_url"):
        open_backend("odd://place")
    sys.modules.pop("other")


def test_two_packages_with_one_scheme_are_refused(offer: Offer) -> None:
    """Where two packages offer one scheme, neither is taken by chance: the error names both."""
    for name in ("one", "two"):
        offer(name, {"odd": f"{name}:Backend"})
    with pytest.raises(ConfigurationError, match=r"Several packages offer .* odd://: one, two\. Uninstall"):
        open_backend("odd://place")
    assert type(open_backend("list://")) is ListBackend
