"""A node for asyncio."""

from __future__ import annotations

import asyncio
import atexit
import itertools
import threading
import uuid
from types import TracebackType
from typing import AsyncIterator, Optional, TypeVar

from . import _zre
from ._base import Content, Lagged, NodeBase, Notice, Peer, RequestBase, subscribed
from ._zre import Event
from .errors import Error, Stopped

Self = TypeVar("Self", bound="Node")
T = TypeVar("T")


class Node(NodeBase):
    __doc__ = (NodeBase.__doc__ or "").replace(
        "The settings of a node, and what can be asked of it without waiting.",
        "A ZRE node for asyncio. All its tasks belong to one event loop.\n\n"
        "    ``async with`` starts it and stops it. ``async for`` gives its events.",
    )

    _waiter: Waiter

    async def start(self: Self) -> Self:
        """Opens the sockets, so that others find the node. Gives the node itself.

        Raises:
            zre.StartError: A setting is wrong, or the system refuses something.
        """
        if self._native is None:
            loop = asyncio.get_running_loop()
            if "secret" in self._settings:
                # To make a key of a secret takes a tenth of a second.
                await loop.run_in_executor(None, self._start)
            else:
                self._start()
            self._waiter = Waiter(loop)
        return self

    async def stop(self) -> None:
        """Says goodbye, and waits until what was sent is written and all sockets are closed.

        Events that have not been taken can still be; the last is :class:`zre.Stop`.
        """
        if self._native is not None:
            await self._waiter.outcome(self._native.begin_stop())
            # Its sockets are closed, so its thread ends at once.
            self._native.stop()
            self._waiter.close()

    async def __aenter__(self: Self) -> Self:
        return await self.start()

    async def __aexit__(
        self,
        kind: Optional[type[BaseException]],
        error: Optional[BaseException],
        traceback: Optional[TracebackType],
    ) -> None:
        await self.stop()

    async def recv(self) -> Event:
        """Waits for the next event. Cancelled, it has taken none.

        If a program does not take its events, its peers have to wait: nothing is dropped.

        Raises:
            zre.Stopped: The node has stopped, and all events have been taken.
        """
        event = await self._next_event()
        if event is None:
            raise Stopped("the node has stopped, and all its events have been taken")
        return event

    def __aiter__(self) -> AsyncIterator[Event]:
        return self

    async def __anext__(self) -> Event:
        event = await self._next_event()
        if event is None:
            raise StopAsyncIteration
        return event

    async def _next_event(self) -> Optional[Event]:
        # Before an event is taken: cancelled, this loses none.
        await self._waiter.give_way()
        event = self._node.try_recv()
        if event is not None:
            return event
        return await self._waiter.outcome(self._node.begin_recv())

    async def whisper(self, peer: Peer, content: Content) -> None:
        """Sends a message to one peer. When too much waits for the peer, this waits, too.

        Raises:
            zre.UnknownPeer: There is no such peer, or it has gone meanwhile.
        """
        await self._waiter.outcome(self._node.begin_whisper(peer, content))

    async def shout(self, group: str, content: Content) -> int:
        """Sends a message to all members of a group, and gives how many that are.

        Members that have no room for it are waited for as long as ``slow_members`` says.
        """
        return await self._waiter.outcome(self._node.begin_shout(group, content))

    async def whisper_confirmed(self, peer: Peer, content: Content) -> None:
        """Sends a message to one peer, and waits until the peer confirms that it has it.

        Raises:
            zre.Unconfirmed: The peer has gone before; the message may have arrived or not.
        """
        await self._waiter.outcome(self._node.begin_whisper_confirmed(peer, content))

    async def shout_confirmed(self, group: str, content: Content) -> dict[uuid.UUID, str]:
        """Sends a message to a group, and waits until each member has it or is gone.

        Gives for each member ``"delivered"``, ``"gone"`` or ``"skipped"``.
        """
        return await self._waiter.outcome(self._node.begin_shout_confirmed(group, content))

    async def flush(self, peer: Peer) -> None:
        """Waits until a peer has confirmed all that has been sent to it so far."""
        await self._waiter.outcome(self._node.begin_flush(peer))

    async def ping(self, peer: Peer) -> float:
        """Asks a peer for an answer, and gives how many seconds that took."""
        return await self._waiter.outcome(self._node.begin_ping(peer))

    async def request(
        self, peer: Peer, content: Content, timeout: Optional[float] = 30.0
    ) -> tuple[bytes, ...]:
        """Asks a peer, and gives the frames of its answer.

        Raises:
            zre.TimedOut: There was no answer in time.
            zre.Gone: The peer has gone before it answered.
            zre.RequestRefused: The peer does not answer.
        """
        return await self._waiter.outcome(self._node.begin_request(peer, content, timeout))

    async def request_any(
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
        return await self._waiter.outcome(
            self._node.begin_request_any(group, content, timeout, round_robin)
        )

    async def request_all(
        self, group: str, content: Content, timeout: Optional[float] = 30.0
    ) -> AsyncIterator[tuple[uuid.UUID, tuple[bytes, ...] | Error]]:
        """Asks all members of a group. Gives each with its answer or an exception, as they come."""
        answers = self._node.begin_request_all(group, content, timeout)
        while (answer := await self._waiter.outcome(answers.next())) is not None:
            yield answer

    def requests(self) -> Requests:
        """The requests of peers from now on. Those that came before are a :class:`zre.Whisper`."""
        return Requests(self._node.requests(), self._waiter)

    def subscribe(self) -> AsyncIterator[Event | Lagged]:
        """Copies of all events from now on, beside those that :meth:`recv` gives.

        Who is slower than events come misses the oldest, and is told by :class:`zre.Lagged`.
        """
        return self._subscribed(self._node.subscribe())

    async def _subscribed(self, subscription: _zre.Subscription) -> AsyncIterator[Event | Lagged]:
        while (item := subscribed(await self._waiter.outcome(subscription.next()))) is not None:
            yield item

    def notices(self) -> AsyncIterator[Notice]:
        """What the node writes to its log, from now on, until it has stopped."""
        return self._noticed(self._node.notices())

    async def _noticed(self, notices: _zre.Notices) -> AsyncIterator[Notice]:
        while (notice := await self._waiter.outcome(notices.next())) is not None:
            yield Notice(*notice)

    async def wait_for_peer(self, peer: Peer) -> uuid.UUID:
        """Waits until a peer is there, by its name or its identity. It takes no event."""
        return await self._waiter.outcome(self._node.begin_wait_for_peer(peer))

    async def wait_for_group(self, group: str, count: int = 1) -> list[uuid.UUID]:
        """Waits until so many peers are in a group. It takes no event."""
        return await self._waiter.outcome(self._node.begin_wait_for_group(group, count))


class Request(RequestBase):
    """A request of a peer, to be answered or refused once. Dropped, it is refused."""

    def __init__(self, native: _zre.Request, waiter: Waiter) -> None:
        super().__init__(native)
        self._waiter = waiter

    async def answer(self, content: Content) -> None:
        """Answers. When too much waits for the peer already, this waits, too.

        Raises:
            zre.UnknownPeer: The peer has gone since it asked, or has been answered.
            zre.Stopped: This node has stopped.
        """
        await self._waiter.outcome(self._native.begin_answer(content))


class Requests:
    """The requests of peers; iteration ends when the node has stopped."""

    def __init__(self, native: _zre.Requests, waiter: Waiter) -> None:
        self._native = native
        self._waiter = waiter

    def __aiter__(self) -> AsyncIterator[Request]:
        return self

    async def __anext__(self) -> Request:
        native = await self._waiter.outcome(self._native.next())
        if native is None:
            raise StopAsyncIteration
        return Request(native, self._waiter)


class Waiter:
    """Lets coroutines of one event loop wait for operations.

    The loop watches a descriptor. One that can watch none, as that of Windows, is told by a
    thread.
    """

    #: So many events are given without a pause for other tasks.
    BATCH = 64

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._wakeups = _zre.Wakeups()
        self._numbers = itertools.count()
        self._waiting: dict[int, asyncio.Future[None]] = {}
        self._given = 0
        self._is_closed = False
        try:
            loop.add_reader(self._wakeups.fileno(), self._wake)
            self._watches_descriptor = True
        except NotImplementedError:
            self._watches_descriptor = False
            # The thread must not wait when the interpreter ends.
            atexit.register(self._wakeups.close)
            threading.Thread(target=self._watch, name="zre-wakeups", daemon=True).start()

    async def outcome(self, operation: _zre.Operation[T]) -> T:
        """Waits for an operation. Cancelled, it gives the operation up."""
        number = next(self._numbers)
        try:
            while True:
                outcome = operation.poll(self._wakeups, number)
                if outcome is not None:
                    return outcome[0]
                # The outcome is taken by this coroutine, and not before it runs again: so nothing
                # is lost if it is cancelled meanwhile.
                woken = self._loop.create_future()
                self._waiting[number] = woken
                await woken
        finally:
            self._waiting.pop(number, None)
            operation.close()

    async def give_way(self) -> None:
        """Now and then lets other tasks run, where one never has to wait."""
        self._given += 1
        if self._given % self.BATCH == 0:
            await asyncio.sleep(0)

    def close(self) -> None:
        """Watches no longer. Whoever still waits is woken."""
        if self._is_closed:
            return
        self._is_closed = True
        if self._watches_descriptor:
            self._loop.remove_reader(self._wakeups.fileno())
        else:
            atexit.unregister(self._wakeups.close)
        self._wakeups.close()
        for woken in self._waiting.values():
            if not woken.done():
                woken.set_result(None)

    def _wake(self) -> None:
        for number in self._wakeups.take():
            woken = self._waiting.get(number)
            if woken is not None and not woken.done():
                woken.set_result(None)

    def _watch(self) -> None:
        while self._wakeups.wait():
            taken = threading.Event()
            try:
                self._loop.call_soon_threadsafe(self._wake_from, taken)
            except RuntimeError:
                # The loop is closed.
                return
            taken.wait()

    def _wake_from(self, taken: threading.Event) -> None:
        self._wake()
        taken.set()
