"""Two nodes of ``zre.pyre`` on loopback, without a socket and with one."""

from __future__ import annotations

import itertools
import json
import os
import select
import subprocess
import sys
import threading
import time
import uuid

import pytest

import zre
from zre.pyre import Pyre, PyreEvent, zhelper

PORTS = itertools.count(26100)
KINDS = ["straight", "socket"]


class Rig:
    """Makes nodes on one port, and stops them in the end."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.port = next(PORTS)
        self.nodes: list[Pyre] = []

    def node(self, name=None, *, cls=Pyre, **kwargs):
        node = cls(name, **kwargs)
        node.set_interface("lo")
        node.set_port(str(self.port).encode())
        node.set_interval(100)
        if self.kind == "socket":
            assert node.socket() is node.inbox
        self.nodes.append(node)
        return node

    def pair(self):
        """Two nodes that have met: the one that was asked for first, and the other."""
        alice, bob = self.node("alice"), self.node("bob")
        alice.start()
        bob.start()
        assert alice.recv()[:3] == [b"ENTER", bob.uuid().bytes, b"bob"]
        assert bob.recv()[:3] == [b"ENTER", alice.uuid().bytes, b"alice"]
        return alice, bob

    def stop(self):
        for node in self.nodes:
            node.stop()


@pytest.fixture(params=KINDS)
def rig(request):
    if request.param == "socket":
        pytest.importorskip("zmq")
    rig = Rig(request.param)
    yield rig
    rig.stop()


@pytest.fixture
def socket_rig():
    pytest.importorskip("zmq")
    rig = Rig("straight")
    yield rig
    rig.stop()


def received(socket):
    assert socket.poll(10_000), "nothing came"
    return socket.recv_multipart()


def test_frames_are_those_of_pyre(rig):
    alice, bob = rig.node("alice"), rig.node("bob")
    bob.set_header("X-KIND", "näher")
    bob.set_header("X-MORE", "1")
    bob.join("early")
    alice.start()
    bob.start()
    start = [bob.uuid().bytes, b"bob"]

    kind, *peer, headers, endpoint = alice.recv()
    assert [kind, *peer] == [b"ENTER", *start]
    assert json.loads(headers) == {"X-KIND": "näher", "X-MORE": "1"}
    assert endpoint.decode() == bob.endpoint()
    assert alice.recv() == [b"JOIN", *start, b"early"]
    assert bob.recv()[0] == b"ENTER"

    alice.join("late")
    assert bob.recv() == [b"JOIN", alice.uuid().bytes, b"alice", b"late"]
    bob.whisper(alice.uuid(), b"one")
    bob.whisper(alice.uuid(), [b"one", b"", b"three"])
    bob.whispers(alice.uuid(), "100 %")
    bob.whispers(alice.uuid(), "%d and %s", 1, "ü")
    bob.shout("late", b"one")
    bob.shout("late", [b"one", b"two"])
    bob.shouts("late", "ü")
    bob.leave("early")
    bob.stop()
    assert alice.recv() == [b"WHISPER", *start, b"one"]
    assert alice.recv() == [b"WHISPER", *start, b"one", b"", b"three"]
    assert alice.recv() == [b"WHISPER", *start, b"100 %"]
    assert alice.recv() == [b"WHISPER", *start, "1 and ü".encode()]
    assert alice.recv() == [b"SHOUT", *start, b"late", b"one"]
    assert alice.recv() == [b"SHOUT", *start, b"late", b"one", b"two"]
    assert alice.recv() == [b"SHOUT", *start, b"late", "ü".encode()]
    assert alice.recv() == [b"LEAVE", *start, b"early"]
    assert alice.recv() == [b"EXIT", *start]
    alice.stop()
    assert alice.recv() == [b"STOP", alice.uuid().bytes, b"alice"]


def test_events_have_what_belongs_to_their_kind(rig):
    alice, bob = rig.node("alice"), rig.node("bob")
    bob.set_header("X-KIND", "test")
    bob.join("G")
    alice.join("G")
    alice.start()
    bob.start()
    assert [event.type for event in itertools.islice(bob.events(), 2)] == ["ENTER", "JOIN"]
    bob.shout("G", [b"a", b"b"])
    bob.whisper(alice.uuid(), b"c")
    bob.stop()
    enter, join, shout, whisper, leaves = itertools.islice(alice.events(), 5)

    assert (enter.type, enter.peer_name, enter.peer_uuid) == ("ENTER", "bob", bob.uuid())
    assert enter.peer_uuid_bytes == bob.uuid().bytes
    assert enter.headers == {"X-KIND": "test"}
    assert enter.header("X-KIND") == "test"
    assert enter.header("X-NONE") is None
    assert enter.peer_addr.startswith("tcp://127.0.0.1:")
    assert (enter.group, enter.msg) == (None, None)
    assert (join.type, join.group, join.headers, join.header("X-KIND")) == ("JOIN", "G", None, None)
    assert (shout.type, shout.group, shout.msg) == ("SHOUT", "G", [b"a", b"b"])
    assert (whisper.type, whisper.group, whisper.msg) == ("WHISPER", None, [b"c"])
    assert (leaves.type, leaves.group, leaves.msg) == ("EXIT", None, None)
    assert str(leaves) == f"<pyre.pyre_event EXIT from {bob.uuid().hex}>"


def test_the_last_event_is_stop(rig):
    alice, _ = rig.pair()
    alice.stop()
    assert [event.type for event in alice.events()] == ["STOP"]


def test_questions_are_answered(rig):
    alice, bob = rig.node("alice"), rig.node("bob")
    bob.set_header("X-KIND", "test")
    bob.join("G")
    alice.start()
    bob.start()
    assert [alice.recv()[0], alice.recv()[0]] == [b"ENTER", b"JOIN"]

    peer = bob.uuid()
    assert alice.peers() == [peer]
    assert alice.peers_by_group("G") == [peer]
    assert alice.peers_by_group("H") == []
    assert alice.peer_groups() == ["G"]
    assert bob.own_groups() == ["G"]
    assert alice.peer_address(peer) == bob.endpoint()
    assert alice.get_peer_name(peer) == "bob"
    assert alice.peer_headers(peer) == {"X-KIND": "test"}
    assert alice.peer_header_value(peer, "X-KIND") == "test"
    assert alice.peer_header_value(peer, "X-NONE") == ""


def assert_knows_nobody(node):
    nobody = uuid.uuid4()
    assert node.peers() == []
    assert node.peers_by_group("G") == []
    assert node.peer_groups() == []
    assert node.peer_address(nobody) == ""
    assert node.peer_header_value(nobody, "X") == ""
    assert node.peer_headers(nobody) == {}
    assert node.get_peer_name(nobody) == ""
    assert list(node.recent_events()) == []
    node.whisper(nobody, b"lost")
    node.shout("G", b"lost")


def test_questions_before_the_start_and_behind_the_end_do_not_raise(rig):
    node = rig.node()
    node.join("G")
    assert node.own_groups() == ["G"]
    assert node.endpoint() == ""
    assert node.name() == str(node.uuid())[:6]
    assert_knows_nobody(node)
    node.leave("G")
    assert node.own_groups() == []

    identity, name = node.uuid(), node.name()
    node.start()
    assert (node.uuid(), node.name()) == (identity, name)
    assert node.endpoint().startswith("tcp://127.0.0.1:")
    assert_knows_nobody(node)

    node.stop()
    node.stop()
    assert node.recv() == [b"STOP", identity.bytes, name.encode()]
    assert_knows_nobody(node)
    with pytest.raises(zre.Stopped):
        node.start()


def test_a_node_that_never_started_stops(rig):
    node = rig.node("idle")
    node.stop()
    node.stop()
    assert node.recv() == [b"STOP", node.uuid().bytes, b"idle"]


def test_recv_may_wait_for_the_start(rig):
    alice, bob = rig.node("alice"), rig.node("bob")
    kinds = []
    reader = threading.Thread(target=lambda: kinds.append(alice.recv()[0]))
    reader.start()
    alice.start()
    bob.start()
    reader.join(10)
    assert kinds == [b"ENTER"]


def test_recent_events_are_those_that_wait(rig):
    alice, bob = rig.pair()
    assert list(alice.recent_events()) == []
    for _ in range(3):
        bob.whisper(alice.uuid(), b"hi")
    events = []
    deadline = time.monotonic() + 10
    while len(events) < 3 and time.monotonic() < deadline:
        events.extend(alice.recent_events())
    assert [event.msg for event in events] == [[b"hi"]] * 3
    alice.stop()
    assert [event.type for event in alice.recent_events()] == ["STOP"]
    assert list(alice.recent_events()) == []


def test_subclasses_may_pass_on_arguments_and_receive_otherwise(rig):
    class Base:
        def __init__(self, *, colour):
            self.colour = colour

    class Chat(Pyre, Base):
        def __init__(self, *args, **kwargs):
            super().__init__(*args, **kwargs)
            self.join("CHAT")
            self.taken = 0

        def recv(self):
            self.taken += 1
            return super().recv()

    alice, bob = rig.node("alice", cls=Chat, colour="red"), rig.node("bob", cls=Chat, colour="blue")
    assert (alice.colour, alice.own_groups()) == ("red", ["CHAT"])
    alice.start()
    bob.start()
    assert PyreEvent(alice).type == "ENTER"
    assert next(alice.events()).group == "CHAT"
    assert alice.taken == 2
    with pytest.raises(TypeError):
        Pyre("carol", colour="green")


def test_settings_are_taken_in_any_form(rig):
    node = rig.node("alice")
    for port in (rig.port, str(rig.port), str(rig.port).encode()):
        node.set_port(port)
    for interval in (100, "100", b"100"):
        node.set_interval(interval)
    loopback = [list(interface) for interface in zhelper.get_ifaddrs()].index(["lo"])
    node.set_interface(str(loopback))
    node.set_endpoint("tcp://%s:%d", "127.0.0.1", 26190)
    node.set_endpoint("inproc://ignored")
    node.start()
    assert node.endpoint() == "tcp://127.0.0.1:26190"


def test_an_interface_that_does_not_exist_is_an_error():
    node = Pyre("alice")
    with pytest.raises(ValueError, match="number 9"):
        node.set_interface("9")
    node.set_interface("nosuch0")
    with pytest.raises(zre.StartError, match="nosuch0"):
        node.start()


def test_a_forgotten_node_says_goodbye(rig):
    alice, bob = rig.pair()
    rig.nodes.remove(bob)
    name = bob.name().encode()
    del bob
    assert alice.recv()[::2] == [b"EXIT", name]


def test_an_endpoint_that_others_have_to_use_is_told():
    rig = Rig("straight")
    node = rig.node("alice")
    node.set_endpoint("tcp://198.51.100.7:26191")
    node.start()
    assert node.endpoint() == "tcp://198.51.100.7:26191"
    rig.stop()


def test_the_inbox_can_be_polled_before_the_start(socket_rig):
    import zmq

    alice, bob = socket_rig.node("alice"), socket_rig.node("bob")
    assert alice.inbox.type == zmq.PAIR
    poller = zmq.Poller()
    poller.register(alice.inbox, zmq.POLLIN)
    assert poller.poll(0) == []
    alice.start()
    bob.start()
    assert dict(poller.poll(10_000)) == {alice.inbox: zmq.POLLIN}
    assert alice.inbox.recv_multipart()[:3] == [b"ENTER", bob.uuid().bytes, b"bob"]


def test_another_inbox_can_be_assigned(socket_rig):
    import zmq

    alice = socket_rig.node("alice")
    mine, other = zhelper.zcreate_pipe(zmq.Context())
    events = alice.inbox
    alice.inbox = mine
    assert alice.socket() is mine
    alice.start()
    other.send_multipart([b"WHISPER", uuid.uuid4().bytes, b"me", b"hello"])
    assert list(alice.recent_events())[0].msg == [b"hello"]
    alice.stop()
    assert received(events)[0] == b"STOP"


def test_an_inbox_that_is_made_late_gets_what_waits(socket_rig):
    alice, bob = socket_rig.pair()
    for number in range(10):
        bob.whisper(alice.uuid(), str(number).encode())
    first = PyreEvent(alice).msg
    inbox = alice.socket()
    rest = [received(inbox)[3] for _ in range(9)]
    assert [*first, *rest] == [str(number).encode() for number in range(10)]
    alice.stop()
    assert received(inbox)[0] == b"STOP"


def test_nothing_is_lost_when_the_inbox_is_full(socket_rig):
    alice, bob = socket_rig.pair()
    inbox = alice.socket()
    count = 5_000
    sender = threading.Thread(
        target=lambda: [bob.whisper(alice.uuid(), str(number).encode()) for number in range(count)]
    )
    sender.start()
    numbers = [int(received(inbox)[3]) for _ in range(count)]
    sender.join(10)
    assert numbers == list(range(count))


def test_a_node_stops_though_nobody_reads_its_inbox(socket_rig):
    alice, bob = socket_rig.pair()
    inbox = alice.socket()
    count = 3_000
    for number in range(count):
        bob.whisper(alice.uuid(), str(number).encode())
    bob.stop()
    began = time.monotonic()
    alice.stop()
    assert time.monotonic() - began < 3
    frames = [received(inbox) for _ in range(count + 1)]
    assert [int(each[3]) for each in frames[:count] if each[0] == b"WHISPER"] == list(range(count))
    while frames[-1][0] != b"STOP":
        frames.append(received(inbox))


def test_chat_in_a_thread(socket_rig):
    import zmq

    def chat(ctx, pipe, node):
        node.join("CHAT")
        node.start()
        poller = zmq.Poller()
        poller.register(pipe, zmq.POLLIN)
        poller.register(node.socket(), zmq.POLLIN)
        while True:
            ready = dict(poller.poll())
            if pipe in ready:
                message = pipe.recv()
                if message == b"$$STOP":
                    break
                node.shout("CHAT", message)
            if node.socket() in ready:
                event = PyreEvent(node)
                if event.type in ("JOIN", "SHOUT"):
                    pipe.send_multipart([event.type.encode(), *(event.msg or [])])
        node.stop()
        pipe.send(b"done")

    ctx = zmq.Context()
    names = ("alice", "bob")
    alice, bob = (zhelper.zthread_fork(ctx, chat, socket_rig.node(name)) for name in names)
    assert received(alice) == received(bob) == [b"JOIN"]
    alice.send(b"hello")
    assert received(bob) == [b"SHOUT", b"hello"]
    for pipe in (alice, bob):
        pipe.send(b"$$STOP")
        assert received(pipe) == [b"done"]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_child_can_stop_its_copy(rig):
    alice, bob = rig.pair()
    readable, writable = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            alice.stop()
            os.write(writable, b"stopped")
        finally:
            os._exit(0)
    assert select.select([readable], [], [], 10)[0], "the child hangs"
    assert os.read(readable, 7) == b"stopped"
    os.waitpid(child, 0)
    bob.whisper(alice.uuid(), b"still there")
    assert alice.recv()[3] == b"still there"


@pytest.mark.parametrize("ask", ["", "node.socket()"])
def test_a_program_ends_without_stopping_its_node(ask):
    if ask:
        pytest.importorskip("zmq")
    program = f"""
import threading
from zre.pyre import Pyre
node = Pyre("brief")
node.set_interface("lo")
node.set_port({next(PORTS)})
{ask}
node.start()
threading.Thread(target=node.recv, daemon=True).start()
"""
    ended = subprocess.run([sys.executable, "-c", program], timeout=20, capture_output=True)
    assert ended.returncode == 0, ended.stderr.decode()
