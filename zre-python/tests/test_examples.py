"""The examples run, and do what they say."""

import ast
import asyncio
import importlib.util
import inspect
import itertools
import json
import os
import re
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from conftest import TIMEOUT, next_of, node, wait_until

import zre

EXAMPLES = Path(__file__).parent.parent / "examples"

pytestmark = pytest.mark.skipif(
    sys.platform == "win32", reason="these tests need terminals and signals of POSIX"
)

#: Each process has a range of its own, as in `conftest.py`.
_ports = itertools.count(26500 + 20 * int(os.environ.get("ZRE_TEST_RANGE", "0")))


@pytest.fixture
def port():
    """A discovery port that no other test uses."""
    return next(_ports)


@pytest.fixture(autouse=True)
def interrupts_reach_programs():
    """A program inherits that SIGINT is ignored, as it is in jobs in the background."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def needs(package):
    return pytest.mark.skipif(
        importlib.util.find_spec(package) is None, reason=f"{package} is not installed"
    )


class Program:
    """An example that runs on loopback. What it prints is read all the time."""

    def __init__(self, *command, port, terminal=False, env=None):
        self._output = b""
        self._is_over = False
        self._has_news = threading.Condition()
        self._terminal = None
        if terminal:
            self._terminal, ends = os.openpty()
            self._read_from = os.dup(self._terminal)
            streams = {"stdin": ends, "stdout": ends, "stderr": ends}
        else:
            self._read_from, ends = os.pipe()
            streams = {"stdin": subprocess.DEVNULL, "stdout": ends, "stderr": ends}
        self._process = subprocess.Popen(
            [sys.executable, *command, "--interface", "lo", "--port", str(port)],
            cwd=EXAMPLES,
            env={**os.environ, "PYTHONUTF8": "1", "PYTHONDONTWRITEBYTECODE": "1", **(env or {})},
            start_new_session=True,
            **streams,
        )
        os.close(ends)
        self._reading = threading.Thread(target=self._read)
        self._reading.start()

    def _read(self):
        while not self._is_over:
            try:
                read = os.read(self._read_from, 65536)
            except OSError:
                # So a terminal says that the program has ended.
                read = b""
            with self._has_news:
                self._output += read
                self._is_over = not read
                self._has_news.notify_all()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._process.kill()
        self._process.wait()
        self._reading.join()
        os.close(self._read_from)
        if self._terminal is not None:
            os.close(self._terminal)

    @property
    def output(self):
        return self._output.decode()

    def shows(self, text, then=""):
        """Waits until the program has printed a text, and another behind it."""

        def is_there():
            _, found, behind = self.output.partition(text)
            return bool(found) and then in behind

        with self._has_news:
            self._has_news.wait_for(lambda: is_there() or self._is_over, TIMEOUT)
            assert is_there(), f"{text!r}, {then!r} is not in {self.output!r}"

    def types(self, text):
        """Types on the terminal. While the prompt is not there, keys may mean something else."""
        os.write(self._terminal, text.encode())

    def interrupt(self):
        self._process.send_signal(signal.SIGINT)

    def ends(self):
        """Waits until the program ends well."""
        assert self._process.wait(TIMEOUT) == 0, self.output


def goodbyes(carol):
    """Who says goodbye to carol: the next two peers that go."""
    gone = [next_of(carol, zre.Exit) for _ in range(2)]
    return {exit.name for exit in gone if exit.reason == "GOODBYE"}


def chat(name, port):
    # A terminal that nobody looks at does not say where its cursor is.
    env = {"TERM": "xterm", "PROMPT_TOOLKIT_NO_CPR": "1"}
    return Program("chat.py", name, port=port, terminal=True, env=env)


@needs("prompt_toolkit")
def test_a_chat_shows_and_sends_messages(port):
    with node("bob", port) as bob, chat("alice", port) as alice:
        alice.shows("* bob has come")
        bob.wait_for_group("CHAT", timeout=TIMEOUT)
        bob.shout("CHAT", "hello")
        alice.shows("bob: hello")
        bob.shout("CHAT", "no \x1b[31mcolours")
        alice.shows("bob: no ?[31mcolours", "alice>")
        alice.types("hi there\r")
        assert next_of(bob, zre.Shout).text == "hi there"
        bob.leave("CHAT")
        alice.shows("* bob has left", "alice>")
        alice.types("\x04")
        alice.ends()
        assert next_of(bob, zre.Exit).reason == "GOODBYE"


@needs("prompt_toolkit")
def test_chats_meet_and_part(port):
    with chat("alice", port) as alice, chat("bob", port) as bob:
        bob.shows("* alice has come")
        alice.shows("* bob has come", "alice>")
        alice.types("hi there\r")
        bob.shows("alice: hi there", "bob>")
        bob.types("\x04")
        bob.ends()
        alice.shows("* bob has gone", "alice>")
        alice.types("\x03")
        alice.ends()


@pytest.mark.parametrize(
    "example",
    [
        pytest.param("glib_loop.py", marks=needs("gi")),
        pytest.param("trio_recv.py", marks=needs("trio")),
    ],
)
def test_a_node_in_another_event_loop(example, port):
    with (
        node("bob", port) as bob,
        node("carol", port) as carol,
        Program(example, "alice", port=port) as alice,
    ):
        alice.shows("* bob is in CHAT")
        assert next_of(bob, zre.Shout).text == "tick"
        bob.shout("CHAT", "hello")
        alice.shows("bob: hello")
        bob.stop()
        alice.shows("* bob has gone")
        carol.wait_for_peer("alice", timeout=TIMEOUT)
        for number in range(100):
            carol.shout("CHAT", f"message {number}")
        alice.shows("carol: message 99")
        assert alice.output.count("carol: message ") == 100
        alice.interrupt()
        alice.ends()
        assert goodbyes(carol) == {"alice", "bob"}


#: Answers each message of bob, as a person would, and closes the window when bob has gone.
QT_PERSON = """
import sys

