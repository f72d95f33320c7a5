"""The worker of docs/REQUESTS.md, as it stands there, on pyre or on zyre.

The page's program is one for pyre. For zyre it finds a module `pyre` that has
what the program uses of it, over a node of zyre.
"""

import json
import pathlib
import sys
import types

PAGE = pathlib.Path(__file__).resolve().parents[2] / "docs" / "REQUESTS.md"


def program_of(page):
    """The first program in Python."""
    return page.split("```python\n", 1)[1].split("```", 1)[0]


def announce(uuid, name):
    print(json.dumps({"event": "START", "uuid": uuid, "name": name}), flush=True)


def real_pyre(name):
    import pyre

    class Announced(pyre.Pyre):
        def start(self):
            super().start()
            announce(self.uuid().hex.upper(), self.name())

    pyre.Pyre = lambda _: Announced(name)


def pyre_over_zyre():
    from library import load_library
    from pipe import parse_options
    from zyre_node import FUNCTIONS, ZyreDriver

    class Pyre:
        def __init__(self, _):
            self._options = parse_options(__doc__)

        def join(self, group):
            self._options.group.append(group)

        def start(self):
            self._node = ZyreDriver(load_library(FUNCTIONS), self._options)
            announce(self._node.uuid, self._node.name)

        def events(self):
            while True:
                event = self._node.next_event()
                yield types.SimpleNamespace(
                    type=event["event"], peer_uuid=event.get("peer"), msg=event.get("frames")
                )

        def whisper(self, peer, frames):
            self._node.whisper(peer, frames)

    sys.modules["pyre"] = types.SimpleNamespace(Pyre=Pyre)


if __name__ == "__main__":
    implementation = sys.argv.pop(1)
    given = sys.argv[1].removeprefix("--name=")
    if implementation == "zyre":
        pyre_over_zyre()
    else:
        real_pyre(given)
    exec(compile(program_of(PAGE.read_text()), PAGE, "exec"))
