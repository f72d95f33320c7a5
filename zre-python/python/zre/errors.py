"""What goes wrong, below one class: :class:`Error`."""

from __future__ import annotations

import uuid
from typing import Optional


class Error(Exception):
    """The base of all exceptions of this package."""

    def __init__(self, message: str = "", peer: Optional[uuid.UUID] = None) -> None:
        super().__init__(message)
        #: The peer that it is about, if it is about one.
        self.peer = peer


class InvalidValue(Error, ValueError):
    """A value cannot be used: the message names it, and what can."""


class StartError(Error):
    """The node cannot start: a setting is wrong, or the system refuses something."""


class NotStarted(Error):
    """The node has not been started."""


class Stopped(Error):
    """The node has stopped."""


class Forked(Error, RuntimeError):
    """The node runs in the parent of this process."""


class UnknownPeer(Error, LookupError):
    """There is no such peer: it has not entered, or it has left."""


class Unconfirmed(Error):
    """The peer has gone before it confirmed the message, which may have arrived or not."""


class Gone(Error):
    """The peer has gone before it answered, and may have done what was asked."""


class RequestRefused(Error):
    """The peer does not answer the request."""


class TimedOut(Error, TimeoutError):
    """The time is over."""


class NoMembers(Error, LookupError):
    """No peer is in the group."""


class Full(Error):
    """Too much waits for a peer already, which reads more slowly than it is sent to."""


class MessageTooLarge(Error, ValueError):
    """The message has more bytes or frames than a message may have."""