binding = sys.argv.pop(1)
for other in {"PySide6", "PyQt6"} - {binding}:
    sys.modules[other] = None
sys.path.insert(0, ".")

import qt_window

QtCore = sys.modules[binding + ".QtCore"]
answered = 0

class Application(qt_window.QApplication):
    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.timer = QtCore.QTimer(interval=10)
        self.timer.timeout.connect(self.look)
        self.timer.start()

    def look(self):
        global answered
        for window in self.topLevelWidgets():
            if not isinstance(window, qt_window.Window):
                continue
            lines = window.text.toPlainText().splitlines()
            while answered < sum(line.startswith("bob: ") for line in lines):
                answered += 1
                window.line.setText(f"answer {answered}")
                window.line.returnPressed.emit()
            if "* bob has gone" in lines:
                print(lines)
                window.close()

qt_window.QApplication = Application
sys.exit(qt_window.main())
"""


@pytest.mark.parametrize("binding", [pytest.param(b, marks=needs(b)) for b in ("PySide6", "PyQt6")])
def test_a_qt_window(binding, port):
    with (
        node("bob", port) as bob,
        node("carol", port) as carol,
        Program(
            *("-c", QT_PERSON, binding, "alice"), port=port, env={"QT_QPA_PLATFORM": "offscreen"}
        ) as window,
    ):
        bob.wait_for_peer("alice", timeout=TIMEOUT)
        carol.wait_for_peer("alice", timeout=TIMEOUT)
        wait_until(lambda: len(bob.peers_by_group("CHAT")) == 2, "alice and carol are in CHAT")
        for number in (1, 2):
            bob.shout("CHAT", "hello")
            assert next_of(bob, zre.Shout).text == f"answer {number}"
        bob.stop()
        window.ends()
        for line in ("* bob is in CHAT", "bob: hello", "alice: answer 1", "* bob has gone"):
            window.shows(repr(line))
        assert goodbyes(carol) == {"alice", "bob"}


def agree(programs):
    """Whether one program leads, and each other has found how far its clock differs."""
    leading = [
        skew for skew, program in programs.items() if program.output.endswith("this node leads\n")
    ]
    if len(leading) != 1:
        return False
    for skew, program in programs.items():
        found = re.search(r": ([+-][\d.]+) ± ([\d.]+) s\n\Z", program.output)
        if skew != leading[0] and not (
            found
            and abs(float(found[1]) - (leading[0] - skew)) <= float(found[2]) + 2e-6  # Digits.
        ):
            return False
    return True


def test_clocks_follow_the_leader(port):
    with (
        Program("time_sync.py", "a", "--skew", "0", port=port) as a,
        Program("time_sync.py", "b", "--skew", "1000", port=port) as b,
        Program("time_sync.py", "c", "--skew", "3000", port=port) as c,
    ):
        programs = {0.0: a, 1000.0: b, 3000.0: c}
        wait_until(lambda: agree(programs), "three clocks agree")
        leading = next(s for s, p in programs.items() if p.output.endswith("this node leads\n"))
        leader = programs.pop(leading)
        leader.interrupt()
        leader.ends()
        wait_until(lambda: agree(programs), "the other two agree again")


def test_synced_clocks_show_the_same_time(port):
    spec = importlib.util.spec_from_file_location("time_sync", EXAMPLES / "time_sync.py")
    time_sync = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(time_sync)
    settings = {"interface": "lo", "port": port, "groups": ["time"], "contest": ["time"]}

    async def main():
        async with zre.Node("a", **settings) as a, zre.Node("b", **settings) as b:
            clocks = [time_sync.SyncedClock(a), time_sync.SyncedClock(b, skew=1000.0)]
            tasks = [asyncio.ensure_future(c.serve()) for c in clocks]
            tasks += [asyncio.ensure_future(c.follow()) for c in clocks]
            while abs(clocks[0].synced_now() - clocks[1].synced_now()) > 1.0:
                await asyncio.sleep(0.005)
        # When the nodes have stopped, nothing goes on.
        await asyncio.gather(*tasks)

    asyncio.run(asyncio.wait_for(main(), TIMEOUT))


def notebook(port):
    """The notebook with settings for loopback."""
    contents = json.loads((EXAMPLES / "notebook.ipynb").read_text("utf-8"))
    (settings,) = (c for c in contents["cells"] if "parameters" in c["metadata"].get("tags", ()))
    settings["source"] = f'interface = "lo"\nport = {port}'
    return contents


def test_the_cells_of_the_notebook(port, capsys):
    async def main():
        names = {}
        for cell in notebook(port)["cells"]:
            if cell["cell_type"] != "code":
                continue
            flags = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
            code = compile("".join(cell["source"]), cell["id"], "exec", flags)
            outcome = eval(code, names)
            if code.co_flags & inspect.CO_COROUTINE:
                await outcome
        return names

    names = asyncio.run(asyncio.wait_for(main(), TIMEOUT))
    assert names["answer"] == (b"HELLO",)
    kinds = [type(event) for event in names["events"]]
    assert kinds == [zre.Enter, zre.Join, zre.Shout, zre.Exit, zre.Stop]
    assert names["events"][2].text == "21.5 °C"
    assert "Enter(" in capsys.readouterr().out


@needs("nbclient")
@needs("ipykernel")
def test_the_notebook_in_jupyter(port):
    import nbclient
    import nbformat

    contents = nbformat.reads(json.dumps(notebook(port)), as_version=4)
    nbformat.validate(contents)
    nbclient.NotebookClient(contents, timeout=TIMEOUT, kernel_name="python3").execute()
    results = [
        output["data"]["text/plain"]
        for cell in contents.cells
        for output in cell.get("outputs", ())
        if output["output_type"] == "execute_result"
    ]
    assert "'notebook' at tcp://127.0.0.1:" in results[0]
    assert results[1:] == ["(b'HELLO',)", "Stop(unconfirmed={})"]
