"""Forwards a TCP port, as a router does for a host behind it. Arguments: PORT HOST:PORT

Says "ready" when it listens. Ends with its input.
"""

import asyncio
import sys


async def copy(reader, writer):
    try:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    except OSError:
        pass  # One side broke off; so is the other.
    finally:
        writer.close()


async def main(port, target):
    host, _, target_port = target.rpartition(":")

    async def forward(reader, writer):
        try:
            there = await asyncio.open_connection(host, int(target_port))
        except OSError:
            writer.close()
            return
        await asyncio.gather(copy(reader, there[1]), copy(there[0], writer))

    async with await asyncio.start_server(forward, port=port):
        print("ready", flush=True)
        await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), sys.argv[2]))
