"""A program as users write it, for the checkers of types. It is not run."""

import asyncio
import uuid

import zre
import zre.blocking


def show(event: zre.Event) -> str:
    """Each event has its fields, with their types."""
    if isinstance(event, (zre.Whisper, zre.Shout)):
        first: bytes = event.content[0]
        return f"{event.name}: {event.text} ({len(first)} bytes)"
    if isinstance(event, zre.Enter):
        headers: dict[str, str] = event.headers
        return f"{event.name} at {event.endpoint}, {headers.get('X-ROLE')}"
    if isinstance(event, zre.Exit):
        return f"{event.name} is gone: {event.reason}, {event.unconfirmed + 0} unconfirmed"
    if isinstance(event, zre.Stop):
        return str(sum(event.unconfirmed.values()))
    return repr(event)


async def talk() -> None:
    """The node for asyncio."""
    async with zre.Node("alice", groups=["CHAT"], headers={"X-ROLE": "desk"}) as node:
        peer: uuid.UUID = await node.wait_for_peer("bob")
        reached: int = await node.shout("CHAT", ["hello", b"world"])
        answer: tuple[bytes, ...] = await node.request(peer, "2+2", timeout=1)
        async for member, outcome in node.request_all("CHAT", "2+2"):
            result = "failed" if isinstance(outcome, zre.Error) else outcome[0].decode()
            print(member.hex, result)
        async for request in node.requests():
            await request.answer(request.text)
        async for event in node:
            print(show(event), reached, answer)


def talk_on_a_thread() -> None:
    """The node for threads."""
    with zre.blocking.Node("alice", interface=["lo", "eth0"], limits={"peers": 100}) as node:
        try:
            print(show(node.recv(timeout=1)))
        except zre.TimedOut as late:
            print(late.peer)
        for request in node.requests():
            request.answer(request.data)
        for event in node:
            print(show(event))


if __name__ == "__main__":
    talk_on_a_thread()
    asyncio.run(talk())
