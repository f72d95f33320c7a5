"""A chat in the terminal. It shows who comes and goes, and what is said.

    pip install zre prompt_toolkit
    python chat.py alice
    python chat.py bob          # in another terminal, or on another computer of the network

Type a line and press Enter, and all others see it. Ctrl-D leaves. To try it on one computer
without a network, add `--interface lo`.
"""

from __future__ import annotations

import argparse
import asyncio
import uuid

from prompt_toolkit import PromptSession
from prompt_toolkit.patch_stdout import patch_stdout

import zre

GROUP = "CHAT"


async def show_events(node: zre.Node) -> None:
    """Prints what happens in the group, until the node stops."""
    present: set[uuid.UUID] = set()
    async for event in node:
        if isinstance(event, zre.Join) and event.group == GROUP:
            present.add(event.peer)
            print(f"* {event.name} has come")
        elif isinstance(event, zre.Leave) and event.group == GROUP:
            present.discard(event.peer)
            print(f"* {event.name} has left")
        elif isinstance(event, zre.Exit) and event.peer in present:
            # A program that ends does not leave its groups first.
            present.discard(event.peer)
            print(f"* {event.name} has gone")
        elif isinstance(event, zre.Shout) and event.group == GROUP:
            print(f"{event.name}: {event.text}")


async def send_lines(node: zre.Node) -> None:
    """Sends each line that is typed, until Ctrl-D or Ctrl-C."""
    prompt: PromptSession[str] = PromptSession(f"{node.name}> ")
    while True:
        try:
            line = await prompt.prompt_async()
        except (EOFError, KeyboardInterrupt):
            return
        if line.strip():
            await node.shout(GROUP, line)


async def main() -> None:
    parser = argparse.ArgumentParser(description="A chat in the terminal.")
    parser.add_argument("name", help="the name that others see")
    parser.add_argument("--interface", help="a network interface, such as eth0 or lo")
    parser.add_argument("--port", type=int, default=5670, help="the UDP port of beacons")
    args = parser.parse_args()

    # What is printed meanwhile appears above the prompt. Control characters are shown as "?".
    with patch_stdout():
        node = zre.Node(args.name, groups=[GROUP], interface=args.interface, port=args.port)
        async with node:
            showing = asyncio.create_task(show_events(node))
            await send_lines(node)
        # The node has stopped, so its events end.
        await showing


if __name__ == "__main__":
    asyncio.run(main())
