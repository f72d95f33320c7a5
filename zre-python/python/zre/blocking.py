"""A node for threads: its methods wait on the calling thread.

>>> import zre.blocking
>>> with zre.blocking.Node("alice", groups=["CHAT"], interface="lo") as node:
...     node.shout("CHAT", "hello")
0
"""

from __future__ import annotations

import uuid
from types import TracebackType
from typing import Iterator, Optional, TypeVar

from . import _zre
from ._base import Content, Lagged, NodeBase, Notice, Peer, RequestBase, subscribed
from ._zre import Event
from .errors import Error, Stopped

__all__ = ["Node", "Request", "Requests"]

Self = TypeVar("Self", bound="Node")


class Node(NodeBase):
    __doc__ = (NodeBase.__doc__ or "").replace(
        "The settings of a node, and what can be asked of it without waiting.",
        "A ZRE node whose methods wait on the calling thread. Any thread may use it.\n\n"
        "    ``with`` starts it and stops it. Iteration gives its events.",
    )

    def start(self: Self) -> Self:
        """Opens the sockets, so that others find the node. Gives the node itself.

        Raises:
            zre.StartError: A setting is wrong, or the system refuses something.
        """
        self._start()
        return self

    def stop(self) -> None:
        """Says goodbye, and waits until what was sent is written and all sockets are closed.

        Events that have not been taken can still be; the last is :class:`zre.Stop`.
        """
        if self._native is not None:
            self._native.begin_stop().wait()
            self._native.stop()

    def __enter__(self: Self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: Optional[type[BaseException]],
        error: Optional[BaseException],
        traceback: Optional[TracebackType],
    ) -> None:
        self.stop()

    def recv(self, timeout: Optional[float] = None) -> Event:
        """Waits for the next event, for so many seconds if that is given.

        If a program does not take its events, its peers have to wait: nothing is dropped.

        Raises:
            zre.TimedOut: Nothing came in time. It is also a ``TimeoutError``.
            zre.Stopped: The node has stopped, and all events have been taken.
        """
        event = self._node.recv(timeout)
        if event is None:
            raise Stopped("the node has stopped, and all its events have been taken")
        return event

    def __iter__(self) -> Iterator[Event]:
        return self

    def __next__(self) -> Event:
        event = self._node.recv()
        if event is None:
            raise StopIteration
        return event

    def whisper(self, peer: Peer, content: Content, timeout: Optional[float] = None) -> None:
        """Sends a message to one peer. When too much waits for the peer, this waits, too.

        Raises:
            zre.UnknownPeer: There is no such peer, or it has gone meanwhile.
            zre.TimedOut: There was no room in time, and the message is not sent.
        """
        self._node.whisper(peer, content, timeout)

    def shout(self, group: str, content: Content, timeout: Optional[float] = None) -> int:
        """Sends a message to all members of a group, and gives how many that are.

        Members that have no room for it are waited for as long as ``slow_members`` says.
        """
        return self._node.shout(group, content, timeout)

    def whisper_confirmed(
        self, peer: Peer, content: Content, timeout: Optional[float] = None
    ) -> None:
        """Sends a message to one peer, and waits until the peer confirms that it has it.

        Raises:
            zre.Unconfirmed: The peer has gone before; the message may have arrived or not.
            zre.TimedOut: It was not confirmed in time, and may arrive later.
        """
        self._node.begin_whisper_confirmed(peer, content).wait(timeout)

    def shout_confirmed(
        self, group: str, content: Content, timeout: Optional[float] = None
    ) -> dict[uuid.UUID, str]:
        """Sends a message to a group, and waits until each member has it or is gone.

        Gives for each member ``"delivered"``, ``"gone"`` or ``"skipped"``.
        """
        return self._node.begin_shout_confirmed(group, content).wait(timeout)

    def flush(self, peer: Peer, timeout: Optional[float] = None) -> None:
        """Waits until a peer has confirmed all that has been sent to it so far."""
        self._node.begin_flush(peer).wait(timeout)

    def ping(self, peer: Peer, timeout: Optional[float] = None) -> float:
        """Asks a peer for an answer, and gives how many seconds that took."""
        return self._node.begin_ping(peer).wait(timeout)

    def request(
        self, peer: Peer, content: Content, timeout: Optional[float] = 30.0
    ) -> tuple[bytes, ...]:
        """Asks a peer, and gives the frames of its answer.

        Raises:
            zre.TimedOut: There was no answer in time.
            zre.Gone: The peer has gone before it answered.
            zre.RequestRefused: The peer does not answer.
        """
        return self._node.begin_request(peer, content, timeout).wait()

    def request_any(
        self,
        group: str,
        content: Content,
        timeout: Optional[float] = 30.0,
        *,
        round_robin: bool = False,
    ) -> tuple[uuid.UUID, tuple[bytes, ...]]:
        """Asks one member of a group: the least busy, or the next in turn.

        Gives who it was, and the frames of its answer.
        """
        return self._node.begin_request_any(group, content, timeout, round_robin).wait()

    def request_all(
        self, group: str, content: Content, timeout: Optional[float] = 30.0
    ) -> Iterator[tuple[uuid.UUID, tuple[bytes, ...] | Error]]:
        """Asks all members of a group. Gives each with its answer or an exception, as they come."""
        answers = self._node.begin_request_all(group, content, timeout)
        return iter(lambda: answers.next().wait(), None)

    def requests(self) -> Requests:
        """The requests of peers from now on. Those that came before are a :class:`zre.Whisper`."""
        return Requests(self._node.requests())

    def subscribe(self) -> Iterator[Event | Lagged]:
        """Copies of all events from now on, beside those that :meth:`recv` gives.

        Who is slower than events come misses the oldest, and is told by :class:`zre.Lagged`.
        """
        subscription = self._node.subscribe()
        return iter(lambda: subscribed(subscription.next().wait()), None)

    def notices(self) -> Iterator[Notice]:
        """What the node writes to its log, from now on, until it has stopped."""
        notices = self._node.notices()
        return map(Notice._make, iter(lambda: notices.next().wait(), None))

    def wait_for_peer(self, peer: Peer, timeout: Optional[float] = None) -> uuid.UUID:
        """Waits until a peer is there, by its name or its identity. It takes no event."""
        return self._node.begin_wait_for_peer(peer).wait(timeout)

    def wait_for_group(
        self, group: str, count: int = 1, timeout: Optional[float] = None
    ) -> list[uuid.UUID]:
        """Waits until so many peers are in a group. It takes no event."""
        return self._node.begin_wait_for_group(group, count).wait(timeout)


class Request(RequestBase):
    """A request of a peer, to be answered or refused once. Dropped, it is refused."""

    def answer(self, content: Content, timeout: Optional[float] = None) -> None:
        """Answers. When too much waits for the peer already, this waits, too.

        Raises:
            zre.UnknownPeer: The peer has gone since it asked, or has been answered.
            zre.Stopped: This node has stopped.
            zre.TimedOut: There was no room in time, and the peer hears nothing.
        """
        self._native.begin_answer(content).wait(timeout)


class Requests:
    """The requests of peers; iteration ends when the node has stopped."""

    def __init__(self, native: _zre.Requests) -> None:
        self._native = native

    def __iter__(self) -> Iterator[Request]:
        return self

    def __next__(self) -> Request:
        native = self._native.next().wait()
        if native is None:
            raise StopIteration
        return Request(native)

    def recv(self, timeout: Optional[float] = None) -> Request:
        """Waits for the next request, for so many seconds if that is given."""
        native = self._native.next().wait(timeout)
        if native is None:
            raise Stopped("the node has stopped")
        return Request(native)
