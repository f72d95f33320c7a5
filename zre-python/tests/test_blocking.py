"""Nodes for threads."""

import contextlib
import os
import select
import signal
import socket
import subprocess
import sys
import threading
import time
import uuid

import pytest
from conftest import TIMEOUT, next_of, node, wait_until

import zre
import zre.blocking


def test_two_nodes_meet_and_talk(pair):
    alice, bob = pair
    enter = next_of(alice, zre.Enter)
    assert (enter.peer, enter.name, enter.endpoint) == (bob.id, "bob", bob.endpoint)
    assert next_of(alice, zre.Join).group == "CHAT"
    assert alice.shout("CHAT", "hello") == 1
    shout = next_of(bob, zre.Shout)
    assert (shout.name, shout.group, shout.text, shout.data) == ("alice", "CHAT", "hello", b"hello")
    bob.whisper(alice.id, [b"\xff", "two", bytearray(b"three"), memoryview(b"four")])
    whisper = next_of(alice, zre.Whisper)
    assert whisper.content == (b"\xff", b"two", b"three", b"four")
    assert whisper.text == "\ufffd\ntwo\nthree\nfour"
    assert whisper.data == b"\xfftwothreefour"


def test_a_peer_can_be_named_in_three_ways(pair):
    alice, bob = pair
    for peer in (bob.id, bob.id.hex, bob.id.bytes):
        alice.whisper(peer, "hi")
        assert next_of(bob, zre.Whisper).peer == alice.id
    with pytest.raises(zre.InvalidValue, match="uuid.UUID"):
        alice.whisper(3, "hi")  # type: ignore[arg-type]


def test_events_are_values(pair):
    alice, bob = pair
    alice.whisper(bob.id, "one")
    alice.whisper(bob.id, "one")
    alice.whisper(bob.id, "two")
    one, same, two = (next_of(bob, zre.Whisper) for _ in range(3))
    assert one == same and hash(one) == hash(same) and one != two
    assert isinstance(one, zre.Event) and zre.Whisper.__match_args__ == ("peer", "name", "content")
    assert repr(one) == f"Whisper(peer={alice.id!r}, name='alice', content=(b'one',))"
    with pytest.raises(AttributeError):
        one.name = "mallory"


def test_what_a_node_knows(pair):
    alice, bob = pair
    assert alice.peers() == [bob.id] and alice.peer_by_name("bob") == bob.id
    info = alice.peer(bob.id)
    assert (info.peer, info.name, info.groups) == (bob.id, "bob", ["CHAT"])
    assert alice.peer_infos() == [info] and alice.peer(uuid.uuid4()) is None
    assert alice.own_groups() == alice.peer_groups() == ["CHAT"]
    alice.set_header("X-ROLE", "desk")
    assert alice.headers() == {"X-ROLE": "desk"} and alice.remove_header("X-ROLE")
    assert alice.stats()["peers"] == 1 and "lo" in alice.networks()[0]
    bob.join("MORE")
    assert next_of(alice, zre.Join).group == "CHAT"
    assert next_of(alice, zre.Join).group == "MORE" and alice.peers_by_group("MORE") == [bob.id]
    bob.leave("MORE")
    assert next_of(alice, zre.Leave).group == "MORE"


def test_messages_are_confirmed(pair):
    alice, bob = pair
    alice.whisper_confirmed(bob.id, "hi", timeout=TIMEOUT)
    assert alice.shout_confirmed("CHAT", "hi", timeout=TIMEOUT) == {bob.id: "delivered"}
    alice.flush(bob.id, timeout=TIMEOUT)
    assert 0 < alice.ping(bob.id, timeout=TIMEOUT) < TIMEOUT


