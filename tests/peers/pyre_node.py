"""A real pyre node, driven by JSON lines."""

import logging
import sys
import time
import types
import uuid

import pyre
import pyre.pyre_node
import pyre.zbeacon
from pyre.pyre_peer import PyrePeer

from pipe import Pipe, parse_options


class PyreDriver:
    """Owns a started pyre node.

    Commands use pyre's actor socket, events its inbox socket; so one thread
    can wait for events while another one gives commands.
    """

    def __init__(self, options):
        apply_settings_without_interface(options)
        self._node = pyre.Pyre(options.name)
        if options.verbose:
            self._node.set_verbose()
        if options.port is not None:
            self._node.set_port(b"%d" % options.port)
        if options.interface:
            self._node.set_interface(options.interface)
        for name, value in options.header:
            self._node.set_header(name, value)
        for group in options.group:
            self._node.join(group)
        self._node.start()
        self.uuid = as_text(self._node.uuid())
        self.name = self._node.name()
        self.endpoint = self._node.endpoint()

    def join(self, group):
        self._node.join(group)

    def leave(self, group):
        self._node.leave(group)

    def whisper(self, peer, frames):
        self._node.whisper(uuid.UUID(hex=peer), frames)

    def shout(self, group, frames):
        self._node.shout(group, frames)

    def peers(self):
        return [as_text(peer) for peer in self._node.peers()]

    def own_groups(self):
        return self._node.own_groups()

    def peer_groups(self):
        return self._node.peer_groups()

    def stop(self):
        self._node.stop()

    def next_event(self):
        event = pyre.PyreEvent(self._node)
        line = {"event": event.type}
        if event.type == "STOP":
            return line
        line["peer"] = as_text(event.peer_uuid)
        if event.type == "ENTER":
            line.update(name=event.peer_name, addr=event.peer_addr, headers=event.headers)
        if event.group is not None:
            line["group"] = event.group
        if event.msg is not None:
            line["frames"] = event.msg
        return line


def apply_settings_without_interface(options):
    """Sets what pyre offers no function for."""
    if options.uuid:
        identity = uuid.UUID(hex=options.uuid)
        pyre.pyre_node.uuid = types.SimpleNamespace(UUID=uuid.UUID, uuid4=lambda: identity)
    if options.interval is not None:
        pyre.zbeacon.INTERVAL_DFLT = options.interval / 1000
    evasive = PyrePeer.PEER_EVASIVE if options.evasive is None else options.evasive / 1000
    expired = PyrePeer.PEER_EXPIRED if options.expired is None else options.expired / 1000

    # PEER_EXPIRED also sets the mailbox's high-water mark, so it is left alone.
    def refresh(peer):
        peer.evasive_at = time.time() + evasive
        peer.expired_at = time.time() + expired

    PyrePeer.refresh = refresh


def as_text(peer):
    return peer.hex.upper()


if __name__ == "__main__":
    given = parse_options(__doc__)
    logging.basicConfig(
        stream=sys.stderr, level=logging.DEBUG if given.verbose else logging.WARNING
    )
    Pipe(PyreDriver(given)).run()
