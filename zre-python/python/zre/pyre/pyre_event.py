"""Events with attributes in place of frames."""

from __future__ import annotations

import json
import uuid
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .pyre import Pyre


class PyreEvent:
    """The next event of a node; making one waits for it.

    What an event does not have is ``None``: ``headers`` and ``peer_addr`` belong to ENTER,
    ``group`` to JOIN, LEAVE and SHOUT, ``msg`` (a list of frames) to WHISPER and SHOUT.
    """

    def __init__(self, node: Pyre) -> None:
        kind, self.peer_uuid_bytes, name, *frames = node.recv()
        self.type = kind.decode("utf-8")
        self.peer_name = name.decode("utf-8")
        self.headers: dict[str, Any] | None = None
        self.peer_addr: str | None = None
        self.group: str | None = None
        self.msg: list[bytes] | None = None
        if self.type == "ENTER":
            self.headers = json.loads(frames.pop(0))
            self.peer_addr = frames.pop(0).decode("utf-8")
        if self.type in ("JOIN", "LEAVE", "SHOUT"):
            self.group = frames.pop(0).decode("utf-8")
        if self.type in ("WHISPER", "SHOUT"):
            self.msg = frames

    def header(self, name: str) -> Any:
        """Give the value of a header of an ENTER; ``None`` if there is no such header."""
        return (self.headers or {}).get(name)

    @property
    def peer_uuid(self) -> uuid.UUID:
        """The identity of the peer; of the node itself for STOP."""
        return uuid.UUID(bytes=self.peer_uuid_bytes)

    def __str__(self) -> str:
        return f"<pyre.pyre_event {self.type} from {self.peer_uuid.hex}>"
