"""Saves the token on standard input, pickled: `python -m tests.defects.worker TARGET PATH`."""

from __future__ import annotations

import pickle
import sys
from pathlib import Path

from tests.defects.subjects import make


def main(target: str, path: str) -> None:
    make(target, Path(path)).save_token(pickle.load(sys.stdin.buffer))


if __name__ == "__main__":
    main(*sys.argv[1:])
