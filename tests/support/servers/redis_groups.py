"""Redis servers that belong together: a primary and its replica, a Sentinel, a cluster."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from typing import Any, Final

from tests.support.servers._process import PATIENCE, free_port
from tests.support.servers.redis import LocalRedis, start_local

_HALF: Final = 8192  # of the slots


@contextlib.contextmanager
def sentinel_pair(**config: Any) -> Iterator[tuple[LocalRedis, LocalRedis, LocalRedis]]:
    """A primary, its replica, and a Sentinel that promotes the replica; the service is called ``tokens``."""
    with contextlib.ExitStack() as stack:
        primary = stack.enter_context(start_local(**config))
        replica = stack.enter_context(replica_of(primary, **config))
        sentinel = stack.enter_context(start_local(sentinel=True))
        with sentinel.driver() as driver:
            driver.execute_command("SENTINEL", "MONITOR", "tokens", "127.0.0.1", primary.port, 1)
            options = {"down-after-milliseconds": 300, "failover-timeout": 3000}
            options |= {"auth-pass": config["requirepass"]} if "requirepass" in config else {}
            for option in options.items():
                driver.execute_command("SENTINEL", "SET", "tokens", *option)
            until(lambda: _knows_the_replica(driver), "the Sentinel to know the replica")
        yield primary, replica, sentinel


def replica_of(primary: LocalRedis, **config: Any) -> LocalRedis:
    """Start a server that follows `primary`, and wait until it has caught up."""
    replica = start_local("--replicaof", "127.0.0.1", str(primary.port), repl_diskless_sync_delay=0, **config)
    with replica.driver() as driver:
        until(lambda: driver.info("replication")["master_link_status"] == "up", "the replica to catch up")
    return replica


class Cluster:
    """Two primaries with half of the slots each, and a replica of the first one."""

    def __init__(self, nodes: list[LocalRedis]) -> None:
        self.nodes = nodes
        self.drivers = [node.driver() for node in nodes]
        hosts = ",".join(f"127.0.0.1:{node.port}" for node in nodes)
        self.url = f"redis+cluster://{hosts}"
        self._join()

    def names(self) -> list[str]:
        """Return the nodes' ids."""
        return [driver.execute_command("CLUSTER", "MYID").decode() for driver in self.drivers]

    def owner(self, key: str) -> int:
        """Return which of the primaries has the slot of a key."""
        slot: int = self.drivers[0].execute_command("CLUSTER", "KEYSLOT", key)
        return 0 if slot < _HALF else 1

    def close(self) -> None:
        """Close the drivers' connections."""
        for driver in self.drivers:
            driver.close()

    def _join(self) -> None:
        first, second, replica = self.drivers
        for epoch, driver in enumerate(self.drivers, 1):
            driver.execute_command("CLUSTER", "SET-CONFIG-EPOCH", epoch)
        first.execute_command("CLUSTER", "ADDSLOTSRANGE", 0, _HALF - 1)
        second.execute_command("CLUSTER", "ADDSLOTSRANGE", _HALF, 16383)
        port = self.nodes[0].port
        bus = first.config_get("cluster-port")["cluster-port"]
        for driver in (second, replica):
            driver.execute_command("CLUSTER", "MEET", "127.0.0.1", port, bus)
        until(lambda: all(self._knows_all(driver) for driver in self.drivers), "the nodes to meet")
        replica.execute_command("CLUSTER", "REPLICATE", self.names()[0])
        until(lambda: all(self._is_ok(driver) for driver in self.drivers), "the cluster to be ok")
        until(lambda: replica.info("replication")["role"] == "slave", "the replica to follow")
        until(lambda: replica.info("replication")["master_link_status"] == "up", "the replica to catch up")

    def _knows_all(self, driver: Any) -> bool:
        return int(driver.cluster("INFO")["cluster_known_nodes"]) == len(self.nodes)

    def _is_ok(self, driver: Any) -> bool:
        return bool(driver.cluster("INFO")["cluster_state"] == "ok")


@contextlib.contextmanager
def cluster(**config: Any) -> Iterator[Cluster]:
    """A small cluster."""
    with contextlib.ExitStack() as stack:
        nodes = [stack.enter_context(_cluster_node(**config)) for _ in range(3)]
        made = Cluster(nodes)
        stack.callback(made.close)
        yield made


def until(is_so: Callable[[], bool], what: str) -> None:
    """Wait until something is so, a bounded time."""
    deadline = time.monotonic() + PATIENCE
    while not is_so():
        assert time.monotonic() < deadline, f"waited in vain for {what}"
        time.sleep(0.02)


def _cluster_node(**config: Any) -> LocalRedis:
    return start_local(
        cluster_enabled="yes",
        cluster_port=free_port,
        cluster_node_timeout=2000,
        repl_diskless_sync_delay=0,
        **config,
    )


def _knows_the_replica(sentinel: Any) -> bool:
    replicas = sentinel.execute_command("SENTINEL", "REPLICAS", "tokens")
    return [b"ok" in replica for replica in replicas] == [True]
