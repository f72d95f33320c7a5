"""A real zyre node, driven by JSON lines."""

import ctypes
import ipaddress
import os
import pathlib
import sys
import time
from ctypes import POINTER, byref, c_char_p, c_int, c_size_t, c_void_p

import certificates
from library import keep_standard_output_clean, load_library, text
from pipe import Pipe, parse_options

FUNCTIONS = certificates.FUNCTIONS | {
    "zyre_new": (c_void_p, c_char_p),
    "zyre_uuid": (c_char_p, c_void_p),
    "zyre_name": (c_char_p, c_void_p),
    "zyre_set_verbose": (None, c_void_p),
    "zyre_set_port": (None, c_void_p, c_int),
    "zyre_set_interval": (None, c_void_p, c_size_t),
    "zyre_set_evasive_timeout": (None, c_void_p, c_int),
    "zyre_set_expired_timeout": (None, c_void_p, c_int),
    "zyre_set_interface": (None, c_void_p, c_char_p),
    # Variadic: a format comes before the last argument, here and in the next four.
    "zyre_set_header": (None, c_void_p, c_char_p, c_char_p),
    "zyre_set_endpoint": (c_int, c_void_p, c_char_p, c_char_p),
    "zyre_gossip_bind": (None, c_void_p, c_char_p, c_char_p),
    "zyre_gossip_connect": (None, c_void_p, c_char_p, c_char_p),
    "zyre_gossip_connect_curve": (None, c_void_p, c_char_p, c_char_p, c_char_p),
    "zyre_set_advertised_endpoint": (None, c_void_p, c_char_p),
    "zyre_set_zcert": (None, c_void_p, c_void_p),
    "zyre_set_zap_domain": (None, c_void_p, c_char_p),
    "zyre_start": (c_int, c_void_p),
    "zyre_stop": (None, c_void_p),
    "zyre_join": (c_int, c_void_p, c_char_p),
    "zyre_leave": (c_int, c_void_p, c_char_p),
    "zyre_set_contest_in_group": (None, c_void_p, c_char_p),
    "zyre_whisper": (c_int, c_void_p, c_char_p, POINTER(c_void_p)),
    "zyre_shout": (c_int, c_void_p, c_char_p, POINTER(c_void_p)),
    "zyre_peers": (c_void_p, c_void_p),
    "zyre_own_groups": (c_void_p, c_void_p),
    "zyre_peer_groups": (c_void_p, c_void_p),
    "zyre_event_new": (c_void_p, c_void_p),
    "zyre_event_destroy": (None, POINTER(c_void_p)),
    "zyre_event_type": (c_char_p, c_void_p),
    "zyre_event_peer_uuid": (c_char_p, c_void_p),
    "zyre_event_peer_name": (c_char_p, c_void_p),
    "zyre_event_peer_addr": (c_char_p, c_void_p),
    "zyre_event_headers": (c_void_p, c_void_p),
    "zyre_event_group": (c_char_p, c_void_p),
    "zyre_event_msg": (c_void_p, c_void_p),
    "zmsg_new": (c_void_p,),
    "zmsg_addmem": (c_int, c_void_p, c_char_p, c_size_t),
    "zmsg_first": (c_void_p, c_void_p),
    "zmsg_next": (c_void_p, c_void_p),
    "zframe_data": (c_void_p, c_void_p),
    "zframe_size": (c_size_t, c_void_p),
    "zhash_first": (c_char_p, c_void_p),
    "zhash_next": (c_char_p, c_void_p),
    "zhash_cursor": (c_char_p, c_void_p),
    # An actor: its address is what `zactor_new` takes, it is not called from here.
    "zauth": (None, c_void_p, c_void_p),
    "zactor_new": (c_void_p, c_void_p, c_void_p),
    "zstr_send": (c_int, c_void_p, c_char_p),
    # Variadic: strings, and a null pointer after the last one.
    "zstr_sendx": (c_int, c_void_p, c_char_p, c_char_p, c_void_p),
    "zsock_wait": (c_int, c_void_p),
}


