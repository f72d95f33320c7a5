"""The class ``Pyre``: a ZRE node that is used as the one of pyre."""

from __future__ import annotations

import logging
import threading
import weakref
from typing import TYPE_CHECKING, Any, Iterator, Sequence, Union
from uuid import UUID

import zre

from . import _ifaddrs, zhelper
from ._engine import Engine
from .pyre_event import PyreEvent

if TYPE_CHECKING:
    import zmq

    from ._forwarder import Forwarder

logger = logging.getLogger("pyre.pyre")

Number = Union[int, str, bytes]
Message = Union[str, bytes, Sequence[bytes]]

_STOP_TIMEOUT = 1.0


class Pyre:
    """A node that finds others on the local network, and exchanges messages with them.

    Until ``start`` it is silent, and others do not see it. Its events are frames, which ``recv``
    gives; ``PyreEvent`` takes them apart. A zmq socket is made when ``inbox`` or ``socket`` is
    first asked for; from then on events arrive there.

    ``ctx`` is accepted and not used: the socket has a context of its own, as in pyre.
    """

    def __init__(
        self,
        name: str | None = None,
        ctx: zmq.Context[Any] | None = None,
        *args: Any,
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        self.verbose = False
        self._engine = Engine(name)
        self._inbox: Any = None
        self._forwarder: Forwarder | None = None
        self._inbox_lock = threading.Lock()
        # A node that is forgotten stops, and so does its forwarder. At exit all nodes stop anyway.
        weakref.finalize(self, self._engine.stop).atexit = False

    def __bool__(self) -> bool:
        return True

    def uuid(self) -> UUID:
        """Give the identity of the node."""
        return self._engine.uuid

    def name(self) -> str:
        """Give the name of the node, the start of its identity unless set."""
        return self._engine.name

    def set_name(self, name: str) -> None:
        """Set the name; without effect once the node has started. Deprecated."""
        logger.warning("set_name() is deprecated, give the name to the constructor")
        self._engine.name = name

    def set_header(self, key: str, value: str) -> None:
        """Set a header, which peers get with ENTER."""
        self._engine.set_header(key, value)

    def set_verbose(self) -> None:
        """Log all events of all nodes, at the level DEBUG of the logger ``pyre``."""
        self.verbose = True
        logging.getLogger("pyre").setLevel(logging.DEBUG)

    def set_port(self, port_nbr: Number) -> None:
        """Set the UDP port of beacons, 5670 unless set; 0 for none. Call it before ``start``."""
        port = int(port_nbr)
        self._engine.configure(port=port or None, beacons=None if port else "off")

    def set_interval(self, interval: Number) -> None:
        """Set the time between two beacons in milliseconds. Call it before ``start``."""
        self._engine.configure(beacon_interval=int(interval) / 1000 or None)

    def set_interface(self, value: str) -> None:
        """Set the network interface by its name or address. Call it before ``start``.

        One digit means the interface at that place in ``zhelper.get_ifaddrs()``.
        """
        self._engine.configure(interface=_ifaddrs.interface_name(value) or None)

    def set_endpoint(self, format: str, *args: Any) -> None:
        """Set where peers connect to, as ``tcp://ADDRESS:PORT``. Call it before ``start``.

        Either can be ``*``. The address chooses the interface that has it; if there is none, peers
        are told that address. Beacons are sent as before. Other transports are ignored.
        """
        endpoint = _formatted(format, args)
        if not endpoint.startswith("tcp://"):
            logger.warning("endpoint %s is ignored: it is not tcp", endpoint)
            return
        host, _, port = endpoint[len("tcp://") :].rpartition(":")
        if port not in ("*", "0"):
            self._engine.configure(tcp_port=int(port))
        if host in _own_addresses():
            self._engine.configure(interface=host)
        elif host not in ("*", "0.0.0.0"):
            self._engine.configure(advertise=endpoint)

    def start(self) -> None:
        """Start the node: it finds others, and they find it."""
        self._engine.start()

    def stop(self) -> None:
        """Stop the node: it says goodbye, and its last event is STOP."""
        self._engine.stop()
        if self._forwarder is not None:
            self._forwarder.join(_STOP_TIMEOUT)

    def recv(self) -> list[bytes]:
        """Wait for the next event and give its frames.

        They are the kind, the 16 bytes of the peer's identity and its name; then for ENTER the
        headers as JSON and the endpoint, for JOIN and LEAVE the group, for WHISPER the message,
        for SHOUT the group and the message. EXIT and STOP have no more.

        After STOP nothing comes: ``zre.Stopped``, or with a socket it waits.
        """
        if self._inbox is None:
            return self._engine.recv()
        frames: list[bytes] = self._inbox.recv_multipart()
        return frames

    @property
    def inbox(self) -> Any:
        """The PAIR socket at which events arrive; another can be assigned, to receive from."""
        with self._inbox_lock:
            if self._inbox is None:
                self._inbox = self._open_inbox()
            return self._inbox

    @inbox.setter
    def inbox(self, socket: Any) -> None:
        self._inbox = socket

    def socket(self) -> Any:
        """Give the socket at which events arrive, for polling."""
        return self.inbox

    def join(self, group: str) -> None:
        """Join a group, to get what is shouted to it."""
        self._engine.join(group)

    def leave(self, group: str) -> None:
        """Leave a group."""
        self._engine.leave(group)

    def whisper(self, peer: UUID, msg_p: Message) -> None:
        """Send a message, bytes or a list of frames, to a peer; nothing if it is gone."""
        try:
            self._engine.ask(lambda node: node.whisper(peer, msg_p), None)
        except zre.UnknownPeer:
            logger.debug("whisper to %s, who is not there", peer)

    def shout(self, group: str, msg_p: Message) -> None:
        """Send a message, bytes or a list of frames, to all members of a group."""
        if not self._engine.ask(lambda node: node.shout(group, msg_p), 0):
            logger.warning("nobody is in group %s", group)

    def whispers(self, peer: UUID, format: str, *args: Any) -> None:
        """Send text to a peer; arguments are put into it as by the operator ``%``."""
        self.whisper(peer, _formatted(format, args).encode("utf-8"))

    def shouts(self, group: str, format: str, *args: Any) -> None:
        """Send text to all members of a group; arguments are put in as by the operator ``%``."""
        self.shout(group, _formatted(format, args).encode("utf-8"))

    def peers(self) -> list[UUID]:
        """Give the identities of all peers."""
        return self._engine.ask(lambda node: node.peers(), [])

    def peers_by_group(self, group: str) -> list[UUID]:
        """Give the identities of the peers in a group."""
        return self._engine.ask(lambda node: node.peers_by_group(group), [])

    def own_groups(self) -> list[str]:
        """Give the groups that this node is in."""
        return self._engine.own_groups()

    def peer_groups(self) -> list[str]:
        """Give the groups that peers are in."""
        return self._engine.ask(lambda node: node.peer_groups(), [])

    def endpoint(self) -> str:
        """Give the endpoint of this node; empty before it has started."""
        return self._engine.ask(lambda node: node.endpoint, "")

    def get_peer_name(self, peer: UUID) -> str:
        """Give the name of a peer; empty if it is not there. Deprecated."""
        logger.warning("get_peer_name() is deprecated, names come with events")
        found = self._peer(peer)
        return found.name if found else ""

    def peer_address(self, peer: UUID) -> str:
        """Give the endpoint of a peer; empty if it is not there."""
        found = self._peer(peer)
        return found.endpoint if found else ""

    def peer_headers(self, peer: UUID) -> dict[str, str]:
        """Give the headers of a peer; none if it is not there."""
        found = self._peer(peer)
        return dict(found.headers) if found else {}

    def peer_header_value(self, peer: UUID, name: str) -> str:
        """Give the value of a header of a peer; empty if either is not there."""
        return self.peer_headers(peer).get(name, "")

    def recent_events(self) -> Iterator[PyreEvent]:
        """Give the events that wait."""
        while self._has_events():
            yield PyreEvent(self)

    def events(self) -> Iterator[PyreEvent]:
        """Give the events as they come; the last is STOP."""
        while True:
            event = PyreEvent(self)
            yield event
            if event.type == "STOP":
                return

    @staticmethod
    def version() -> tuple[int, ...]:
        """Give the version of pyre that this behaves like."""
        from . import __version_info__

        return __version_info__

    def _has_events(self) -> bool:
        if self._inbox is None:
            return self._engine.has_events()
        return bool(self._inbox.poll(0))

    def _peer(self, peer: UUID) -> zre.PeerInfo | None:
        return self._engine.ask(lambda node: node.peer(peer), None)

    def _open_inbox(self) -> Any:
        from ._forwarder import Forwarder
        from ._zmq import zmq

        inbox, outbox = zhelper.zcreate_pipe(zmq.Context())
        self._forwarder = Forwarder(self._engine, outbox, inbox)
        self._forwarder.start()
        return inbox


def _formatted(text: str, arguments: Sequence[Any]) -> str:
    return text % tuple(arguments) if arguments else text


def _own_addresses() -> set[str]:
    interfaces = zhelper.get_ifaddrs()
    return {
        values["addr"]
        for interface in interfaces
        for families in interface.values()
        for values in families.values()
    }
