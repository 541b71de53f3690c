"""Keys that a script will write are read before where a server may have only some of them, and only there."""

from __future__ import annotations

from pathlib import Path

from redis import Redis

from jobd.store.scripts import load
from tests.real_server import RealServer

BASE = "{jobd:0}:"


def tell(client: Redis, *, outside: Redis) -> int:
    """How many keys are read before they are written when a member is told two things, each of which goes into its hash
    and its inbox."""
    order = load("order")
    outside.function_load(order.library.source.decode())
    outside.zadd(f"{BASE}leases", {"w1": 10**14})
    for word in ("pause", "resume"):
        assert client.fcall(order.function, 1, f"{BASE}leases", "", BASE, "w1", word) == 1
    return int(outside.info("commandstats").get("cmdstat_exists", {"calls": 0})["calls"])


def test_a_server_that_stands_alone_has_all_keys(server_of_ones_own: RealServer) -> None:
    with server_of_ones_own.client() as client:
        assert tell(client, outside=client) == 0


def test_one_of_a_cluster_may_have_given_some_away(server_binary: Path) -> None:
    with RealServer(server_binary, "cluster-enabled yes") as server, server.client() as client:
        client.execute_command("CLUSTER", "ADDSLOTSRANGE", 0, 16383)
        while b"cluster_state:ok" not in client.execute_command("CLUSTER", "INFO"):
            pass
        assert tell(client, outside=client) == 4


def test_one_that_does_not_say_what_it_is_is_taken_for_one_of_a_cluster(server_of_ones_own: RealServer) -> None:
    socket = str(server_of_ones_own.socket)
    with server_of_ones_own.client() as client:
        client.execute_command("ACL", "SETUSER", "quiet", "on", ">password", "~*", "+@all", "-info")
        with Redis(unix_socket_path=socket, username="quiet", password="password") as quiet:
            assert tell(quiet, outside=client) == 4
