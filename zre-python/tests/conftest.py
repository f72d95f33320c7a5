"""What all tests have in common."""

import itertools
import os
import sys
import time
from typing import Any, Callable, Iterator

import pytest

import zre
import zre.blocking

#: Each test has a discovery port of its own, and each process a range of its own.
_ports = itertools.count(26200 + 100 * int(os.environ.get("ZRE_TEST_RANGE", "0")))

TIMEOUT = 20.0


@pytest.fixture
def port() -> int:
    """A discovery port that no other test uses."""
    return next(_ports)


@pytest.fixture
def pair(port: int) -> Iterator[tuple[zre.blocking.Node, zre.blocking.Node]]:
    """Alice and bob, who know each other and are both in the group CHAT."""
    with node("alice", port) as alice, node("bob", port) as bob:
        alice.wait_for_group("CHAT", timeout=TIMEOUT)
        bob.wait_for_group("CHAT", timeout=TIMEOUT)
        yield alice, bob


def node(name: str, port: int, **settings: Any) -> zre.blocking.Node:
    """A node on loopback, in the group CHAT."""
    settings.setdefault("groups", ["CHAT"])
    return zre.blocking.Node(name, interface="lo", port=port, **settings)


def next_of(receiver: zre.blocking.Node, kind: type) -> Any:
    """The next event of this class."""
    deadline = time.monotonic() + TIMEOUT
    while True:
        event = receiver.recv(max(0.0, deadline - time.monotonic()))
        if isinstance(event, kind):
            return event


def wait_until(holds: Callable[[], bool], what: str) -> None:
    """Waits until something holds."""
    deadline = time.monotonic() + TIMEOUT
    while not holds():
        assert time.monotonic() < deadline, f"waited in vain until {what}"
        time.sleep(0.005)


needs_match = pytest.mark.skipif(sys.version_info < (3, 10), reason="match needs Python 3.10")
