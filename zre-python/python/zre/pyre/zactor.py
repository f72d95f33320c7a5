"""Actors: a thread, and a pipe to talk to it."""

# The types of pyzmq have unknown parts.
# pyright: reportUnknownVariableType=false

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING, Any, Callable

from . import zhelper

if TYPE_CHECKING:
    import zmq

    from .zsocket import ZSocket

logger = logging.getLogger("pyre.zactor")

_DESTROYED = 0xDEADBEEF


class ZActor:
    """Runs a handler in a thread of its own, as ``handler(ctx, pipe, *args, **kwargs)``.

    The handler sends a signal on its pipe when it is ready, which the constructor waits for, and
    returns when the message ``$TERM`` comes.
    """

    ZACTOR_TAG = 0x0005CAFE

    def __init__(
        self, ctx: zmq.Context[Any], actor: Callable[..., Any], *args: Any, **kwargs: Any
    ) -> None:
        self.tag = self.ZACTOR_TAG
        self.ctx = ctx
        self.pipe, self.shim_pipe = zhelper.zcreate_pipe(ctx)
        self.shim_handler = actor
        self.shim_args = (ctx, self.shim_pipe, *args)
        self.shim_kwargs = kwargs
        self.is_running = False
        self.thread = threading.Thread(target=self.run, daemon=False)
        self.thread.start()
        self.pipe.wait()

    def run(self) -> None:
        """Run the handler and signal its end; the thread of the actor calls this."""
        from ._zmq import zmq

        self.is_running = True
        try:
            self.shim_handler(*self.shim_args, **self.shim_kwargs)
        finally:
            self.is_running = False
            self.shim_pipe.setsockopt(zmq.SNDTIMEO, 0)
            try:
                self.shim_pipe.signal()
            except zmq.Again:
                logger.debug("nobody waits for the end of the actor")
            self.shim_pipe.close()

    def destroy(self) -> None:
        """Tell the actor to end, and wait until it has."""
        from ._zmq import zmq

        if self.tag == _DESTROYED:
            logger.warning("actor is destroyed already")
            return
        self.pipe.setsockopt(zmq.SNDTIMEO, 0)
        try:
            self.pipe.send_string("$TERM")
            self.pipe.wait()
        except zmq.Again:
            logger.debug("actor has ended by itself")
        self.pipe.close()
        self.tag = _DESTROYED

    def send(self, *args: Any, **kwargs: Any) -> Any:
        """Send a frame to the actor."""
        return self.pipe.send(*args, **kwargs)

    def send_unicode(self, *args: Any, **kwargs: Any) -> Any:
        """Send a frame of text to the actor."""
        return self.pipe.send_string(*args, **kwargs)

    def send_multipart(self, *args: Any, **kwargs: Any) -> Any:
        """Send a message of several frames to the actor."""
        return self.pipe.send_multipart(*args, **kwargs)

    def send_pyobj(self, *args: Any, **kwargs: Any) -> Any:
        """Send a pickled object to the actor."""
        return self.pipe.send_pyobj(*args, **kwargs)

    def recv(self, *args: Any, **kwargs: Any) -> Any:
        """Receive a frame from the actor."""
        return self.pipe.recv(*args, **kwargs)

    def recv_unicode(self, *args: Any, **kwargs: Any) -> Any:
        """Receive a frame of text from the actor."""
        return self.pipe.recv_string(*args, **kwargs)

    def recv_multipart(self, *args: Any, **kwargs: Any) -> Any:
        """Receive a message of several frames from the actor."""
        return self.pipe.recv_multipart(*args, **kwargs)

    def recv_pyobj(self, *args: Any, **kwargs: Any) -> Any:
        """Receive a pickled object from the actor."""
        return self.pipe.recv_pyobj(*args, **kwargs)

    def is_zactor(self) -> bool:
        """Tell whether this is an actor."""
        return True

    def resolve(self) -> ZSocket:
        """Give the socket to the actor, for polling."""
        return self.pipe


def echo_actor(ctx: zmq.Context[Any], pipe: ZSocket, *args: Any) -> None:
    """Answer each ``ECHO`` with the frame that follows it; an actor to try out."""
    pipe.signal()
    while True:
        command, *frames = pipe.recv_multipart()
        if command == b"$TERM":
            return
        if command == b"ECHO" and frames:
            pipe.send(frames[0])
        else:
            logger.error("invalid message to the echo actor: %r", command)
