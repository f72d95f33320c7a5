"""Pipes between threads, and the network interfaces of the machine."""

from __future__ import annotations

import threading
import uuid
from typing import TYPE_CHECKING, Any, Callable

from ._ifaddrs import get_ifaddrs as get_ifaddrs

if TYPE_CHECKING:
    import zmq

    from .zsocket import ZSocket

u = str

_FORK_HWM = 100
_FORK_TIMEOUT_MS = 5000


def zcreate_pipe(ctx: zmq.Context[Any], hwm: int = 1000) -> tuple[ZSocket, ZSocket]:
    """Create two connected PAIR sockets, the frontend and the backend."""
    from ._zmq import zmq
    from .zsocket import ZSocket

    frontend, backend = ZSocket(ctx, zmq.PAIR), ZSocket(ctx, zmq.PAIR)
    for end in (frontend, backend):
        end.set_hwm(hwm)
        end.setsockopt(zmq.LINGER, 0)
    endpoint = f"inproc://pyre-{uuid.uuid4().hex}"
    frontend.bind(endpoint)
    backend.connect(endpoint)
    return frontend, backend


def zthread_fork(
    ctx: zmq.Context[Any], func: Callable[..., Any], *args: Any, **kwargs: Any
) -> ZSocket:
    """Run ``func(ctx, pipe, *args, **kwargs)`` in a thread, and give the other end of the pipe.

    Both ends wait five seconds at most to send or receive, then raise ``zmq.Again``. The thread is
    not a daemon: the program ends when it has.
    """
    from ._zmq import zmq

    ours, theirs = zcreate_pipe(ctx, _FORK_HWM)
    for end in (ours, theirs):
        end.setsockopt(zmq.SNDTIMEO, _FORK_TIMEOUT_MS)
        end.setsockopt(zmq.RCVTIMEO, _FORK_TIMEOUT_MS)
    arguments = (ctx, theirs, *args)
    threading.Thread(target=func, args=arguments, kwargs=kwargs, daemon=False).start()
    return ours