def test_requests_are_answered_and_refused(pair):
    alice, bob = pair

    def serve():
        for request in bob.requests():
            if request.text == "no":
                request.refuse()
            else:
                request.answer([request.name, request.data])

    thread = threading.Thread(target=serve)
    wait_for_service = bob.requests()
    thread.start()
    assert alice.request(bob.id, "2+2") == (b"alice", b"2+2")
    assert alice.request_any("CHAT", "x") == (bob.id, (b"alice", b"x"))
    assert dict(alice.request_all("CHAT", "y")) == {bob.id: (b"alice", b"y")}
    with pytest.raises(zre.RequestRefused) as refused:
        alice.request(bob.id, "no")
    assert refused.value.peer == bob.id
    ((peer, error),) = alice.request_all("CHAT", "no")
    assert peer == bob.id and isinstance(error, zre.RequestRefused)
    with pytest.raises(zre.NoMembers):
        alice.request_any("NOBODY", "x")
    del wait_for_service
    bob.stop()
    thread.join(TIMEOUT)
    assert not thread.is_alive()


def test_all_subscribers_get_all_events(port):
    with node("alice", port, limits={"events": 16}) as alice:
        # Before there is anybody to meet.
        subscribers = [alice.subscribe(), alice.subscribe()]
        with node("bob", port) as bob:
            alice.wait_for_group("CHAT", timeout=TIMEOUT)
            for subscriber in subscribers:
                assert [type(next(subscriber)) for _ in range(2)] == [zre.Enter, zre.Join]
            for number in range(100):
                bob.whisper(alice.id, str(number), timeout=TIMEOUT)
                assert next_of(alice, zre.Whisper).text == str(number)
            missed, oldest = next(subscribers[0]), next(subscribers[0])
            assert isinstance(missed, zre.Lagged) and oldest.text == str(missed.missed)
        alice.stop()
        assert isinstance(list(subscribers[0])[-1], zre.Stop)


def test_the_log_comes_as_values(port):
    with node("alice", port) as alice:
        notices = alice.notices()
        with socket.create_connection(("127.0.0.1", int(alice.endpoint.rpartition(":")[2]))) as raw:
            raw.sendall(b"GET / HTTP/1.1\r\n\r\n")
            notice = next(notices)
        assert isinstance(notice, zre.Notice) and notice.peer is None
        assert notice.kind and "127.0.0.1" in notice.text
        alice.stop()
        assert all(isinstance(each, zre.Notice) for each in notices)


def test_a_request_without_an_answer_times_out(pair):
    alice, bob = pair
    requests = bob.requests()
    with pytest.raises(TimeoutError):
        alice.request(bob.id, "x", timeout=0.05)
    request = requests.recv(TIMEOUT)
    request.answer("late")
    with pytest.raises(zre.UnknownPeer):
        request.answer("twice")


def test_a_group_elects_its_leader(port):
    low, high = uuid.UUID(int=1), uuid.UUID(int=2)
    with node("high", port, id=high, contest=["CHAT"]) as one, node("low", port, id=low) as other:
        other.contest("CHAT")
        assert other.contested_groups() == ["CHAT"]
        while next_of(one, zre.Leader).peer != low:
            pass
        assert next_of(other, zre.Leader).is_self and other.leader("CHAT") == low
        other.withdraw("CHAT")
        while next_of(one, zre.Leader).peer != high:
            pass


