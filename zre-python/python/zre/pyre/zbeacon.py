"""Beacons: datagrams by which programs on a local network find each other."""

from __future__ import annotations

import ipaddress
import logging
import math
import socket
import struct
import sys
import time
from typing import TYPE_CHECKING, Any, Iterator, NamedTuple

from . import zhelper
from ._ifaddrs import interface_name

if TYPE_CHECKING:
    import zmq

    from .zsocket import ZSocket

logger = logging.getLogger("pyre.zbeacon")

INTERVAL_DFLT = 1.0
BEACON_MAX = 255


class _Network(NamedTuple):
    interface: str
    address: ipaddress.IPv4Address
    broadcast: ipaddress.IPv4Address


class ZBeacon:
    """A handler for ``ZActor`` that sends a beacon each second, and gives those of others.

    Its commands, as frames: ``VERBOSE``; ``SET INTERFACE`` and a name; ``CONFIGURE`` and the port
    as a packed ``I``, which is answered with the address of the host; ``PUBLISH`` and the beacon;
    ``SILENCE``; ``SUBSCRIBE`` and how beacons have to begin; ``UNSUBSCRIBE``; ``$TERM``. A beacon
    that comes is two frames, the address of the sender and the beacon.
    """

    def __init__(self, ctx: zmq.Context[Any], pipe: ZSocket, *args: Any, **kwargs: Any) -> None:
        self.ctx = ctx
        self.pipe = pipe
        self.port_nbr = 0
        self.interval = INTERVAL_DFLT
        self.ping_at = 0.0
        self.transmit: bytes | None = None
        self.filter: bytes | None = b""
        self.terminated = False
        self.verbose = False
        self.interface_name = ""
        self.udpsock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.broadcast_address: ipaddress.IPv4Address | None = None
        try:
            self.run()
        finally:
            self.udpsock.close()

    def run(self) -> None:
        """Do as told until ``$TERM`` comes; the constructor calls this."""
        from ._zmq import zmq

        self.pipe.signal()
        poller = zmq.Poller()
        poller.register(self.pipe, zmq.POLLIN)
        poller.register(self.udpsock, zmq.POLLIN)
        while not self.terminated:
            ready = dict(poller.poll(math.ceil(self._time_left() * 1000)))
            if self.pipe in ready:
                self._handle_pipe(*self.pipe.recv_multipart())
            if self.udpsock.fileno() in ready:
                self._handle_udp()
            if self.transmit and time.monotonic() >= self.ping_at:
                self._send_beacon(self.transmit)

    def _time_left(self) -> float:
        if not self.transmit:
            return INTERVAL_DFLT
        return max(0.0, self.ping_at - time.monotonic())

    def _handle_pipe(self, command: bytes, argument: bytes = b"") -> None:
        if self.verbose:
            logger.debug("command %r", command)
        if command == b"VERBOSE":
            self.verbose = True
        elif command == b"SET INTERFACE":
            self.interface_name = argument.decode("utf-8")
        elif command == b"CONFIGURE":
            self._configure(*struct.unpack("I", argument))
        elif command == b"PUBLISH":
            self.transmit = argument
            self.ping_at = time.monotonic()
        elif command == b"SILENCE":
            self.transmit = None
        elif command == b"SUBSCRIBE":
            self.filter = argument
        elif command == b"UNSUBSCRIBE":
            self.filter = None
        elif command == b"$TERM":
            self.terminated = True
        else:
            logger.error("invalid command %r", command)

    def _configure(self, port: int) -> None:
        network = _choose(self.interface_name)
        logger.debug("beacons on %s, to %s", network.interface, network.broadcast)
        self.port_nbr = port
        self.broadcast_address = network.broadcast
        try:
            self._bind()
        except OSError:
            logger.exception("cannot receive beacons on port %d", port)
        self.pipe.send_string(str(network.address))

    def _bind(self) -> None:
        for option in ("SO_BROADCAST", "SO_REUSEADDR", "SO_REUSEPORT"):
            if hasattr(socket, option):
                self.udpsock.setsockopt(socket.SOL_SOCKET, getattr(socket, option), 1)
        # Only Linux takes the broadcast address, and then gives what was sent to it alone.
        host = str(self.broadcast_address) if sys.platform == "linux" else ""
        self.udpsock.bind((host, self.port_nbr))

    def _handle_udp(self) -> None:
        from ._zmq import zmq

        try:
            frame, sender = self.udpsock.recvfrom(BEACON_MAX)
        except OSError:
            logger.exception("cannot receive a beacon")
            return
        is_wanted = self.filter is not None and frame.startswith(self.filter)
        if is_wanted and frame != self.transmit:
            self.pipe.send_string(sender[0], zmq.SNDMORE)
            self.pipe.send(frame)

    def _send_beacon(self, beacon: bytes) -> None:
        self.ping_at = time.monotonic() + self.interval
        if self.broadcast_address is None:
            return
        try:
            self.udpsock.sendto(beacon, (str(self.broadcast_address), self.port_nbr))
        except OSError as error:
            # The network may come back.
            logger.debug("cannot send a beacon: %s", error)


def _choose(selected: str) -> _Network:
    name = interface_name(selected)
    networks = list(_networks())
    for network in networks:
        if network.interface == name:
            return network
    for network in networks:
        if not network.address.is_loopback and not network.address.is_link_local:
            return network
    loopback = ipaddress.IPv4Address("127.0.0.1")
    return _Network("loopback", loopback, ipaddress.IPv4Address("127.255.255.255"))


def _networks() -> Iterator[_Network]:
    for interface in zhelper.get_ifaddrs():
        for name, families in interface.items():
            values = families.get(socket.AF_INET, {})
            if "netmask" in values:
                found = ipaddress.IPv4Interface(f"{values['addr']}/{values['netmask']}")
                yield _Network(name, found.ip, found.network.broadcast_address)
