"""Another process with the store. Arguments: what to do, the URL, and what that needs; prints JSON."""

from __future__ import annotations

import json
import os
import resource
import signal
import sys
import threading
import traceback
from collections.abc import Callable
from contextlib import closing
from urllib.parse import urlsplit

from tests.support.processes import ready
from zoho_tokenstore.backends.redis import RedisBackend
from zoho_tokenstore.errors import RowChangedError
from zoho_tokenstore.records import Row

FORKS = 30
CHILD_SECONDS = 20
TURNS = 25


def count_up(store: RedisBackend, turns: int) -> int:
    """Add one to the number in row 1 so many times, as compare-and-set allows it; return the conflicts."""
    done = conflicts = 0
    while done < turns:
        row = store.load("1")
        assert row is not None
        number = int(row.user_name or "0") + 1
        try:
            store.write(row._replace(user_name=str(number)), expect=row.etag)
            done += 1
        except RowChangedError:
            conflicts += 1
    return conflicts


def compete(store: RedisBackend, number: str) -> object:
    """Insert row 1 and count in it with others, beginning at one word; tell who inserted, and conflicts."""
    ready()
    inserted = True
    try:
        store.write(Row(id="1", user_name="0", client_id=number), expect=None)
    except RowChangedError:
        inserted = False
    return {"inserted": inserted, "conflicts": count_up(store, TURNS)}


def scan_and_clear(store: RedisBackend, _: str) -> object:
    """Read all rows, then delete them; tell how many, in order or not, and by how much memory grew (MB)."""
    list(store.scan(limit=2000))
    before = _peak_mb()
    ids = [row.id for row in store.scan()]
    return {
        "read": len(ids),
        "in order": ids == sorted(ids),
        "cleared": store.clear(),
        "left": len(list(store.scan())),
        "grown": _peak_mb() - before,
    }


def _peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def for_ever(store: RedisBackend, number: str) -> object:
    """Replace a row of its own without end, to be killed."""
    ready()
    etag: object = None
    while True:
        for name in ("alice", "bob"):
            mark = f"{name}-{number}"
            row = Row(id=number, user_name=mark, access_token=mark, refresh_token=mark)
            etag = store.write(row, expect=etag)


def fork(store: RedisBackend, _: str) -> object:
    """Fork while threads are busy with the store; tell what went wrong in parent and children."""
    store.write(Row(id="1", user_name="0"), expect=None)
    done = threading.Event()
    trouble: list[str] = []

    def busy() -> None:
        try:
            while not done.is_set():
                count_up(store, 1)
                store.find("user_name", "nobody")
        except BaseException:  # noqa: BLE001  # told at the end
            trouble.append(traceback.format_exc())

    threads = [threading.Thread(target=busy) for _ in range(4)]
    for thread in threads:
        thread.start()
    statuses = [_child(store) for _ in range(FORKS)]
    done.set()
    for thread in threads:
        thread.join()
    return {"statuses": statuses, "trouble": trouble, "children": len(store.find("user_name", "child"))}


def _child(store: RedisBackend) -> int:
    child = os.fork()
    if child == 0:
        signal.alarm(CHILD_SECONDS)
        status = 1
        try:
            store.write(Row(id=f"child {os.getpid()}", user_name="child"), expect=None)
            count_up(store, 2)
            store.leases.replace("a", store.leases.read("a").text, str(os.getpid()), 1000)
            store.close()
            status = 0
        except BaseException:  # noqa: BLE001  # all of it goes to the parent
            traceback.print_exc()
        finally:
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


WORK: dict[str, Callable[[RedisBackend, str], object]] = {
    "compete": compete,
    "scan_and_clear": scan_and_clear,
    "for_ever": for_ever,
    "fork": fork,
}


def main() -> None:
    """Do it."""
    what, url, *rest = sys.argv[1:]
    with closing(RedisBackend.from_url(urlsplit(url))) as store:
        print(json.dumps(WORK[what](store, rest[0] if rest else "")))


if __name__ == "__main__":
    main()