class ZyreDriver:
    """Owns a started zyre node.

    Commands use zyre's actor pipe, events its inbox; so one thread can wait
    for events while another one gives commands. The node is never destroyed:
    that would take the inbox from under the waiting thread.
    """

    def __init__(self, library, options):
        self._zyre = library
        keep_standard_output_clean(library)
        self._node = library.zyre_new(options.name.encode() if options.name else None)
        self._configure(options)
        # Before it binds or connects anything: what is set then counts.
        self.key = self._secure(options)
        self.endpoint = self._begin_gossip(options)
        for group in options.group:
            self.join(group)
        if library.zyre_start(self._node) != 0:
            sys.exit("zyre cannot start")
        # The answer comes after the node has bound its inbox.
        self.uuid = library.zyre_uuid(self._node).decode()
        self.name = text(library.zyre_name(self._node))
        self.endpoint = self.endpoint or listening_endpoint()

    def _configure(self, options):
        if options.uuid:
            print("zyre has no way to set its UUID", file=sys.stderr)
        if options.verbose:
            self._zyre.zyre_set_verbose(self._node)
        if options.interface:
            self._zyre.zyre_set_interface(self._node, options.interface.encode())
        for setter, value in (
            (self._zyre.zyre_set_port, options.port),
            (self._zyre.zyre_set_interval, options.interval),
            (self._zyre.zyre_set_evasive_timeout, options.evasive),
            (self._zyre.zyre_set_expired_timeout, options.expired),
        ):
            if value is not None:
                setter(self._node, value)
        for name, value in options.header:
            self._zyre.zyre_set_header(self._node, name.encode(), b"%s", c_char_p(value.encode()))

    def _secure(self, options):
        """Its public key, if it has one."""
        if options.trust:
            self._admit(options.trust, options.verbose)
        if options.zap_domain:
            self._zyre.zyre_set_zap_domain(self._node, options.zap_domain.encode())
        certificate = self._certificate(options)
        if certificate is None:
            return None
        self._zyre.zyre_set_zcert(self._node, certificate)
        return text(self._zyre.zcert_public_txt(certificate))

    def _certificate(self, options):
        if options.key:
            return certificates.load_certificate(self._zyre, options.key)
        if options.public_key:
            public, secret = options.public_key.encode(), options.secret_key.encode()
            return self._zyre.zcert_new_from_txt(public, secret)
        if options.new_key:
            return certificates.new_certificate(self._zyre)
        return None

    def _admit(self, trust, verbose):
        """Starts `zauth`, without which zyre admits every key."""
        auth = self._zyre.zactor_new(ctypes.cast(self._zyre.zauth, c_void_p), None)
        if verbose:
            self._zyre.zstr_send(auth, b"VERBOSE")
            self._zyre.zsock_wait(auth)
        location = b"*" if trust == "any" else trust.encode()
        self._zyre.zstr_sendx(auth, b"CURVE", location, None)
        self._zyre.zsock_wait(auth)

    def _begin_gossip(self, options):
        """Where it listens, if it has been told where."""
        self._gossips = bool(options.gossip_bind or options.gossip_connect)
        endpoint = None
        if options.endpoint:
            if self._zyre.zyre_set_endpoint(self._node, b"%s", options.endpoint.encode()) != 0:
                sys.exit(f"zyre cannot listen at {options.endpoint}")
            endpoint = listening_endpoint()
        if options.advertise:
            endpoint = options.advertise
            self._zyre.zyre_set_advertised_endpoint(self._node, endpoint.encode())
        if options.gossip_bind:
            self._zyre.zyre_gossip_bind(self._node, b"%s", options.gossip_bind.encode())
        for hub in options.gossip_connect:
            self._connect_to_hub(*hub.partition("|"))
        return endpoint

    def _connect_to_hub(self, hub, separator, key):
        if separator:
            self._zyre.zyre_gossip_connect_curve(self._node, key.encode(), b"%s", hub.encode())
        else:
            self._zyre.zyre_gossip_connect(self._node, b"%s", hub.encode())

    def join(self, group):
        self._zyre.zyre_join(self._node, group.encode())

    def leave(self, group):
        self._zyre.zyre_leave(self._node, group.encode())

    def contest(self, group):
        self._zyre.zyre_set_contest_in_group(self._node, group.encode())

    def whisper(self, peer, frames):
        self._zyre.zyre_whisper(self._node, peer.encode(), byref(self._message(frames)))

    def shout(self, group, frames):
        self._zyre.zyre_shout(self._node, group.encode(), byref(self._message(frames)))

    def peers(self):
        return self._strings(self._zyre.zyre_peers(self._node))

    def own_groups(self):
        return self._strings(self._zyre.zyre_own_groups(self._node))

    def peer_groups(self):
        return self._strings(self._zyre.zyre_peer_groups(self._node))

    def stop(self):
        self._zyre.zyre_stop(self._node)
        if self._gossips:
            # GOODBYE goes out in another thread, which ends with the process.
            time.sleep(0.1)

    def next_event(self):
        event = c_void_p(self._zyre.zyre_event_new(self._node))
        if not event:
            raise RuntimeError("zyre was interrupted")
        line = self._event_line(event)
        self._zyre.zyre_event_destroy(byref(event))
        return line

    def _event_line(self, event):
        line = {"event": self._zyre.zyre_event_type(event).decode()}
        if line["event"] == "STOP":
            return line
        line["peer"] = self._zyre.zyre_event_peer_uuid(event).decode()
        if line["event"] == "ENTER":
            line["name"] = text(self._zyre.zyre_event_peer_name(event))
            line["addr"] = text(self._zyre.zyre_event_peer_addr(event))
            line["headers"] = self._dictionary(self._zyre.zyre_event_headers(event))
        group = self._zyre.zyre_event_group(event)
        if group is not None:
            line["group"] = text(group)
        message = self._zyre.zyre_event_msg(event)
        if message is not None:
            line["frames"] = self._frames(message)
        return line

    def _message(self, frames):
        message = self._zyre.zmsg_new()
        for frame in frames:
            self._zyre.zmsg_addmem(message, frame, len(frame))
        return c_void_p(message)

    def _frames(self, message):
        frames = []
        frame = self._zyre.zmsg_first(message)
        while frame:
            data = self._zyre.zframe_data(frame)
            frames.append(ctypes.string_at(data, self._zyre.zframe_size(frame)))
            frame = self._zyre.zmsg_next(message)
        return frames

    def _strings(self, zlist):
        owned = c_void_p(zlist)
        strings = []
        item = self._zyre.zlist_first(owned)
        while item is not None:
            strings.append(text(item))
            item = self._zyre.zlist_next(owned)
        self._zyre.zlist_destroy(byref(owned))
        return strings

    def _dictionary(self, zhash):
        dictionary = {}
        value = self._zyre.zhash_first(zhash) if zhash else None
        while value is not None:
            dictionary[text(self._zyre.zhash_cursor(zhash))] = text(value)
            value = self._zyre.zhash_next(zhash)
        return dictionary


