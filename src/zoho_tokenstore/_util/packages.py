"""Which packages are installed."""

from __future__ import annotations

from importlib.util import find_spec


def is_installed(package: str) -> bool:
    """Return whether a package can be imported, without importing it."""
    try:
        return find_spec(package) is not None
    except ImportError:  # raised by a hook that blocks imports
        return False
