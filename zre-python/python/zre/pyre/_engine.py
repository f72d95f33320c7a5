"""The node behind a ``Pyre``: settings until it starts, then events as frames."""

from __future__ import annotations

import json
import logging
import threading
import uuid
from collections import deque
from typing import Any, Callable, Deque, List, TypeVar

import zre
from zre.blocking import Node

logger = logging.getLogger("pyre.pyre_node")

Frames = List[bytes]
Answer = TypeVar("Answer")

# pyre knows IPv4 only, and asks silent peers later than zre. It does not linger; programs expect
# that stopping is quick.
_DEFAULTS = {"ip": "4", "evasive_after": 10.0, "expired_after": 30.0, "linger": 1.0}

# The frames that follow the kind, the identity and the name of the peer. pyre has no other events.
_DETAILS: dict[type, Callable[[Any], Frames]] = {
    zre.Enter: lambda event: [json.dumps(dict(event.headers)).encode(), event.endpoint.encode()],
    zre.Exit: lambda event: [],
    zre.Join: lambda event: [event.group.encode()],
    zre.Leave: lambda event: [event.group.encode()],
    zre.Whisper: lambda event: list(event.content),
    zre.Shout: lambda event: [event.group.encode(), *event.content],
}


class Engine:
    """A node that can be asked, and told things, before it starts and after it has stopped."""

    def __init__(self, name: str | None) -> None:
        self.uuid = uuid.uuid4()
        self.name = name or str(self.uuid)[:6]
        self._settings: dict[str, Any] = dict(_DEFAULTS)
        self._headers: dict[str, str] = {}
        self._groups: dict[str, None] = {}
        self._node: Node | None = None
        self._waiting: Deque[Frames] = deque()
        self._has_begun = threading.Event()
        self._has_stopped = False

    def configure(self, **settings: Any) -> None:
        """Set what the constructor of the node takes; without effect once it has started."""
        self._settings.update(settings)

    def start(self) -> None:
        """Start the node, once."""
        if self._has_stopped:
            raise zre.Stopped("a node that has stopped cannot be started again")
        if self._node is None:
            self._node = Node(
                self.name,
                id=self.uuid,
                headers=self._headers,
                groups=list(self._groups),
                **self._settings,
            ).start()
            self._has_begun.set()

    def stop(self) -> None:
        """Stop the node; the last thing that is received is STOP."""
        if self._node is not None:
            self._node.stop()
        elif not self._has_stopped:
            self._waiting.append(self._stop_frames())
        self._has_stopped = True
        self._has_begun.set()

    def set_header(self, name: str, value: str) -> None:
        """Set a header that peers see when they meet the node from now on."""
        self._headers[name] = value
        if self._node is not None:
            self._node.set_header(name, value)

    def join(self, group: str) -> None:
        """Join a group."""
        self._groups[group] = None
        self.ask(lambda node: node.join(group), None)

    def leave(self, group: str) -> None:
        """Leave a group."""
        self._groups.pop(group, None)
        self.ask(lambda node: node.leave(group), None)

    def own_groups(self) -> list[str]:
        """Give the groups that the node is in, in the order in which it joined them."""
        return list(self._groups)

    def ask(self, question: Callable[[Node], Answer], otherwise: Answer) -> Answer:
        """Ask the running node; before it starts and after it has stopped give the other answer."""
        if self._node is None:
            return otherwise
        try:
            return question(self._node)
        except zre.Stopped:
            return otherwise

    def recv(self) -> Frames:
        """Wait for the next event and give its frames; ``zre.Stopped`` after STOP."""
        self._has_begun.wait()
        while True:
            frames = self._next_waiting()
            if frames is None and self._node is None:
                raise zre.Stopped("the node has stopped")
            if frames is None and self._node is not None:
                frames = self._frames(self._node.recv())
            if frames is not None:
                return frames

    def has_events(self) -> bool:
        """Tell whether ``recv`` would give an event without waiting."""
        while not self._waiting:
            event = self.ask(lambda node: node.try_recv(), None)
            if event is None:
                return False
            frames = self._frames(event)
            if frames is not None:
                self._waiting.append(frames)
        return True

    def _next_waiting(self) -> Frames | None:
        try:
            return self._waiting.popleft()
        except IndexError:
            return None

    def _frames(self, event: zre.Event) -> Frames | None:
        if isinstance(event, zre.Stop):
            return self._stop_frames()
        details = _DETAILS.get(type(event))
        if details is None:
            return None
        kind = type(event).__name__.upper()
        peer: Any = event
        logger.debug("(%s) %s name=%s", self.name, kind, peer.name)
        return [kind.encode(), peer.peer.bytes, peer.name.encode(), *details(event)]

    def _stop_frames(self) -> Frames:
        return [b"STOP", self.uuid.bytes, self.name.encode()]
