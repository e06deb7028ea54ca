"""What the tests with other processes share."""

from tests.sqlite.conftest import legacy, open_tokens

__all__ = ["legacy", "open_tokens"]
