"""Writes curve.txt: two CURVE connections of libzmq, with all keys and random bytes that were used.

libzmq gets its random bytes from libsodium, and libsodium here from a counter, so every box can be
opened and made again. Both sides are in this process, on loopback, with a relay between them that
records. Needs Debian's libzmq5; run as `python3 curve.py > curve.txt`.
"""

import ctypes as c
import hashlib
import re
import socket
import sys
import threading

sodium = c.CDLL("libsodium.so.23")
zmq = c.CDLL("libzmq.so.5")
for name in ("zmq_ctx_new", "zmq_socket"):
    getattr(zmq, name).restype = c.c_void_p
zmq.zmq_socket.argtypes = [c.c_void_p, c.c_int]
zmq.zmq_setsockopt.argtypes = [c.c_void_p, c.c_int, c.c_char_p, c.c_size_t]
for name in ("zmq_bind", "zmq_connect"):
    getattr(zmq, name).argtypes = [c.c_void_p, c.c_char_p]
for name in ("zmq_send", "zmq_recv"):
    getattr(zmq, name).argtypes = [c.c_void_p, c.c_char_p, c.c_size_t, c.c_int]
zmq.zmq_close.argtypes = [c.c_void_p]
zmq.zmq_getsockopt.argtypes = [c.c_void_p, c.c_int, c.c_char_p, c.POINTER(c.c_size_t)]

REP, DEALER, ROUTER = 4, 5, 6
ROUTING_ID, LAST_ENDPOINT, SNDMORE, LINGER, RCVTIMEO = 5, 32, 2, 17, 27
CURVE_SERVER, CURVE_PUBLICKEY, CURVE_SECRETKEY, CURVE_SERVERKEY = 47, 48, 49, 50
ZAP_DOMAIN, HEARTBEAT_IVL = 55, 75


# Random bytes that can be told afterwards.

draws = []


def fill(to, size):
    draw = hashlib.shake_256(b"zre %d" % len(draws)).digest(size)
    draws.append(draw)
    c.memmove(to, draw, size)


class Generator(c.Structure):
    _fields_ = [
        ("name", c.CFUNCTYPE(c.c_char_p)),
        ("random", c.CFUNCTYPE(c.c_uint32)),
        ("stir", c.CFUNCTYPE(None)),
        ("uniform", c.CFUNCTYPE(c.c_uint32, c.c_uint32)),
        ("buf", c.CFUNCTYPE(None, c.c_void_p, c.c_size_t)),
        ("close", c.CFUNCTYPE(c.c_int)),
    ]


kinds = dict(Generator._fields_)
generator = Generator(
    kinds["name"](lambda: b"counter"),
    kinds["random"](lambda: 4),
    kinds["stir"](lambda: None),
    kinds["uniform"](lambda limit: 0),
    kinds["buf"](fill),
    kinds["close"](lambda: 0),
)
sodium.randombytes_set_implementation(c.byref(generator))


def public(secret):
    key = c.create_string_buffer(32)
    sodium.crypto_scalarmult_base(key, secret)
    return key.raw


# A connection, and what crosses it.


def relay(port):
    """Gives a port, and what will have crossed it: by the connecting and the accepting side."""
    listener = socket.create_server(("127.0.0.1", 0))
    crossed = (bytearray(), bytearray())

    def carry(source, to, record):
        while piece := source.recv(65536):
            record += piece
            to.sendall(piece)
        to.shutdown(socket.SHUT_WR)

    def run():
        client, _ = listener.accept()
        server = socket.create_connection(("127.0.0.1", port))
        for way in ((client, server, crossed[0]), (server, client, crossed[1])):
            threading.Thread(target=carry, args=way, daemon=True).start()

    threading.Thread(target=run, daemon=True).start()
    return listener.getsockname()[1], crossed


def frames(octets):
    """The frames behind a greeting: flags and body."""
    octets, found = bytes(octets[64:]), []
    while octets:
        flags, wide = octets[0], octets[0] & 2
        size = int.from_bytes(octets[1:9], "big") if wide else octets[1]
        start = 9 if wide else 2
        found.append((flags, octets[start : start + size]))
        octets = octets[start + size :]
    return found


def option(zsocket, number, value):
    value = value if isinstance(value, bytes) else value.to_bytes(4, "little")
    assert zmq.zmq_setsockopt(zsocket, number, value, len(value)) == 0


def receive(zsocket, parts):
    found = []
    for _ in range(parts):
        buffer = c.create_string_buffer(4096)
        size = zmq.zmq_recv(zsocket, buffer, 4096, 0)
        assert size >= 0, "nothing came"
        found.append(buffer.raw[:size])
    return found


def say(name, value):
    print(name, value.hex())


SERVER, CLIENT = (hashlib.sha256(text).digest() for text in (b"server", b"client"))
context = zmq.zmq_ctx_new()


