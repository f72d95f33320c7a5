"""Programs on a network find each other, form groups and exchange messages, with no server.

>>> import asyncio, zre
>>> async def main():
...     async with zre.Node("alice", groups=["CHAT"]) as node:
...         async for event in node:
...             if isinstance(event, zre.Shout):
...                 print(event.name, event.text)

:class:`Node` is for asyncio, and :class:`zre.blocking.Node` for threads. ``zre.pyre`` has the
names of the package pyre. Each node works together with every implementation of ZRE (RFC 36), such
as zyre and pyre.
"""

from __future__ import annotations

import atexit as _atexit

from . import blocking
from ._aio import Node, Request, Requests
from ._base import Lagged, Notice
from ._base import running as _running
from ._zre import end as _end
from ._zre import (
    Enter,
    Event,
    Evasive,
    Exit,
    Join,
    Leader,
    Leave,
    Network,
    PeerInfo,
    Refused,
    Shout,
    Silent,
    Skipped,
    Stop,
    Whisper,
    __version__,
    new_key,
)
from .errors import (
    Error,
    Forked,
    Full,
    Gone,
    InvalidValue,
    MessageTooLarge,
    NoMembers,
    NotStarted,
    RequestRefused,
    StartError,
    Stopped,
    TimedOut,
    Unconfirmed,
    UnknownPeer,
)

__all__ = [
    "Enter",
    "Error",
    "Evasive",
    "Event",
    "Exit",
    "Forked",
    "Full",
    "Gone",
    "InvalidValue",
    "Join",
    "Lagged",
    "Leader",
    "Leave",
    "MessageTooLarge",
    "Network",
    "NoMembers",
    "Node",
    "NotStarted",
    "Notice",
    "PeerInfo",
    "Refused",
    "Request",
    "RequestRefused",
    "Requests",
    "Shout",
    "Silent",
    "Skipped",
    "StartError",
    "Stop",
    "Stopped",
    "TimedOut",
    "Unconfirmed",
    "UnknownPeer",
    "Whisper",
    "__version__",
    "blocking",
    "new_key",
]


# What they are known as.
for _class in (Node, Request, Requests, Notice, Lagged):
    _class.__module__ = __name__


@_atexit.register
def _stop_all() -> None:
    """Lets peers know that this program ends, and wakes the threads that still wait in a node."""
    nodes = list(_running)
    for node in nodes:
        node.begin_stop()
    for node in nodes:
        node.stop()
    _end()
