"""One clock for several computers: they elect a leader, and all others follow its clock.

    pip install zre
    python time_sync.py alice
    python time_sync.py bob     # in another terminal, or on another computer of the network

Each program asks the leader for its time, and prints how far the leader's clock is ahead.
Ctrl-C ends it; if it was the leader, the others elect another. To try it on one computer without
a network, add `--interface lo`; and `--skew 1000` to one of them, so that its clock differs.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import time
import uuid

import zre

GROUP = "time"
SAMPLES = 8
#: Clocks drift, so a follower asks again after so many seconds.
INTERVAL = 10.0


class SyncedClock:
    """The clock of the group's leader, as far as this node knows it."""

    def __init__(self, node: zre.Node, skew: float = 0.0) -> None:
        self.node = node
        self.skew = skew
        self.offset = 0.0  # So many seconds is the leader's clock ahead of ours.
        self.requests = node.requests()  # Before anyone asks.

    def own_now(self) -> float:
        return time.monotonic() + self.skew

    def synced_now(self) -> float:
        """The time that all nodes of the group agree on. It jumps when another leads."""
        return self.own_now() + self.offset

    async def serve(self) -> None:
        """Tells others our time. They ask for it while we lead."""
        async for request in self.requests:
            with contextlib.suppress(zre.Error):  # It may have gone since it asked.
                await request.answer(str(self.own_now()))

    async def measure(self, leader: uuid.UUID) -> tuple[float, float]:
        """Gives the round trip of the best sample, and the offset.

        The leader reads its clock between our question and its answer. We take the middle, so
        the error is at most half the round trip: the shortest is the best.
        """
        samples = []
        for _ in range(SAMPLES):
            sent = self.own_now()
            answer = await self.node.request(leader, "time", timeout=2.0)
            received = self.own_now()
            samples.append((received - sent, float(answer[0]) - (sent + received) / 2))
        return min(samples)

    async def follow(self) -> None:
        """Follows whoever leads."""
        while not self.node.is_stopped:
            leader = self.node.leader(GROUP)
            if leader == self.node.id:
                self.offset = 0.0
                print("this node leads", flush=True)
            elif leader is not None:
                try:
                    round_trip, self.offset = await self.measure(leader)
                    print(f"{leader}: {self.offset:+.6f} ± {round_trip / 2:.6f} s", flush=True)
                except (zre.Error, ValueError) as error:
                    print(f"{leader}: {error}", flush=True)  # It may have gone.
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self.next_leader(), INTERVAL)

    async def next_leader(self) -> None:
        """Waits until another node leads."""
        async for event in self.node:
            if isinstance(event, zre.Leader) and event.group == GROUP:
                return


async def main() -> None:
    parser = argparse.ArgumentParser(description="One clock for several computers.")
    parser.add_argument("name", help="the name that others see")
    parser.add_argument("--skew", type=float, default=0.0, help="seconds to add to our clock")
    parser.add_argument("--interface", help="a network interface, such as eth0 or lo")
    parser.add_argument("--port", type=int, default=5670, help="the UDP port of beacons")
    args = parser.parse_args()

    async with zre.Node(
        args.name, groups=[GROUP], contest=[GROUP], interface=args.interface, port=args.port
    ) as node:
        clock = SyncedClock(node, args.skew)
        await asyncio.gather(clock.serve(), clock.follow())


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(main())
