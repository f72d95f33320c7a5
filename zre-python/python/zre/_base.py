"""What the nodes for threads and for asyncio have in common."""

from __future__ import annotations

import os
import uuid
import weakref
from typing import Any, Iterable, Mapping, NamedTuple, Optional, Sequence, Union

from . import _zre
from ._zre import Event, PeerInfo
from .errors import NotStarted

#: A peer: its identity, the 32 digits of that, or its 16 bytes.
Peer = Union[uuid.UUID, str, bytes]
#: One frame of a message.
Frame = Union[str, bytes, bytearray, memoryview]
#: A message: one frame, or several.
Content = Union[Frame, Sequence[Frame]]
Path = Union[str, "os.PathLike[str]"]

#: The nodes that run, to be stopped when the interpreter ends.
running: "weakref.WeakSet[_zre.Node]" = weakref.WeakSet()


class Notice(NamedTuple):
    """Something that a node writes to its log: what it ignores, refuses, and cannot do."""

    #: What it is, in one word, such as ``ignored_datagram``.
    kind: str
    #: The peer that it is about, if it is about one.
    peer: Optional[uuid.UUID]
    #: The line of the log.
    text: str


class Lagged(NamedTuple):
    """A subscription was slower than events came, and has missed so many."""

    missed: int


def subscribed(item: Union[Event, int, None]) -> Union[Event, Lagged, None]:
    """What a subscription gives for what the native part gives."""
    return Lagged(item) if isinstance(item, int) else item