def test_keys_keep_strangers_out(port, tmp_path):
    for name in ("alice", "bob"):
        assert len(zre.new_key(tmp_path / name)) == 40
    with pytest.raises(zre.InvalidValue, match="alice"):
        zre.new_key(tmp_path / "alice")
    trusted = [tmp_path / "alice", tmp_path / "bob"]
    with node("alice", port, key=tmp_path / "alice", trust=trusted) as alice:
        with node("bob", port, key=tmp_path / "bob", trust=trusted) as bob:
            assert next_of(alice, zre.Enter).key == bob.key == alice.peer(bob.id).key
    with node("a", port, secret="rather long and hard to guess 8-(") as alice:
        with node("b", port, secret="rather long and hard to guess 8-(") as bob:
            assert alice.wait_for_peer("b", TIMEOUT) == bob.id


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"groups": "CHAT"}, r"groups is a list: write groups=\['CHAT'\]"),
        ({"interface": "nope0"}, "nope0"),
        ({"ip": 5}, "it is 4, 6 or"),
        ({"beacons": "loud"}, "loud"),
        ({"beacons": "off"}, "nothing else to find peers by"),
        ({"evasive_after": -1}, "0 or more"),
        ({"limits": {"pears": 1}}, "no limit pears; there are peers"),
        ({"connect": ["http://x"]}, "http://x"),
        ({"id": "xyz"}, "xyz"),
        ({"voters": "none"}, "none"),
        ({"slow_members": "drop"}, "drop"),
        ({"groups": ["G" * 256]}, "256 bytes"),
        ({"key": "/nowhere/key", "trust": "any"}, "/nowhere/key"),
    ],
)
def test_a_wrong_setting_is_named(port, settings, said):
    given = {"interface": "lo", "port": port, **settings}
    with pytest.raises(zre.Error, match=said):
        zre.blocking.Node("alice", **given).start()


def test_all_settings_are_taken(port):
    settings = {
        "headers": {"X": b"1"},
        "ip": 4,
        "tcp_port": 0,
        "beacons": ["127.255.255.255"],
        "advertise": "tcp://127.0.0.1:9",
        "connect": ["tcp://127.0.0.1:9"],
        "gossip_bind": "tcp://127.0.0.1:*",
        "gossip_connect": ["tcp://127.0.0.1:9"],
        "beacon_interval": 0.5,
        "evasive_after": 1,
        "expired_after": 2,
        "handshake_timeout": 3,
        "linger": 0.1,
        "voters": "all",
        "slow_members": "wait",
        "limits": {"peers": 5, "message_size": 1000},
    }
    with node("alice", port, **settings) as alice:
        assert alice.headers() == {"X": "1"} and alice.endpoint == "tcp://127.0.0.1:9"
        with pytest.raises(zre.MessageTooLarge):
            alice.shout("CHAT", b"x" * 2000)


def test_waiting_ends_when_the_time_is_over(port):
    with node("alice", port) as alice:
        for wait in (
            lambda: alice.recv(0.01),
            lambda: alice.wait_for_peer("nobody", 0.01),
            lambda: alice.wait_for_group("G", 1, 0.01),
        ):
            with pytest.raises(zre.TimedOut):
                wait()


def test_the_end_of_a_node_wakes_whoever_waits(port):
    alice = node("alice", port).start()
    seen = []
    threads = [threading.Thread(target=lambda: seen.append(list(alice))) for _ in range(24)]
    for thread in threads:
        thread.start()
    alice.stop()
    for thread in threads:
        thread.join(TIMEOUT)
        assert not thread.is_alive()
    (stop,) = (event for events in seen for event in events)
    assert stop == next(iter([stop])) and isinstance(stop, zre.Stop) and stop.unconfirmed == {}
    with pytest.raises(zre.Stopped):
        alice.recv()
    alice.stop()
    with pytest.raises(zre.Stopped):
        alice.join("G")


def test_a_node_that_is_not_started_says_so():
    alice = zre.blocking.Node("alice")
    assert "not started" in repr(alice)
    with pytest.raises(zre.NotStarted, match="start"):
        alice.peers()
    alice.stop()


def test_a_descriptor_tells_of_events(pair):
    alice, bob = pair
    while alice.try_recv() is not None:
        pass
    bob.whisper(alice.id, "hi")
    readable, _, _ = select.select([alice], [], [], TIMEOUT)
    assert readable == [alice] and next_of(alice, zre.Whisper).text == "hi"


SCRIPT = """
import sys, threading, zre, zre.blocking
node = zre.blocking.Node("alice", interface="lo", port={port}).start()
{body}
"""


