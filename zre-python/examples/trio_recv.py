"""A node in a program that uses trio.

    pip install zre trio
    python trio_recv.py alice
    python trio_recv.py bob     # in another terminal, or on another computer of the network

Each program says "tick" once a second, and prints what the others say. Ctrl-C ends it. To try
it on one computer without a network, add `--interface lo`.
"""

from __future__ import annotations

import argparse
import signal
from collections.abc import AsyncIterator

import trio

import zre
import zre.blocking

GROUP = "CHAT"


async def events(node: zre.blocking.Node) -> AsyncIterator[zre.Event]:
    """Gives the events of a node, and lets other tasks run while there is none."""
    while True:
        await trio.lowlevel.wait_readable(node.fileno())
        while (event := node.try_recv()) is not None:
            yield event
            if isinstance(event, zre.Stop):
                return


async def show_events(node: zre.blocking.Node) -> None:
    async for event in events(node):
        if isinstance(event, zre.Join):
            print(f"* {event.name} is in {event.group}", flush=True)
        elif isinstance(event, zre.Exit):
            print(f"* {event.name} has gone", flush=True)
        elif isinstance(event, zre.Shout):
            print(f"{event.name}: {event.text}", flush=True)


async def tick(node: zre.blocking.Node) -> None:
    while True:
        # Methods that wait would stop all tasks. In a thread they stop none.
        await trio.to_thread.run_sync(node.shout, GROUP, "tick")
        await trio.sleep(1)


async def main(node: zre.blocking.Node) -> None:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(show_events, node)
        nursery.start_soon(tick, node)
        with trio.open_signal_receiver(signal.SIGINT) as signals:
            async for _ in signals:
                nursery.cancel_scope.cancel()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="A node in a program that uses trio.")
    parser.add_argument("name", help="the name that others see")
    parser.add_argument("--interface", help="a network interface, such as eth0 or lo")
    parser.add_argument("--port", type=int, default=5670, help="the UDP port of beacons")
    args = parser.parse_args()

    with zre.blocking.Node(
        args.name, groups=[GROUP], interface=args.interface, port=args.port
    ) as running_node:
        trio.run(main, running_node)
