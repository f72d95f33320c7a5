"""A node in a GLib main loop, as of a program that uses GTK. The loop also has a timer.

    pip install zre PyGObject
    python glib_loop.py alice
    python glib_loop.py bob     # in another terminal, or on another computer of the network

Each program says "tick" once a second, and prints what the others say. Ctrl-C ends it. To try
it on one computer without a network, add `--interface lo`.
"""

from __future__ import annotations

import argparse

from gi.repository import GLib

import zre
import zre.blocking

GROUP = "CHAT"


def main() -> None:
    parser = argparse.ArgumentParser(description="A node in a GLib main loop.")
    parser.add_argument("name", help="the name that others see")
    parser.add_argument("--interface", help="a network interface, such as eth0 or lo")
    parser.add_argument("--port", type=int, default=5670, help="the UDP port of beacons")
    args = parser.parse_args()

    node = zre.blocking.Node(args.name, groups=[GROUP], interface=args.interface, port=args.port)

    def take_events(descriptor: int, condition: GLib.IOCondition) -> bool:
        """Takes all events that are there. GLib calls this whenever the node has some."""
        while (event := node.try_recv()) is not None:
            if isinstance(event, zre.Join):
                print(f"* {event.name} is in {event.group}", flush=True)
            elif isinstance(event, zre.Exit):
                print(f"* {event.name} has gone", flush=True)
            elif isinstance(event, zre.Shout):
                print(f"{event.name}: {event.text}", flush=True)
            elif isinstance(event, zre.Stop):
                # A node that has stopped stays readable: watch it no longer.
                return GLib.SOURCE_REMOVE
        return GLib.SOURCE_CONTINUE

    def tick() -> bool:
        """Says something. It must not wait, or the loop would do nothing else meanwhile."""
        try:
            node.try_shout(GROUP, "tick")
        except zre.Full:
            print("* Not sent: the others do not read fast enough.", flush=True)
        return GLib.SOURCE_CONTINUE

    with node:
        GLib.unix_fd_add_full(
            GLib.PRIORITY_DEFAULT, node.fileno(), GLib.IOCondition.IN, take_events
        )
        GLib.timeout_add_seconds(1, tick)
        try:
            GLib.MainLoop().run()
        except KeyboardInterrupt:
            pass


if __name__ == "__main__":
    main()
