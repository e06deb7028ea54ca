"""What the URL and the arguments mean."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.csv.support import NAME
from zoho_tokenstore.backends.csv import CSVBackend
from zoho_tokenstore.errors import ConfigurationError
from zoho_tokenstore.records import Row


def from_url(url: str) -> CSVBackend:
    return CSVBackend.from_url(urlsplit(url))


def test_the_default_is_the_sdks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """sdk_tokens.txt in the current folder; later changes of the folder change nothing."""
    monkeypatch.chdir(tmp_path)
    backend = CSVBackend()
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    backend.write(Row("1"), expect=None)
    assert backend.location == str(tmp_path / NAME)
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_urls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Three slashes begin a relative path, four an absolute one; percent signs are decoded."""
    monkeypatch.chdir(tmp_path)
    assert from_url("csv:///tokens.csv").location == str(tmp_path / "tokens.csv")
    assert from_url(f"csv:///{tmp_path}/a%3Fb%23c%25.txt").location == str(tmp_path / "a?b#c%.txt")
    backend = from_url("csv:///tokens.csv?timeout=0.5")
    assert (backend._file._timeout, backend.leases._lock._timeout) == (0.5, 0.5)


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("csv://", "three slashes"),
        ("csv:///", "three slashes"),
        ("csv://host/tokens.csv", "three slashes"),
        ("csv:///tokens.csv?timeout=0", "above zero"),
        ("csv:///tokens.csv?timeout=1&timeout=2", "twice"),
        ("csv:///tokens.csv?delimiter=x", "The options of a csv URL are timeout"),
    ],
)
def test_wrong_urls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, url: str, said: str) -> None:
    """They are refused before anything is created."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigurationError, match=said):
        from_url(url)
    assert list(tmp_path.iterdir()) == []
