"""What ``zre.pyre`` has beside nodes: actors, beacons, pipes, interfaces; and imports."""

from __future__ import annotations

import logging
import socket
import struct
import subprocess
import sys
import uuid

import pytest

import zre.pyre
from zre.pyre import zhelper
from zre.pyre.zactor import ZActor, echo_actor
from zre.pyre.zbeacon import ZBeacon

# Imported by programs that have no pyzmq.
WITHOUT_ZMQ = """
import sys
sys.modules["zmq"] = None
import zre.pyre
from zre.pyre import Pyre, PyreEvent, zactor, zbeacon, zhelper
assert zhelper.get_ifaddrs()
node = Pyre("plain")
node.stop()
assert PyreEvent(node).type == "STOP"
for needs_zmq in (
    lambda: Pyre().socket(),
    lambda: zhelper.zcreate_pipe(None),
    lambda: zhelper.zthread_fork(None, print),
    lambda: zre.pyre.zsocket,
):
    try:
        needs_zmq()
    except ImportError as error:
        assert "pip install 'zre[pyre]'" in str(error)
    else:
        raise AssertionError("no error")
"""


@pytest.fixture
def zmq():
    return pytest.importorskip("zmq")


def test_versions_are_those_of_pyre():
    assert zre.pyre.__version__ == "0.3.5"
    assert zre.pyre.Pyre.version() == zre.pyre.__version_info__ == (0, 3, 5)
    assert zre.pyre.__all__ == ["pyre", "zbeacon", "zhelper"]


def test_nothing_but_sockets_needs_pyzmq():
    ended = subprocess.run([sys.executable, "-c", WITHOUT_ZMQ], timeout=20, capture_output=True)
    assert ended.returncode == 0, ended.stderr.decode()


def test_loggers_have_the_names_of_pyre():
    modules = zre.pyre.pyre, zre.pyre.zactor, zre.pyre.zbeacon
    assert [module.logger.name for module in modules] == [
        "pyre.pyre",
        "pyre.zactor",
        "pyre.zbeacon",
    ]
    before = logging.getLogger("pyre").level
    node = zre.pyre.Pyre()
    node.set_verbose()
    assert logging.getLogger("pyre.pyre").isEnabledFor(logging.DEBUG)
    logging.getLogger("pyre").setLevel(before)


def test_loopback_is_among_the_interfaces():
    found = {name: families for each in zhelper.get_ifaddrs() for name, families in each.items()}
    addresses = [families.get(socket.AF_INET, {}) for families in found.values()]
    assert "127.0.0.1" in [values.get("addr") for values in addresses]
    if sys.platform == "linux":
        assert found["lo"][socket.AF_INET] == {"addr": "127.0.0.1", "netmask": "255.0.0.0"}


def test_a_pipe_carries_signals(zmq):
    frontend, backend = zhelper.zcreate_pipe(zmq.Context())
    assert (frontend.type, backend.type) == (zmq.PAIR, zmq.PAIR)
    backend.send(b"passed over")
    backend.signal()
    backend.signal(7)
    backend.send(b"8 octets")
    assert [frontend.wait(), frontend.wait(), frontend.wait()] == [0, 7, -1]


def test_a_forked_thread_gets_its_arguments(zmq):
    def task(ctx, pipe, one, two=None):
        pipe.send_multipart([one, two])

    pipe = zhelper.zthread_fork(zmq.Context(), task, b"1", two=b"2")
    assert pipe.recv_multipart() == [b"1", b"2"]
    assert pipe.get(zmq.RCVTIMEO) == 5000


def test_an_actor_echoes(zmq):
    actor = ZActor(zmq.Context(), echo_actor, "argument")
    assert actor.is_running and actor.is_zactor()
    actor.send_unicode("ECHO", zmq.SNDMORE)
    actor.send_unicode("hällo")
    assert actor.recv_unicode() == "hällo"
    actor.send_multipart([b"ECHO", b"again"])
    assert actor.resolve().recv() == b"again"
    actor.destroy()
    actor.thread.join(10)
    assert not actor.is_running
    actor.destroy()


def test_an_actor_that_ended_by_itself_can_be_destroyed(zmq):
    actor = ZActor(zmq.Context(), lambda ctx, pipe: pipe.signal())
    actor.thread.join(10)
    actor.destroy()


def beacon(port):
    return struct.pack("3sB16sH", b"ZRE", 1, uuid.uuid4().bytes, socket.htons(port))


@pytest.fixture
def beacons(zmq):
    """Makes actors for beacons on loopback, and destroys them in the end."""
    actors = []

    def make(port):
        actor = ZActor(zmq.Context(), ZBeacon)
        actors.append(actor)
        actor.pipe.setsockopt(zmq.RCVTIMEO, 10_000)
        actor.send_unicode("VERBOSE")
        actor.send_multipart([b"SET INTERFACE", b"lo"])
        actor.send_multipart([b"CONFIGURE", struct.pack("I", port)])
        assert actor.recv_unicode() == "127.0.0.1"
        return actor

    yield make
    for actor in actors:
        actor.destroy()


def test_beacons_are_heard_by_others(beacons):
    one, two = beacons(26170), beacons(26170)
    sent = [beacon(1), beacon(2)]
    for actor, data in zip((one, two), sent):
        actor.send_multipart([b"PUBLISH", data])
    assert one.recv_multipart() == [b"127.0.0.1", sent[1]]
    assert two.recv_multipart() == [b"127.0.0.1", sent[0]]


def test_only_beacons_that_were_subscribed_to_are_given(beacons):
    listener, other, wanted = beacons(26171), beacons(26171), beacons(26171)
    listener.send_multipart([b"SUBSCRIBE", b"ZRE"])
    other.send_multipart([b"PUBLISH", b"something else"])
    assert wanted.recv_multipart() == [b"127.0.0.1", b"something else"]
    data = beacon(3)
    wanted.send_multipart([b"PUBLISH", data])
    assert listener.recv_multipart() == [b"127.0.0.1", data]


def test_a_beacon_is_repeated_until_silence(beacons, zmq):
    listener, speaker = beacons(26172), beacons(26172)
    speaker.send_multipart([b"PUBLISH", b"here"])
    assert [listener.recv_multipart()[1] for _ in range(2)] == [b"here", b"here"]
    speaker.send_multipart([b"SILENCE"])
    speaker.send_multipart([b"invalid"])
    # One that was sent before the silence may still come.
    listener.pipe.setsockopt(zmq.RCVTIMEO, 1_500)
    with pytest.raises(zmq.Again):
        for _ in range(2):
            listener.recv_multipart()


def test_the_package_pyre_has_the_same_modules():
    pyre = pytest.importorskip("pyre")
    if not hasattr(pyre, "__path__") or pyre.__name__ != "zre.pyre":
        pytest.skip("another package pyre is installed")
    program = """
import pyre.zhelper
from pyre.pyre_event import PyreEvent
from pyre import Pyre, zhelper
import pyre, zre.pyre, zre.pyre.pyre_event
assert pyre is zre.pyre
assert pyre.zhelper is zhelper is zre.pyre.zhelper
assert PyreEvent is zre.pyre.pyre_event.PyreEvent
assert Pyre is zre.pyre.Pyre
"""
    subprocess.run([sys.executable, "-c", program], timeout=20, check=True)
