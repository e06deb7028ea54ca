"""Strings that break stores, each with a name."""

from __future__ import annotations

from types import MappingProxyType
from typing import Final

from zoho_tokenstore.records import LONGEST_ID

HOSTILE_TEXTS: Final = MappingProxyType(
    {
        "blank": " ",
        "blanks around": " a ",
        "tab": "a\tb",
        "newline": "a\nb",
        "newline at the end": "a\n",
        "carriage return": "a\r\nb",
        "NUL": "a\0b",
        "NUL alone": "\0",
        "NUL at the end": "a\0",
        "control characters": "a\x01\x1b[31m\x7f",
        "next line": "a\x85b",
        "line separator": "a\u2028b",
        "single quote": "o'brien@zylker.example:60001",
        "double quote": 'say "a"',
        "backslash": "a\\",
        "comma": "a,b",
        "CSV quotes": 'a,"b","',
        "CSV formula": "=1+1",
        "CSV header id": "id",
        "CSV header user_name": "user_name",
        "SQL condition": "x' or '1'='1",
        "SQL statement": "x'; DROP TABLE oauthtoken; --",
        "SQL wildcard": "%",
        "SQL placeholder": "? :1 %s $1",
        "JSON": '{"id": "1", "user_name": null}',
        "Redis key": "a:{b}:*",
        "Python format": "{0} {id} %(id)s ${id}",
        "HTML": "<script>alert(1)</script>",
        "path": "../../etc/passwd",
        "Windows path": "C:\\CON",
        "URL": "https://zylker.example/?a=b&c=%2F#d",
        "word None": "None",
        "word null": "null",
        "word NaN": "nan",
        "zero": "0",
        "leading zeros": "0012",
        "exponent": "1e3",
        "number beyond 64 bits": "99999999999999999999",
        "NFC": "\u00e9",
        "NFD": "e\u0301",
        "Kelvin sign": "\u212a",
        "sharp s": "stra\u00dfe",
        "dotless i": "\u0131",
        "right to left": "\u05d0\u202eb",
        "zero width": "a\u200bb\u200d",
        "byte order mark": "\ufeffa",
        "noncharacter": "\uffff",
        "last code point": "\U0010ffff",
        "emoji": "\U0001f469\u200d\U0001f393",
        "very long": "x" * 10_000,
        "very long and wide": "\U0001f393" * 10_000,
    }
)
"""Valid strings: a store keeps each exactly as it is, or refuses it with an exception."""

STORABLE_TEXTS: Final = MappingProxyType(
    {name: text for name, text in HOSTILE_TEXTS.items() if "\0" not in text}
)
"""Those that a `TokenRecord` accepts, and so a backend must keep. An id is shorter, too: `short_id`."""

LONE_SURROGATE: Final = "a\ud800b"
"""Not valid Unicode: a store refuses it."""

LOOKALIKES: Final = MappingProxyType(
    {
        "case": ("zylker", "Zylker"),
        "NFC and NFD": ("caf\u00e9", "cafe\u0301"),
        "Kelvin sign": ("\u212a", "K"),
        "long s": ("\u017f", "s"),
        "sharp s": ("stra\u00dfe", "strasse"),
        "dotless i": ("\u0131", "i"),
        "full width": ("\uff41", "a"),
        "accent": ("e", "\u00e9"),
        "blank at the end": ("b", "b "),
        "newline at the end": ("c", "c\n"),
        "zero width": ("ab", "a\u200bb"),
        "NUL at the end": ("d", "d\0"),
        "behind a NUL": ("a\0b", "a\0c"),
        "leading zero": ("1", "01"),
        "number": ("2", "2.0"),
        "prefix": ("fgh", "fg"),
        "long with one difference": ("x" * 300 + "a", "x" * 300 + "b"),
    }
)
"""Pairs of different strings that some storages equate. No string is in two pairs."""

STORABLE_LOOKALIKES: Final = MappingProxyType(
    {name: pair for name, pair in LOOKALIKES.items() if "\0" not in "".join(pair)}
)
"""Those of strings that a `TokenRecord` accepts."""

INJECTIONS: Final = MappingProxyType(
    {
        "SQL number condition": "1 or 1=1",
        "SQL text condition": "x' or '1'='1",
        "SQL empty condition": "' OR ''='",
        "SQL double quotes": 'x" or "1"="1',
        "SQL comment": "x'--",
        "SQL statement": "x'; DELETE FROM oauthtoken; --",
        "SQL wildcard": "%",
        "SQL single wildcard": "_",
        "SQL null": "NULL",
        "glob": "*",
        "Redis command": "x\nFLUSHALL\n",
        "document query": '{"$ne": null}',
        "CSV header": "id",
        "CSV row": "x\n1,alice",
        "path": "../oauthtoken",
        "blank": " ",
    }
)
"""Strings that mean something to a storage. As an id or name they belong to nobody."""


def short_id(text: str) -> str:
    """Return as much of a string as fits in an id: its end."""
    return text[-LONGEST_ID:]
