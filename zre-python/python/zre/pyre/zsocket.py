"""Sockets that carry signals between threads."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from ._zmq import zmq

if TYPE_CHECKING:
    _Socket = zmq.Socket[bytes]
else:
    _Socket = zmq.Socket

_SIGNAL = 0x7766554433221100
_STATUS_MASK = 0xFF


class ZSocket(_Socket):
    """A zmq socket that can send a signal and wait for one."""

    def signal(self, status: int = 0) -> None:
        """Send a signal with a status from 0 to 255."""
        self.send(struct.pack("Q", _SIGNAL + status))

    def wait(self) -> int:
        """Wait for a signal and give its status; -1 for eight bytes that are no signal.

        Other messages that come before it are dropped.
        """
        while True:
            message = self.recv()
            if len(message) == 8:
                (value,) = struct.unpack("Q", message)
                is_signal = value & ~_STATUS_MASK == _SIGNAL
                return int(value & _STATUS_MASK) if is_signal else -1
