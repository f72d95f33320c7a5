"""A thread that moves the events of a node to a zmq socket."""

from __future__ import annotations

import contextlib
import threading
import weakref

import zre

from ._engine import Engine, Frames
from ._zmq import zmq
from .zsocket import ZSocket

_LOOK_FOR_READER_MS = 200


class Forwarder(threading.Thread):
    """Forwards events until the node has stopped, or nobody can read them any more.

    It waits while the socket is full, also for what is left when the node has stopped.
    """

    def __init__(self, engine: Engine, outbox: ZSocket, inbox: ZSocket) -> None:
        super().__init__(name="pyre-inbox", daemon=True)
        self._engine = engine
        self._outbox = outbox
        self._inbox = weakref.ref(inbox)

    def run(self) -> None:
        """Forward; started by ``start``."""
        self._outbox.setsockopt(zmq.SNDTIMEO, _LOOK_FOR_READER_MS)
        with contextlib.suppress(zre.Stopped, zmq.ContextTerminated):
            while self._send(self._engine.recv()):
                pass

    def _send(self, frames: Frames) -> bool:
        while self._has_reader():
            with contextlib.suppress(zmq.Again):
                self._outbox.send_multipart(frames)
                return True
        return False

    def _has_reader(self) -> bool:
        inbox = self._inbox()
        return inbox is not None and not inbox.closed
