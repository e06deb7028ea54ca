"""Texts as AWS counts and compares them."""

from __future__ import annotations

from zoho_tokenstore.errors import BackendError


def utf8(text: str) -> bytes:
    """Return the UTF-8 form of a text.

    Raises:
        BackendError: it has none.
    """
    try:
        return text.encode()
    except UnicodeEncodeError:
        pass  # not chained: the codec's error holds the text
    raise BackendError("A text holds a lone surrogate, which is not valid Unicode. Nothing was changed.")
