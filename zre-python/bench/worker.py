"""One process of a measurement. It prints JSON lines, and ends when its standard input does."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import statistics
import sys
import threading
import time
from typing import Any, Sequence

import nodes

#: So many windows are sent before the first has to be acknowledged.
WINDOWS_AHEAD = 2
WARM_UP_ROUND_TRIPS = 200
WARM_UP_SECONDS = 1.0
ROUND_TRIP_SIZE = 16
END = b"end"
ACKNOWLEDGED = b"ok"


def report(**figures: Any) -> None:
    """Tell the parent something."""
    print(json.dumps(figures), flush=True)


def report_round_trips(nanoseconds: Sequence[int]) -> None:
    """Tell the parent how long round trips took, in microseconds."""
    percentiles = statistics.quantiles(nanoseconds, n=100)
    report(median=percentiles[49] / 1000, slow=percentiles[98] / 1000, count=len(nanoseconds))


def report_rate(marks: Sequence[int], window: int) -> None:
    """Tell the parent how many messages came, and how many a second after the warm-up.

    There is a mark, the time in nanoseconds, for each window of messages.
    """
    begin = marks[0] + int(WARM_UP_SECONDS * 1e9)
    counted = [mark for mark in marks if mark >= begin]
    took = (counted[-1] - counted[0]) / 1e9
    report(rate=(len(counted) - 1) * window / took, received=len(marks) * window)


class Roles:
    """What a process does with its node."""

    def __init__(self, options: argparse.Namespace) -> None:
        self._options = options

    def run(self) -> None:
        getattr(self, self._options.role)()

    def echo(self) -> None:
        node = self._start_and_meet()
        while True:
            node.whisper(node.receive())

    def ask(self) -> None:
        node = self._start_and_meet()
        content = bytes(ROUND_TRIP_SIZE)
        for _ in range(WARM_UP_ROUND_TRIPS):
            node.whisper(content)
            node.receive()
        times = []
        end = time.perf_counter_ns() + int(self._options.seconds * 1e9)
        while (begin := time.perf_counter_ns()) < end:
            node.whisper(content)
            node.receive()
            times.append(time.perf_counter_ns() - begin)
        report_round_trips(times)

    def sink(self) -> None:
        node = self._start_and_meet()
        window = self._options.window
        marks: list[int] = []
        while True:
            for _ in range(window):
                if node.receive() == END:
                    return report_rate(marks, window)
            node.whisper(ACKNOWLEDGED)
            marks.append(time.perf_counter_ns())

    def source(self) -> None:
        node = self._start_and_meet()
        content = bytes(self._options.size)
        windows = acknowledged = 0
        end = time.monotonic() + WARM_UP_SECONDS + self._options.seconds
        while time.monotonic() < end:
            for _ in range(self._options.window):
                node.whisper(content)
            windows += 1
            if windows - acknowledged == WINDOWS_AHEAD:
                node.receive()
                acknowledged += 1
        for _ in range(windows - acknowledged):
            node.receive()
        node.whisper(END)
        report(sent=windows * self._options.window)

    def subject(self) -> None:
        node = nodes.start(self._options.kind, "subject")
        report(started=True)
        for _ in range(self._options.nodes):
            node.next_enter()
        report(met=self._options.nodes)
        # Whoever enters now was lost before.
        report(again=node.next_enter())

    def crowd(self) -> None:
        for number in range(1, self._options.nodes):
            threading.Thread(target=self._member, args=(number,), daemon=True).start()
        self._member(0)

    def _member(self, number: int) -> None:
        node = nodes.start(self._options.kind, f"{self._options.name}-{number}")
        while True:
            node.next_enter()

    def _start_and_meet(self) -> nodes.Node:
        self._node = nodes.start(self._options.kind, self._options.role)
        self._node.next_enter()
        return self._node


class AsyncRoles:
    """The same with a node for asyncio."""

    def __init__(self, options: argparse.Namespace) -> None:
        self._options = options

    def run(self) -> None:
        asyncio.run(getattr(self, self._options.role)())

    async def echo(self) -> None:
        node = await self._start_and_meet()
        while True:
            await node.whisper(await node.receive())

    async def ask(self) -> None:
        node = await self._start_and_meet()
        content = bytes(ROUND_TRIP_SIZE)
        for _ in range(WARM_UP_ROUND_TRIPS):
            await node.whisper(content)
            await node.receive()
        times = []
        end = time.perf_counter_ns() + int(self._options.seconds * 1e9)
        while (begin := time.perf_counter_ns()) < end:
            await node.whisper(content)
            await node.receive()
            times.append(time.perf_counter_ns() - begin)
        report_round_trips(times)

    async def sink(self) -> None:
        node = await self._start_and_meet()
        window = self._options.window
        marks: list[int] = []
        while True:
            for _ in range(window):
                if await node.receive() == END:
                    return report_rate(marks, window)
            await node.whisper(ACKNOWLEDGED)
            marks.append(time.perf_counter_ns())

    async def source(self) -> None:
        node = await self._start_and_meet()
        content = bytes(self._options.size)
        windows = acknowledged = 0
        end = time.monotonic() + WARM_UP_SECONDS + self._options.seconds
        while time.monotonic() < end:
            for _ in range(self._options.window):
                await node.whisper(content)
            windows += 1
            if windows - acknowledged == WINDOWS_AHEAD:
                await node.receive()
                acknowledged += 1
        for _ in range(windows - acknowledged):
            await node.receive()
        await node.whisper(END)
        report(sent=windows * self._options.window)

    async def subject(self) -> None:
        node = await nodes.Asyncio.start("subject")
        report(started=True)
        for _ in range(self._options.nodes):
            await node.next_enter()
        report(met=self._options.nodes)
        report(again=await node.next_enter())

    async def crowd(self) -> None:
        await asyncio.gather(*(self._member(number) for number in range(self._options.nodes)))

    async def _member(self, number: int) -> None:
        node = await nodes.Asyncio.start(f"{self._options.name}-{number}")
        while True:
            await node.next_enter()

    async def _start_and_meet(self) -> nodes.AsyncNode:
        self._node = await nodes.Asyncio.start(self._options.role)
        await self._node.next_enter()
        return self._node


def end_with_standard_input() -> None:
    """End this process as soon as the parent wants it, or is gone."""
    sys.stdin.buffer.read()
    os._exit(0)


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kind", choices=nodes.KINDS)
    parser.add_argument("role", choices=("echo", "ask", "sink", "source", "subject", "crowd"))
    parser.add_argument("--deadline", type=int, required=True, help="seconds until it is ended")
    parser.add_argument("--seconds", type=float, default=1.0, help="how long to measure")
    parser.add_argument("--size", type=int, default=16, help="bytes of a message")
    parser.add_argument("--window", type=int, default=500, help="messages for an acknowledgement")
    parser.add_argument("--nodes", type=int, default=1, help="how many nodes, or peers to wait for")
    parser.add_argument("--name", default="peer", help="how the names of the nodes begin")
    return parser.parse_args()


def main() -> None:
    options = parse_options()
    # Unhandled, the signal ends the process wherever it waits.
    signal.alarm(options.deadline)
    watch = threading.Thread(target=end_with_standard_input)
    watch.start()
    roles = AsyncRoles(options) if options.kind == "zre" else Roles(options)
    roles.run()
    watch.join()


if __name__ == "__main__":
    main()