class NodeBase:
    """The settings of a node, and what can be asked of it without waiting.

    Args:
        name: What others see; made of the identity unless given. At most 255 bytes.
        id: The identity; a random one unless given.
        headers: What the node says of itself to those who meet it.
        groups: The groups that it is in from the start.
        contest: The groups that it wants to lead.
        interface: A network interface by name, address or subnet; several of them; or ``"all"``.
            Unless given, it is the interface with the default route.
        ip: ``4``, ``6`` or ``"both"``, which is the default.
        port: The UDP port of beacons, the same for all; 5670 unless given.
        tcp_port: The TCP port on which the node listens; a free one unless given.
        beacons: ``"broadcast"``, which is the default; ``"off"``; a multicast address; or a list
            of the addresses that beacons are sent to.
        advertise: Where peers shall connect to, if the node is behind a port mapping.
        connect: Endpoints of peers that are sought with or without beacons.
        gossip_bind: Where this node is a gossip hub, such as ``tcp://*:5660``.
        gossip_connect: The gossip hubs to hear of other nodes from.
        beacon_interval: Seconds between two beacons; 1 unless given.
        evasive_after: After how many seconds a silent peer is asked; 5 unless given.
        expired_after: After how many seconds a silent peer is gone; 30 unless given.
        handshake_timeout: How many seconds a connection may take; 10 unless given.
        linger: How many seconds stopping waits for peers that read slowly; 5 unless given.
        key: The file with the node's key; :func:`zre.new_key` makes one. Needs ``trust``.
        trust: Certificates, or directories of them: with these peers it talks. Or ``"any"``.
        secret: A secret that all nodes of the network share, in place of ``key`` and ``trust``.
        voters: ``"known"`` or ``"all"``: to whom messages of elections are sent.
        slow_members: After how many seconds a shout passes over members that have no room, or
            ``"wait"``; 0.05 unless given.
        limits: Limits by name, such as ``{"peers": 100}``.
    """

    def __init__(
        self,
        name: Optional[str] = None,
        *,
        id: Optional[Peer] = None,
        headers: Optional[Mapping[str, Union[str, bytes]]] = None,
        groups: Optional[Iterable[str]] = None,
        contest: Optional[Iterable[str]] = None,
        interface: Union[None, str, Iterable[str]] = None,
        ip: Union[None, int, str] = None,
        port: Optional[int] = None,
        tcp_port: Optional[int] = None,
        beacons: Union[None, str, Iterable[str]] = None,
        advertise: Optional[str] = None,
        connect: Optional[Iterable[str]] = None,
        gossip_bind: Optional[str] = None,
        gossip_connect: Optional[Iterable[str]] = None,
        beacon_interval: Optional[float] = None,
        evasive_after: Optional[float] = None,
        expired_after: Optional[float] = None,
        handshake_timeout: Optional[float] = None,
        linger: Optional[float] = None,
        key: Optional[Path] = None,
        trust: Union[None, Path, Iterable[Path]] = None,
        secret: Optional[str] = None,
        voters: Optional[str] = None,
        slow_members: Union[None, float, str] = None,
        limits: Optional[Mapping[str, int]] = None,
    ) -> None:
        given = dict(locals())
        self._name = given.pop("name")
        self._settings: dict[str, Any] = {
            setting: value
            for setting, value in given.items()
            if value is not None and setting not in ("self", "__class__")
        }
        self._native: Optional[_zre.Node] = None

    def _start(self) -> _zre.Node:
        if self._native is None:
            self._native = _zre.start(self._name, self._settings)
            running.add(self._native)
        return self._native

    @property
    def _node(self) -> _zre.Node:
        if self._native is None:
            raise NotStarted("the node has not been started: use `with`, or call start() first")
        return self._native

    def __repr__(self) -> str:
        name = self._name if self._native is None else self._native.name
        state = "not started"
        if self._native is not None:
            state = "stopped" if self._native.is_stopped else f"at {self._native.endpoint}"
        return f"<{type(self).__module__}.{type(self).__name__} {name!r} {state}>"

    @property
    def id(self) -> uuid.UUID:
        """The identity of this node."""
        return self._node.id

    @property
    def name(self) -> str:
        """The name of this node."""
        return self._node.name

    @property
    def key(self) -> Optional[str]:
        """The public key of this node, if it has one."""
        return self._node.key

    @property
    def endpoint(self) -> str:
        """Where the node accepts connections."""
        return self._node.endpoint

    @property
    def is_stopped(self) -> bool:
        """Whether the node has stopped, or is about to."""
        return self._node.is_stopped

    def join(self, group: str) -> None:
        """Joins a group: from now on the node gets what is shouted to it."""
        self._node.join(group)

    def leave(self, group: str) -> None:
        """Leaves a group."""
        self._node.leave(group)

    def contest(self, group: str) -> None:
        """Wants to lead a group whenever the node is in it."""
        self._node.contest(group)

    def withdraw(self, group: str) -> None:
        """Does not want to lead a group any more."""
        self._node.withdraw(group)

    def leader(self, group: str) -> Optional[uuid.UUID]:
        """Who leads a group, as far as this node knows."""
        return self._node.leader(group)

    def try_recv(self) -> Optional[Event]:
        """Takes the next event if there is one."""
        return self._node.try_recv()

    def try_whisper(self, peer: Peer, content: Content) -> None:
        """Sends a message to one peer, or raises :class:`zre.Full`."""
        self._node.try_whisper(peer, content)

    def try_shout(self, group: str, content: Content) -> int:
        """Sends a message to all members of a group, or raises :class:`zre.Full`.

        Gives how many members it is for.
        """
        return self._node.try_shout(group, content)

    def fileno(self) -> int:
        """A descriptor that is readable while events wait, and when the node has stopped.

        Any event loop can watch it. When it is readable, take events with :meth:`try_recv` until
        there is none; do not read from it. Watch it no longer behind :class:`zre.Stop`: from then
        on it is always readable.
        """
        return self._node.fileno()

    def peers(self) -> list[uuid.UUID]:
        """The peers that are there."""
        return self._node.peers()

    def peer(self, peer: Peer) -> Optional[PeerInfo]:
        """What is known of a peer; ``None`` if it is not there."""
        return self._node.peer(peer)

    def peer_infos(self) -> list[PeerInfo]:
        """What is known of all peers."""
        return self._node.peer_infos()

    def peer_by_name(self, name: str) -> Optional[uuid.UUID]:
        """The peer with a name; ``None`` if none has it, or several."""
        return self._node.peer_by_name(name)

    def peers_by_group(self, group: str) -> list[uuid.UUID]:
        """The peers in a group."""
        return self._node.peers_by_group(group)

    def own_groups(self) -> list[str]:
        """The groups that this node is in."""
        return self._node.own_groups()

    def contested_groups(self) -> list[str]:
        """The groups that this node wants to lead."""
        return self._node.contested_groups()

    def peer_groups(self) -> list[str]:
        """The groups that any peer is in."""
        return self._node.peer_groups()

    def headers(self) -> dict[str, str]:
        """What the node says of itself."""
        return self._node.headers()

    def set_header(self, name: str, value: str) -> None:
        """Sets a header, for peers that are met from now on."""
        self._node.set_header(name, value)

    def remove_header(self, name: str) -> bool:
        """Removes a header, and says whether it was there."""
        return self._node.remove_header(name)

    def networks(self) -> list[str]:
        """The networks that the node is on, the best first."""
        return self._node.networks()

    def stats(self) -> dict[str, Any]:
        """What the node has done so far, and what it holds."""
        return self._node.stats()


class RequestBase:
    """A request of a peer, to be answered or refused once. Dropped, it is refused."""

    def __init__(self, native: _zre.Request) -> None:
        self._native = native

    @property
    def peer(self) -> uuid.UUID:
        """Who asks."""
        return self._native.peer

    @property
    def name(self) -> str:
        """The name of who asks."""
        return self._native.name

    @property
    def content(self) -> tuple[bytes, ...]:
        """What is asked: the frames."""
        return self._native.content

    @property
    def text(self) -> str:
        """What is asked, as text. Several frames have a line each."""
        return self._native.text

    @property
    def data(self) -> bytes:
        """What is asked, all frames as one."""
        return self._native.data

    def refuse(self) -> None:
        """Says that it will not be answered."""
        self._native.refuse()

    def __repr__(self) -> str:
        return repr(self._native)