@contextlib.contextmanager
def python(port, body):
    """A program that has a node, and ends with the test."""
    script = SCRIPT.format(port=port, body=body)
    command = [sys.executable, "-X", "dev", "-X", "faulthandler", "-c", script]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, text=True, **pipes) as process:
        try:
            yield process
        finally:
            process.kill()


@pytest.mark.parametrize(
    "wait",
    ["node.recv()", "node.wait_for_peer('nobody')", "list(node.requests())", "node.recv(1000)"],
)
def test_ctrl_c_ends_waiting_at_once(port, wait):
    # Who runs the tests in the background may ignore the signal, and children inherit that.
    body = f"""
import signal, time
signal.signal(signal.SIGINT, signal.default_int_handler)
print("ready", flush=True)
try:
    {wait}
except KeyboardInterrupt:
    print(time.monotonic(), flush=True)
"""
    with python(port, body) as process:
        assert process.stdout.readline() == "ready\n"
        # Behind the line comes the wait, which cannot be seen from here.
        wait_until(lambda: is_waiting(process.pid), "it waits")
        sent = time.monotonic()
        process.send_signal(signal.SIGINT)
        came = float(process.stdout.readline())
        assert process.wait(TIMEOUT) == 0, process.stderr.read()
    # 50 ms are promised; this machine may be busy.
    assert came - sent < 0.5


def is_waiting(pid):
    with open(f"/proc/{pid}/task/{pid}/stat") as stat:
        return stat.read().rsplit(")")[-1].split()[0] == "S"


def test_the_interpreter_ends_while_threads_wait(port):
    body = """
for _ in range(24):
    threading.Thread(target=lambda: list(node), daemon=True).start()
threading.Thread(target=lambda: list(node.requests()), daemon=True).start()
"""
    with python(port, body) as process:
        _, said = process.communicate(timeout=TIMEOUT)
        assert (process.returncode, said) == (0, "")


def test_no_node_starts_when_the_interpreter_ends(port):
    body = """
from zre import _zre
_zre.end()
try:
    zre.blocking.Node("late", interface="lo", port={port}).start()
except zre.Stopped:
    print("refused", flush=True)
""".replace("{port}", str(port))
    with python(port, body) as process:
        said, complained = process.communicate(timeout=TIMEOUT)
        assert (process.returncode, said, complained) == (0, "refused\n", "")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")
def test_a_forked_child_is_told(port):
    body = """
import os, warnings
warnings.simplefilter("ignore")
pid = os.fork()
if pid == 0:
    try:
        node.shout("CHAT", "x")
    except RuntimeError as error:
        assert isinstance(error, zre.Forked), error
        node.stop()
        other = zre.blocking.Node("child", interface="lo", port={port}).start()
        other.stop()
        os._exit(7)
    os._exit(1)
_, status = os.waitpid(pid, 0)
assert os.waitstatus_to_exitcode(status) == 7, status
assert node.shout("CHAT", "x") == 0
node.stop()
""".replace("{port}", str(port))
    with python(port, body) as process:
        _, said = process.communicate(timeout=TIMEOUT)
        assert (process.returncode, said) == (0, "")


def test_a_thousand_nodes_leave_nothing_behind(port):
    def resident():
        with open("/proc/self/statm") as statm:
            return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    def start_and_stop(count):
        for _ in range(count):
            with node("alice", port):
                pass

    start_and_stop(100)
    descriptors, threads = len(os.listdir("/proc/self/fd")), threading.active_count()
    tasks, before = len(os.listdir("/proc/self/task")), resident()
    start_and_stop(1000)
    assert threading.active_count() == threads
    # The system takes its time for what the last nodes had.
    wait_until(lambda: len(os.listdir("/proc/self/fd")) <= descriptors, "descriptors are closed")
    wait_until(lambda: len(os.listdir("/proc/self/task")) <= tasks, "threads have ended")
    # 4 KiB for each would be a leak.
    assert resident() - before < 4 * 1024 * 1024