def connect(refuses):
    router, dealer = zmq.zmq_socket(context, ROUTER), zmq.zmq_socket(context, DEALER)
    for zsocket, secret in ((router, SERVER), (dealer, CLIENT)):
        option(zsocket, CURVE_PUBLICKEY, public(secret))
        option(zsocket, CURVE_SECRETKEY, secret)
        option(zsocket, LINGER, 0)
        option(zsocket, RCVTIMEO, 2000)
    option(router, CURVE_SERVER, 1)
    if refuses:
        option(router, ZAP_DOMAIN, b"global")
    option(dealer, CURVE_SERVERKEY, public(SERVER))
    option(dealer, ROUTING_ID, b"\x01ABCDEFGHIJKLMNOP")
    option(dealer, HEARTBEAT_IVL, 0 if refuses else 100)
    zmq.zmq_bind(router, b"tcp://127.0.0.1:*")
    endpoint, size = c.create_string_buffer(64), c.c_size_t(64)
    zmq.zmq_getsockopt(router, LAST_ENDPOINT, endpoint, c.byref(size))
    port, crossed = relay(int(endpoint.value.rpartition(b":")[2]))
    zmq.zmq_connect(dealer, b"tcp://127.0.0.1:%d" % port)
    return router, dealer, crossed


def converse():
    router, dealer, crossed = connect(refuses=False)
    large = bytes(range(256)) * 2
    zmq.zmq_send(dealer, b"hello", 5, SNDMORE)
    zmq.zmq_send(dealer, b"", 0, SNDMORE)
    zmq.zmq_send(dealer, large, len(large), 0)
    who, *_ = receive(router, 4)
    zmq.zmq_send(router, who, len(who), SNDMORE)
    zmq.zmq_send(router, b"hello", 5, SNDMORE)
    zmq.zmq_send(router, large, len(large), 0)
    receive(dealer, 2)
    option(dealer, RCVTIMEO, 250)
    zmq.zmq_recv(dealer, c.create_string_buffer(1), 1, 0)  # while PING and PONG go
    zmq.zmq_close(dealer)
    zmq.zmq_close(router)
    return [frames(side) for side in crossed]


def refuse():
    zap = zmq.zmq_socket(context, REP)
    option(zap, LINGER, 0)
    option(zap, RCVTIMEO, 5000)
    assert zmq.zmq_bind(zap, b"inproc://zeromq.zap.01") == 0
    router, dealer, crossed = connect(refuses=True)
    request = receive(zap, 7)
    for part in (b"1.0", request[1], b"400", b"No access", b""):
        zmq.zmq_send(zap, part, len(part), SNDMORE)
    zmq.zmq_send(zap, b"", 0, 0)
    zmq.zmq_recv(dealer, c.create_string_buffer(1), 1, 0)
    for zsocket in (dealer, router, zap):
        zmq.zmq_close(zsocket)
    return [frames(side) for side in crossed]


client, server = converse()
used = list(draws)
first = {re.match(rb".[A-Z]+", body).group(): body for _, body in client[:2] + server[:2]}
hello, initiate = first[b"\x05HELLO"], first[b"\x08INITIATE"]
welcome, ready = first[b"\x07WELCOME"], first[b"\x05READY"]


def drawn(size, fits):
    return next(draw for draw in used if len(draw) == size and fits(draw))


short_client = drawn(32, lambda it: public(it) == hello[80:112])
# S' is inside WELCOME, so it is told from the rest by opening the box.
opened = c.create_string_buffer(128)
assert 0 == sodium.crypto_box_open_easy(
    opened, welcome[24:], 144, b"WELCOME-" + welcome[8:24], public(SERVER), short_client
)
cookie = opened.raw[32:]
short_server = drawn(32, lambda it: public(it) == opened.raw[:32])
text = c.create_string_buffer(64)
cookie_key = drawn(
    32,
    lambda it: 0
    == sodium.crypto_secretbox_open_easy(text, cookie[16:], 80, b"COOKIE--" + cookie[:16], it),
)
inside = c.create_string_buffer(len(initiate) - 113 - 16)
assert 0 == sodium.crypto_box_open_easy(
    inside,
    initiate[113:],
    len(initiate) - 113,
    b"CurveZMQINITIATE" + initiate[105:113],
    public(short_server),
    short_client,
)

zmq.zmq_version.argtypes = [c.POINTER(c.c_int)] * 3
version = [c.c_int() for _ in range(3)]
zmq.zmq_version(*map(c.byref, version))
sodium.sodium_version_string.restype = c.c_char_p
print("# Two CURVE connections of libzmq %d.%d.%d" % tuple(part.value for part in version), end="")
print(" with libsodium %s." % sodium.sodium_version_string().decode())
print("# Made by curve.py. Commands are the bodies of their frames.")
print()
say("client-secret", CLIENT)
say("server-secret", SERVER)
say("client-short-secret", short_client)
say("server-short-secret", short_server)
say("cookie-key", cookie_key)
say("cookie-nonce", cookie[:16])
say("welcome-nonce", welcome[8:24])
say("vouch-nonce", inside.raw[32:48])
print()
say("hello", hello)
say("welcome", welcome)
say("initiate", initiate)
say("ready", ready)
print()
for name, side in (("client", client), ("server", server)):
    for flags, body in side[2:]:
        assert flags & 5 == 0 and body.startswith(b"\x07MESSAGE"), (flags, body)
        say("message-from-" + name, body)
print()
_, server = refuse()
flags, error = server[-1]
say("error", error)
sys.stdout.flush()
