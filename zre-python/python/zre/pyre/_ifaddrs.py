"""The network interfaces of the machine, with their addresses."""

from __future__ import annotations

import ctypes
import ctypes.util
import socket
import sys
from typing import Any, Dict, Iterator

Addresses = Dict[int, Dict[str, Any]]

_IFF_BROADCAST = 0x2
_IFT_ETHER = 0x6
_HAS_LENGTH = sys.platform == "darwin" or "bsd" in sys.platform
_AF_PACKET = 17 if sys.platform == "linux" else None
_AF_LINK = 18 if _HAS_LENGTH else None


class _IfAddrs(ctypes.Structure):
    """An element of the list that the C function getifaddrs gives."""


_IfAddrs._fields_ = [
    ("next", ctypes.POINTER(_IfAddrs)),
    ("name", ctypes.c_char_p),
    ("flags", ctypes.c_uint),
    ("address", ctypes.c_void_p),
    ("netmask", ctypes.c_void_p),
    ("broadcast", ctypes.c_void_p),
    ("data", ctypes.c_void_p),
]


def get_ifaddrs() -> list[dict[str, Addresses]]:
    """Give a dictionary for each interface: its name, then the family, then the addresses.

    The values are ``addr``, and where they exist ``netmask``, ``broadcast`` and ``scope``. An
    interface without any address is left out. Of several addresses of a family the last is given.
    """
    found: dict[str, Addresses] = {}
    for name, family, data in _addresses():
        if data:
            found.setdefault(name, {})[family] = data
    return [{name: families} for name, families in found.items()]


def interface_name(text: str) -> str:
    """Give the interface that a text means: a name, or one digit for its place in the list."""
    if len(text) != 1 or not text.isdigit():
        return text
    interfaces = get_ifaddrs()
    if int(text) >= len(interfaces):
        raise ValueError(f"there is no interface number {text}")
    return next(iter(interfaces[int(text)]))


def _addresses() -> Iterator[tuple[str, int, dict[str, Any]]]:
    if sys.platform == "win32":
        # The standard library knows neither names nor netmasks there.
        for family, _, _, _, address in socket.getaddrinfo(socket.gethostname(), None):
            yield str(address[0]), int(family), {"addr": address[0]}
        return
    libc = ctypes.CDLL(ctypes.util.find_library("c"), use_errno=True)
    first = ctypes.POINTER(_IfAddrs)()
    if libc.getifaddrs(ctypes.byref(first)):
        raise OSError(ctypes.get_errno(), "getifaddrs failed")
    try:
        entry = first
        while entry:
            if entry.contents.address:
                family = _family(entry.contents.address)
                yield entry.contents.name.decode(), family, _values(entry.contents, family)
            entry = entry.contents.next
    finally:
        libc.freeifaddrs(first)


def _values(entry: _IfAddrs, family: int) -> dict[str, Any]:
    if family in (_AF_PACKET, _AF_LINK):
        hardware = _hardware_address(entry.address, family)
        return {"addr": hardware} if hardware else {}
    if family not in (socket.AF_INET, socket.AF_INET6):
        return {}
    values: dict[str, Any] = {"addr": _ip_address(entry.address, family)}
    if entry.netmask:
        values["netmask"] = _ip_address(entry.netmask, family)
    if family == socket.AF_INET and entry.flags & _IFF_BROADCAST and entry.broadcast:
        values["broadcast"] = _ip_address(entry.broadcast, family)
    if values["addr"].startswith("fe80:"):
        scope = ctypes.string_at(entry.address + 24, 4)
        values["scope"] = int.from_bytes(scope, sys.byteorder)
    return values


def _family(address: int) -> int:
    start = ctypes.string_at(address, 2)
    return start[1] if _HAS_LENGTH else int.from_bytes(start, sys.byteorder)


def _ip_address(address: int, family: int) -> str:
    offset, length = (4, 4) if family == socket.AF_INET else (8, 16)
    return socket.inet_ntop(family, ctypes.string_at(address + offset, length))


def _hardware_address(address: int, family: int) -> str | None:
    if family == _AF_PACKET:
        (length,) = ctypes.string_at(address + 11, 1)
        start = 12
    else:
        kind, name_length, length = ctypes.string_at(address + 4, 3)
        start = 8 + name_length
        if kind != _IFT_ETHER:
            return None
    octets = ctypes.string_at(address + start, length)
    return octets.hex(":") if any(octets) else None
