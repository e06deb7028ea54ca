"""Opens a store with a spool, when it is told to, and closes it. Prints how many late saves it made, as JSON.

Arguments: the store, the spool, and its own number.
"""

from __future__ import annotations

import json
import sys

from tests.support.processes import ready
from zoho_tokenstore.events import Event
from zoho_tokenstore.registry import open_tokens


def main(url: str, spool: str, _number: str) -> None:
    events: list[Event] = []
    ready()
    open_tokens(url, spool=spool, on_event=events.append).close()
    print(json.dumps([event.kind for event in events]))


if __name__ == "__main__":
    main(*sys.argv[1:])
