"""Runs a node as JSON lines on standard input and output.

What the drivers share: the flags, the commands, the events and the bulk
counting. A driver brings an object with the attributes `uuid`, `name` and
`endpoint`, and the methods that `Pipe` calls on it.
"""

import argparse
import json
import os
import sys
import threading


def parse_options(description):
    """The flags that every driver takes."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--name")
    parser.add_argument("--uuid", help="32 hex digits")
    parser.add_argument("--header", action="append", default=[], type=_header, metavar="K=V")
    parser.add_argument("--group", action="append", default=[])
    parser.add_argument("--interface", help="by name, or by address for zyre")
    # Of zyre alone, from here to the next comment.
    parser.add_argument("--ipv6", action="store_true", help="IPv6 in place of IPv4")
    parser.add_argument("--multicast", metavar="ADDRESS", help="in place of broadcasts")
    parser.add_argument("--endpoint", help="where to listen; no beacons then")
    parser.add_argument("--advertise", metavar="ENDPOINT", help="for gossip and HELLO")
    parser.add_argument("--gossip-bind", metavar="ENDPOINT")
    parser.add_argument(
        "--gossip-connect", action="append", default=[], metavar="ENDPOINT", help="or ENDPOINT|KEY"
    )
    parser.add_argument("--key", metavar="PATH", help="the certificate pair PATH and PATH_secret")
    parser.add_argument("--public-key", metavar="Z85", help="with --secret-key, in place of --key")
    parser.add_argument("--secret-key", metavar="Z85")
    parser.add_argument("--new-key", action="store_true", help="one that is in no file")
    parser.add_argument("--trust", metavar="DIR|any", help="whom zauth admits; all without it")
    parser.add_argument("--zap-domain", metavar="DOMAIN")
    # Of all.
    parser.add_argument("--port", type=int, help="discovery port")
    parser.add_argument("--interval", type=_milliseconds, help="time between beacons, such as 250ms")
    parser.add_argument("--evasive", type=_milliseconds, help="such as 5000ms")
    parser.add_argument("--expired", type=_milliseconds, help="such as 5000ms")
    parser.add_argument("--verbose", action="store_true")
    return parser.parse_args()


def _header(text):
    name, separator, value = text.partition("=")
    if not separator:
        raise argparse.ArgumentTypeError(f"{text!r} is not K=V")
    return name, value


def _milliseconds(text):
    number, unit, rest = text.partition("ms")
    if not unit or rest:
        raise argparse.ArgumentTypeError(f"{text!r} is not a time such as 250ms")
    return int(number)


class Pipe:
    """Carries commands to a started node and its events back.

    The node's commands are called from the main thread only, its
    `next_event` from one other thread only.
    """

    def __init__(self, node):
        self._node = node
        self._output_lock = threading.Lock()
        self._counters = Counters()
        self._commands = {
            "join": lambda command: node.join(command["group"]),
            "leave": lambda command: node.leave(command["group"]),
            # Of zyre alone: whoever contests wants to be elected as the leader of the group.
            "contest": lambda command: node.contest(command["group"]),
            "whisper": lambda command: node.whisper(_peer(command), _frames(command)),
            "shout": lambda command: node.shout(command["group"], _frames(command)),
            "flood": self._flood,
            "quiet": lambda command: self._counters.start(command["on"]),
            "count": lambda command: self._emit(self._counters.summary()),
            "peers": lambda command: self._emit({"peers": sorted(node.peers())}),
            "groups": lambda command: self._emit(
                {"own": sorted(node.own_groups()), "peer": sorted(node.peer_groups())}
            ),
        }

    def run(self):
        """Serves until told to stop or until the input ends; does not return."""
        threading.excepthook = self._report_dead_thread
        self._emit(
            {
                "event": "START",
                "uuid": self._node.uuid,
                "name": self._node.name,
                "endpoint": self._node.endpoint,
                # Of zyre alone.
                "key": getattr(self._node, "key", None),
            }
        )
        events = threading.Thread(target=self._forward_events, daemon=True)
        events.start()
        self._serve_commands()
        self._node.stop()
        events.join(timeout=10)
        # The libraries' own threads must not hold up the end of the process.
        os._exit(0)

    def _serve_commands(self):
        for line in sys.stdin.buffer:
            try:
                command = json.loads(line)
                if command["do"] == "stop":
                    return
                self._commands[command["do"]](command)
            except Exception as error:
                self._emit({"error": f"{type(error).__name__}: {error}"})

    def _forward_events(self):
        while True:
            event = self._node.next_event()
            if event["event"] != "WHISPER" or not self._counters.take(event):
                self._emit(_hex_frames(event))
            if event["event"] == "STOP":
                return

    def _flood(self, command):
        peer = _peer(command)
        for number in range(command["count"]):
            self._node.whisper(peer, [b"%d" % number])

    def _emit(self, line):
        rest = memoryview(json.dumps(line).encode() + b"\n")
        with self._output_lock:
            # Not `sys.stdout`: it loses the rest of a write that a SIGSTOP interrupts.
            while rest:
                rest = rest[os.write(sys.stdout.fileno(), rest) :]

    def _report_dead_thread(self, failure):
        self._emit({"error": f"a thread died: {failure.exc_type.__name__}: {failure.exc_value}"})
        sys.__excepthook__(failure.exc_type, failure.exc_value, failure.exc_traceback)


class Counters:
    """Counts whispers whose content is a decimal counter, per sender."""

    def __init__(self):
        self._lock = threading.Lock()
        self._enabled = False
        self._reset()

    def _reset(self):
        self._count = 0
        self._in_order = True
        self._next_by_peer = {}

    def start(self, enabled):
        """Counts from zero, or stops to count."""
        with self._lock:
            self._enabled = enabled
            self._reset()

    def take(self, event):
        """Whether the event was counted, and so is not to be printed."""
        with self._lock:
            frames = event["frames"]
            if not self._enabled or len(frames) != 1 or not frames[0].isdigit():
                return False
            number = int(frames[0])
            self._in_order &= number == self._next_by_peer.get(event["peer"], 0)
            self._next_by_peer[event["peer"]] = number + 1
            self._count += 1
            return True

    def summary(self):
        """What was counted so far."""
        with self._lock:
            return {"count": self._count, "in_order": self._in_order}


def _peer(command):
    return command["peer"].upper()


def _frames(command):
    if "text" in command:
        return [command["text"].encode()]
    frames = [bytes.fromhex(frame) for frame in command["frames"]]
    if not frames:
        # Their pipe would take the next command for the content.
        raise ValueError("this implementation cannot send a message without frames")
    return frames


def _hex_frames(event):
    if "frames" not in event:
        return event
    return {**event, "frames": [frame.hex() for frame in event["frames"]]}
