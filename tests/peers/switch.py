"""A switch between network namespaces that loses frames on purpose.

Its arguments are the hosts' namespaces as files, such as /proc/123/ns/net. It
makes a TAP device `eth0` in each and says {"ready": true}, or {"error": ..}.

Each line of standard input, one at a time, is a JSON list of rules that replace the rules
before; a frame that one of them fits is lost. All keys of a rule are optional:

    from, to     the host's place among the arguments
    protocol     "tcp", "udp", or "connect" for the first segment of a connection
    larger_than  bytes, with the Ethernet header
    chance       of a frame that fits to be lost, 1.0 by default

The answer to each line is the count so far: {"passed": .., "lost": ..}. The
switch ends with its input.
"""

import ctypes
import fcntl
import json
import os
import random
import selectors
import struct
import sys

CLONE_NEWNET = 0x40000000
TUNSETIFF = 0x400454CA
IFF_TAP = 0x0002
IFF_NO_PI = 0x1000
LONGEST_FRAME = 65536
# What one host may send before the others have their turn.
FRAMES_AT_ONCE = 64

ETHERTYPE_IPV4 = b"\x08\x00"
TCP, UDP = 6, 17
SYN, ACK = 0x02, 0x10


class Rule:
    """Which frames are lost."""

    def __init__(self, given):
        self._source = given.pop("from", None)
        self._target = given.pop("to", None)
        self._is_protocol = PROTOCOLS[given.pop("protocol", None)]
        self._larger_than = given.pop("larger_than", -1)
        self._chance = given.pop("chance", 1.0)
        if given:
            raise ValueError(f"unknown in a rule: {sorted(given)}")

    def loses(self, source, target, frame):
        return (
            self._source in (None, source)
            and self._target in (None, target)
            and len(frame) > self._larger_than
            and self._is_protocol(frame)
            and (self._chance >= 1.0 or random.random() < self._chance)
        )


def ip_protocol(frame):
    return frame[23] if frame[12:14] == ETHERTYPE_IPV4 and len(frame) > 23 else None


def begins_connection(frame):
    if ip_protocol(frame) != TCP:
        return False
    flags_at = 14 + (frame[14] & 0x0F) * 4 + 13
    return len(frame) > flags_at and frame[flags_at] & (SYN | ACK) == SYN


PROTOCOLS = {
    None: lambda frame: True,
    "tcp": lambda frame: ip_protocol(frame) == TCP,
    "udp": lambda frame: ip_protocol(frame) == UDP,
    "connect": begins_connection,
}


class Switch:
    """Learns which address is behind which port, as hardware does."""

    def __init__(self, ports):
        self._ports = ports
        self._place_of = {}
        self._rules = []
        self._passed = 0
        self._lost = 0

    def set_rules(self, rules):
        self._rules = [Rule(given) for given in rules]
        return {"passed": self._passed, "lost": self._lost}

    def serve(self, source):
        """Forwards what the host has sent."""
        for _ in range(FRAMES_AT_ONCE):
            try:
                frame = os.read(self._ports[source], LONGEST_FRAME)
            except BlockingIOError:
                return
            self._place_of[frame[6:12]] = source
            for target in self._targets(source, frame):
                self._forward(source, target, frame)

    def _targets(self, source, frame):
        to_all = frame[0] & 1
        known = None if to_all else self._place_of.get(frame[:6])
        targets = range(len(self._ports)) if known is None else [known]
        return [target for target in targets if target != source]

    def _forward(self, source, target, frame):
        if any(rule.loses(source, target, frame) for rule in self._rules):
            self._lost += 1
            return
        self._passed += 1
        try:
            os.write(self._ports[target], frame)
        except OSError:
            pass  # The host has no room, or its interface is down.


def tap_in(namespace):
    """A TAP device named `eth0` in a namespace, as a descriptor. The process stays there."""
    enter(namespace)
    tap = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(tap, TUNSETIFF, struct.pack("16sH22x", b"eth0", IFF_TAP | IFF_NO_PI))
    return tap


def enter(namespace):
    descriptor = os.open(namespace, os.O_RDONLY)
    try:
        if LIBC.setns(descriptor, CLONE_NEWNET) != 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number), namespace)
    finally:
        os.close(descriptor)


LIBC = ctypes.CDLL(None, use_errno=True)


def say(line):
    print(json.dumps(line), flush=True)


def main(namespaces):
    try:
        ports = [tap_in(namespace) for namespace in namespaces]
    except OSError as error:
        say({"error": str(error)})
        return
    say({"ready": True})
    switch = Switch(ports)
    with selectors.DefaultSelector() as selector:
        selector.register(sys.stdin, selectors.EVENT_READ)
        for place, port in enumerate(ports):
            selector.register(port, selectors.EVENT_READ, place)
        while True:
            for key, _ in selector.select():
                if key.data is not None:
                    switch.serve(key.data)
                    continue
                line = sys.stdin.readline()
                if not line:
                    return
                say(switch.set_rules(json.loads(line)))


if __name__ == "__main__":
    main(sys.argv[1:])
