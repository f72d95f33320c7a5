"""The nodes that are compared, with the few methods that the measurements need.

Each takes and gives what its package has for it: no message is converted for the comparison.
"""

from __future__ import annotations

import pathlib
import sys
from typing import Any, Protocol
from uuid import UUID

INTERFACE = "v0"
KINDS = ("pyre", "zyre", "zre.pyre-socket", "zre.pyre", "zre", "zre.blocking")
PEERS_DIRECTORY = pathlib.Path(__file__).resolve().parents[2] / "tests" / "peers"


class Node(Protocol):
    """A started node. Whispers go to the peer that entered last."""

    def next_enter(self) -> str:
        """Wait for the next peer, and give its name."""

    def whisper(self, content: bytes) -> None:
        """Send one frame to the peer."""

    def receive(self) -> bytes:
        """Wait for the next whisper, and give its frame."""


class AsyncNode(Protocol):
    """The same for asyncio."""

    async def next_enter(self) -> str:
        """Wait for the next peer, and give its name."""

    async def whisper(self, content: bytes) -> None:
        """Send one frame to the peer."""

    async def receive(self) -> bytes:
        """Wait for the next whisper, and give its frame."""


class Blocking:
    """A node of `zre.blocking`."""

    def __init__(self, name: str) -> None:
        import zre.blocking

        self._enter, self._whisper = zre.Enter, zre.Whisper
        self._node = zre.blocking.Node(name, interface=INTERFACE).start()

    def next_enter(self) -> str:
        while not isinstance(event := self._node.recv(), self._enter):
            pass
        self._peer = event.peer
        return str(event.name)

    def whisper(self, content: bytes) -> None:
        self._node.whisper(self._peer, content)

    def receive(self) -> bytes:
        while not isinstance(event := self._node.recv(), self._whisper):
            pass
        return event.data  # type: ignore[no-any-return]


class Asyncio:
    """A node of `zre`."""

    def __init__(self, node: Any) -> None:
        import zre

        self._enter, self._whisper = zre.Enter, zre.Whisper
        self._node = node

    @classmethod
    async def start(cls, name: str) -> Asyncio:
        import zre

        return cls(await zre.Node(name, interface=INTERFACE).start())

    async def next_enter(self) -> str:
        while not isinstance(event := await self._node.recv(), self._enter):
            pass
        self._peer = event.peer
        return str(event.name)

    async def whisper(self, content: bytes) -> None:
        await self._node.whisper(self._peer, content)

    async def receive(self) -> bytes:
        while not isinstance(event := await self._node.recv(), self._whisper):
            pass
        return event.data  # type: ignore[no-any-return]


class Pyre:
    """A node of `pyre`, or of `zre.pyre`."""

    def __init__(self, module: Any, name: str, has_inbox: bool) -> None:
        self._node = module.Pyre(name)
        if has_inbox:
            self._node.socket()
        self._node.start()

    def next_enter(self) -> str:
        while (frames := self._node.recv())[0] != b"ENTER":
            pass
        self._peer = UUID(bytes=frames[1])
        return str(frames[2].decode())

    def whisper(self, content: bytes) -> None:
        self._node.whisper(self._peer, content)

    def receive(self) -> bytes:
        while (frames := self._node.recv())[0] != b"WHISPER":
            pass
        return frames[3]  # type: ignore[no-any-return]


class Zyre:
    """A node of zyre, by ctypes."""

    def __init__(self, name: str) -> None:
        import ctypes

        sys.path.append(str(PEERS_DIRECTORY))
        from library import keep_standard_output_clean, load_library
        from zyre_node import FUNCTIONS

        self._zyre = load_library(FUNCTIONS)
        self._byref, self._string_at = ctypes.byref, ctypes.string_at
        self._pointer = ctypes.c_void_p
        keep_standard_output_clean(self._zyre)
        self._node = self._zyre.zyre_new(name.encode())
        self._zyre.zyre_set_interface(self._node, INTERFACE.encode())
        if self._zyre.zyre_start(self._node) != 0:
            sys.exit("zyre cannot start")

    def next_enter(self) -> str:
        event = self._next_event(b"ENTER")
        self._peer = self._zyre.zyre_event_peer_uuid(event)
        name = self._zyre.zyre_event_peer_name(event).decode()
        self._zyre.zyre_event_destroy(self._byref(event))
        return str(name)

    def whisper(self, content: bytes) -> None:
        message = self._pointer(self._zyre.zmsg_new())
        self._zyre.zmsg_addmem(message, content, len(content))
        self._zyre.zyre_whisper(self._node, self._peer, self._byref(message))

    def receive(self) -> bytes:
        event = self._next_event(b"WHISPER")
        frame = self._zyre.zmsg_first(self._zyre.zyre_event_msg(event))
        size = self._zyre.zframe_size(frame)
        content = self._string_at(self._zyre.zframe_data(frame), size)
        self._zyre.zyre_event_destroy(self._byref(event))
        return content

    def _next_event(self, kind: bytes) -> Any:
        while True:
            event = self._pointer(self._zyre.zyre_event_new(self._node))
            if self._zyre.zyre_event_type(event) == kind:
                return event
            self._zyre.zyre_event_destroy(self._byref(event))


def start(kind: str, name: str) -> Node:
    """Start a node of this kind; not for asyncio."""
    if kind == "zre.blocking":
        return Blocking(name)
    if kind == "zyre":
        return Zyre(name)
    if kind == "pyre":
        import pyre

        return Pyre(pyre, name, has_inbox=True)
    import zre.pyre

    return Pyre(zre.pyre, name, has_inbox=kind == "zre.pyre-socket")
