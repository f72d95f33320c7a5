"""One socket of libzmq with CURVE, as JSON lines on standard input and output.

It says where it listens (`{"endpoint": ..}`), what it gets (`{"from": .., "frames": [..]}`) and when
a handshake fails (`{"failed": .., "value": ..}`). It sends what it is told (`{"frames": [..]}`, from
a router with `"to"`). Frames and identities are in hex.
"""

import argparse
import json
import os
import sys

import zmq
import zmq.auth.thread
from zmq.utils.monitor import parse_monitor_message

FAILURES = {
    zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL: "no detail",
    zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL: "protocol",
    zmq.EVENT_HANDSHAKE_FAILED_AUTH: "auth",
}


def parse_options():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kind", choices=["dealer", "router"])
    parser.add_argument("--public", required=True, help="Z85, as all keys here")
    parser.add_argument("--secret", required=True)
    parser.add_argument("--server", help="the key of the server, for a dealer")
    parser.add_argument("--identity", help="hex")
    parser.add_argument("--connect", metavar="ENDPOINT")
    parser.add_argument("--admit", help="the only key that may come in, for a router")
    parser.add_argument("--heartbeat", type=int, default=0, metavar="MILLISECONDS")
    return parser.parse_args()


class OneKey:
    """Asked by libzmq who may come in."""

    def __init__(self, key):
        self.key = key.encode()

    def callback(self, domain, key):
        return key == self.key


def open_socket(context, options):
    socket = context.socket(zmq.DEALER if options.kind == "dealer" else zmq.ROUTER)
    socket.linger = 0
    socket.curve_publickey = options.public.encode()
    socket.curve_secretkey = options.secret.encode()
    socket.heartbeat_ivl = options.heartbeat
    if options.identity:
        socket.identity = bytes.fromhex(options.identity)
    if options.kind == "router":
        socket.curve_server = True
        socket.zap_domain = b"global"
    else:
        socket.curve_serverkey = options.server.encode()
    return socket


def say(line):
    print(json.dumps(line), flush=True)


class Lines:
    """Whole lines of standard input, as they come."""

    def __init__(self):
        self.begun = b""

    def read(self):
        data = os.read(0, 1 << 20)
        if not data:
            sys.exit(0)
        *lines, self.begun = (self.begun + data).split(b"\n")
        return [json.loads(line) for line in lines]


def tell_received(socket, is_router):
    frames = [frame.hex() for frame in socket.recv_multipart()]
    sender = frames.pop(0) if is_router else None
    say({"from": sender, "frames": frames})


def tell_failure(monitor):
    event = parse_monitor_message(monitor.recv_multipart())
    if event["event"] in FAILURES:
        say({"failed": FAILURES[event["event"]], "value": event["value"]})


def send(socket, line):
    frames = [bytes.fromhex(frame) for frame in line["frames"]]
    if "to" in line:
        frames.insert(0, bytes.fromhex(line["to"]))
    socket.send_multipart(frames)


def main():
    options = parse_options()
    context = zmq.Context()
    if options.admit:
        zap = zmq.auth.thread.ThreadAuthenticator(context)
        zap.start()
        zap.configure_curve_callback("global", OneKey(options.admit))
    socket = open_socket(context, options)
    monitor = socket.get_monitor_socket()
    if options.connect:
        socket.connect(options.connect)
    else:
        port = socket.bind_to_random_port("tcp://127.0.0.1")
        say({"endpoint": f"127.0.0.1:{port}"})
    poller = zmq.Poller()
    for source in (socket, monitor, 0):
        poller.register(source, zmq.POLLIN)
    lines = Lines()
    while True:
        ready = dict(poller.poll())
        if socket in ready:
            tell_received(socket, options.kind == "router")
        if monitor in ready:
            tell_failure(monitor)
        if 0 in ready:
            for line in lines.read():
                send(socket, line)


main()
