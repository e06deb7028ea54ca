"""What is opened, and closed at the end of a `with` block."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import NoReturn, Self

from zoho_tokenstore.errors import ConfigurationError


class Opened(ABC):
    """The base of what has connections and locks, and is closed by a `with` block."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def __reduce__(self) -> NoReturn:
        raise ConfigurationError(
            f"{type(self).__name__} objects cannot be pickled or copied: they have connections and locks. "
            "Open one in each process, with the same arguments."
        )

    @abstractmethod
    def close(self) -> None:
        """Let go of what it has opened."""