def listening_endpoint():
    """Where this process listens: zyre does not tell, the kernel does."""
    own_sockets = set()
    for descriptor in pathlib.Path("/proc/self/fd").iterdir():
        try:
            own_sockets.add(str(descriptor.readlink()))
        except FileNotFoundError:
            pass  # The one that lists the directory.
    for table in ("tcp", "tcp6"):
        for row in pathlib.Path(f"/proc/self/net/{table}").read_text().splitlines()[1:]:
            fields = row.split()
            local, state, inode = fields[1], fields[3], fields[9]
            if state == "0A" and f"socket:[{inode}]" in own_sockets:
                address, port = local.split(":")
                return f"tcp://{address_of(address)}:{int(port, 16)}"
    return None


def address_of(digits):
    """An address as the kernel prints it: words of four bytes, each in the machine's order."""
    words = (digits[start : start + 8] for start in range(0, len(digits), 8))
    packed = b"".join(int(word, 16).to_bytes(4, sys.byteorder) for word in words)
    address = ipaddress.ip_address(packed)
    mapped = address.version == 6 and address.ipv4_mapped
    return mapped or address


def set_environment(options):
    """Sets what czmq reads from the environment alone, for the whole process."""
    if options.ipv6:
        os.environ["ZSYS_IPV6"] = "1"
    if options.multicast:
        os.environ["ZSYS_IPV4_MCAST_ADDRESS"] = options.multicast


if __name__ == "__main__":
    given = parse_options(__doc__)
    set_environment(given)
    Pipe(ZyreDriver(load_library(FUNCTIONS), given)).run()
