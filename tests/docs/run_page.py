"""Run the blocks of one page, in order and in one namespace; they come as JSON on stdin.

Arguments: the page's name. Each block keeps its line numbers, so that a traceback points into the page.
"""

from __future__ import annotations

import json
import linecache
import sys


def main() -> None:
    """Run the page."""
    (page,) = sys.argv[1:]
    namespace: dict[str, object] = {"__name__": "__main__"}
    for line, source in json.load(sys.stdin):
        padded = "\n" * (line - 1) + source
        linecache.cache[page] = (len(padded), None, padded.splitlines(keepends=True), page)
        exec(compile(padded, page, "exec"), namespace)


if __name__ == "__main__":
    main()
