"""Nodes for asyncio."""

import asyncio
import subprocess
import sys
import threading

import pytest
from conftest import TIMEOUT, node

import zre
import zre.blocking


def run(main):
    """Runs a coroutine to its end, on a loop that reports what is forgotten."""
    return asyncio.run(asyncio.wait_for(main, TIMEOUT), debug=True)


class Loop(asyncio.SelectorEventLoop):
    """A loop that watches no descriptors for its users, as that of Windows."""

    def add_reader(self, *_):
        raise NotImplementedError


@pytest.fixture(params=[asyncio.SelectorEventLoop, Loop], ids=["descriptor", "thread"])
def any_loop(request, monkeypatch):
    """Both ways in which a loop can be told that an operation goes on."""
    monkeypatch.setattr(asyncio.events, "new_event_loop", request.param)


def aio(name, port, **settings):
    settings.setdefault("groups", ["CHAT"])
    return zre.Node(name, interface="lo", port=port, **settings)


def test_two_nodes_meet_and_talk(port, any_loop):
    async def main():
        async with aio("alice", port) as alice, aio("bob", port) as bob:
            assert await alice.wait_for_peer("bob") == bob.id
            assert await alice.wait_for_group("CHAT") == [bob.id]
            assert await bob.wait_for_group("CHAT") == [alice.id]
            assert await alice.shout("CHAT", "hello") == 1
            await alice.whisper(bob.id, ["one", b"two"])
            kinds = []
            async for event in bob:
                kinds.append(type(event))
                if isinstance(event, zre.Whisper):
                    assert event.content == (b"one", b"two")
                    break
            assert kinds == [zre.Enter, zre.Join, zre.Shout, zre.Whisper]
            await alice.whisper_confirmed(bob.id, "x")
            assert await alice.shout_confirmed("CHAT", "x") == {bob.id: "delivered"}
            await alice.flush(bob.id)
            assert await alice.ping(bob.id) < TIMEOUT

    run(main())


def test_a_thousand_tasks_ask_at_once(port, any_loop):
    async def serve(requests):
        async for request in requests:
            if request.text == "no":
                request.refuse()
            else:
                await request.answer(request.text.upper())

    async def main():
        async with aio("alice", port) as alice, aio("bob", port) as bob:
            await alice.wait_for_group("CHAT")
            service = asyncio.create_task(serve(bob.requests()))
            asking = (alice.request(bob.id, f"x{number}") for number in range(1000))
            answers = await asyncio.gather(*asking)
            assert answers == [(b"X%d" % number,) for number in range(1000)]
            assert await alice.request_any("CHAT", "y") == (bob.id, (b"Y",))
            assert [each async for each in alice.request_all("CHAT", "z")] == [(bob.id, (b"Z",))]
            with pytest.raises(zre.RequestRefused):
                await alice.request(bob.id, "no")
            await bob.stop()
            await service

    run(main())


def test_events_and_the_log_have_further_receivers(port):
    async def main():
        async with aio("alice", port) as alice:
            subscriber, notices = alice.subscribe(), alice.notices()
            async with aio("bob", port):
                assert isinstance(await subscriber.__anext__(), zre.Enter)
            await alice.stop()
            kinds = [type(event) async for event in subscriber]
            assert kinds[-1] is zre.Stop
            assert [notice async for notice in notices if not notice.kind] == []

    run(main())


def test_a_cancelled_recv_has_taken_nothing(port):
    async def main():
        async with aio("alice", port) as alice, aio("bob", port) as bob:
            await alice.wait_for_group("CHAT")
            while alice.try_recv() is not None:
                pass
            received = []
            for number in range(200):
                receiving = asyncio.ensure_future(alice.recv())
                await asyncio.sleep(0)
                await bob.whisper(alice.id, str(number))
                # At the moment at which the event is there, or before, or behind.
                for _ in range(number % 4):
                    await asyncio.sleep(0)
                receiving.cancel()
                try:
                    received.append((await receiving).text)
                except asyncio.CancelledError:
                    pass
            await bob.flush(alice.id)
            while (event := alice.try_recv()) is not None:
                received.append(event.text)
            assert received == [str(number) for number in range(200)]

    run(main())


def test_a_timeout_ends_waiting(port):
    async def main():
        async with aio("alice", port) as alice:
            with pytest.raises(asyncio.TimeoutError):
                await asyncio.wait_for(alice.recv(), 0.01)
            with pytest.raises(asyncio.TimeoutError):
                await asyncio.wait_for(alice.wait_for_peer("nobody"), 0.01)

    run(main())


def test_the_end_of_a_node_wakes_whoever_waits(port, any_loop):
    async def main():
        alice = await aio("alice", port).start()

        async def collect():
            return [event async for event in alice]

        tasks = [asyncio.create_task(collect()) for _ in range(1000)]
        finding = asyncio.create_task(alice.wait_for_peer("nobody"))
        await asyncio.sleep(0)
        await alice.stop()
        events = sum(await asyncio.gather(*tasks), [])
        assert [type(event) for event in events] == [zre.Stop]
        with pytest.raises(zre.Stopped):
            await finding
        with pytest.raises(zre.Stopped):
            await alice.recv()
        await alice.stop()

    run(main())


def test_other_tasks_run_while_events_stream(port):
    async def main():
        async with aio("alice", port) as alice:
            with node("bob", port) as bob:
                await alice.wait_for_group("CHAT")
                bob.wait_for_group("CHAT")
                ticks = 0

                async def tick():
                    nonlocal ticks
                    while True:
                        ticks += 1
                        await asyncio.sleep(0)

                ticking = asyncio.create_task(tick())
                for number in range(1000):
                    bob.try_shout("CHAT", str(number))
                bob.flush(alice.id)
                ticks = 0
                async for event in alice:
                    if isinstance(event, zre.Shout) and event.text == "999":
                        break
                assert ticks >= 10
                ticking.cancel()

    run(main())


def test_there_is_no_thread_where_the_loop_watches_descriptors(port):
    async def main():
        before = threading.active_count()
        async with aio("alice", port) as alice, aio("bob", port):
            await alice.wait_for_group("CHAT")
            assert threading.active_count() == before

    run(main())


def test_a_node_that_is_not_stopped_does_not_hold_up_the_end(port):
    script = f"""
import asyncio, zre
class Loop(asyncio.SelectorEventLoop):
    def add_reader(self, *_):
        raise NotImplementedError
for factory in (asyncio.SelectorEventLoop, Loop):
    loop = factory()
    async def main():
        node = await zre.Node("alice", interface="lo", port={port}).start()
        try:
            await asyncio.wait_for(node.wait_for_peer('nobody'), 0.01)
        except asyncio.TimeoutError:
            print("over", flush=True)
        return node
    node = loop.run_until_complete(main())
    loop.close()
"""
    ended = subprocess.run(
        [sys.executable, "-X", "dev", "-c", script], capture_output=True, text=True, timeout=TIMEOUT
    )
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "over\nover\n", "")
