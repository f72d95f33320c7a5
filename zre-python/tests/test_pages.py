"""What stands in README and on the pages does what they say."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import TIMEOUT

HERE = Path(__file__).parent
README = HERE.parent / "README.md"
PAGES = HERE.parent.parent / "docs"

#: On the pages, nodes choose a network by themselves; here it is to be loopback.
LOOPBACK = """
import functools, sys
import zre._base
zre._base.NodeBase.__init__ = functools.partialmethod(
    zre._base.NodeBase.__init__, interface="lo", port=int(sys.argv.pop())
)
"""


def programs(page):
    return re.findall(r"```python\n(.*?)```", page.read_text(), re.DOTALL)


def start(program, *arguments):
    command = [sys.executable, "-X", "dev", "-c", LOOPBACK + program, *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_the_program_of_readme_greets(port):
    (program,) = programs(README)
    lines = program.strip().splitlines()
    assert len([line for line in lines if line]) <= 12
    with start(program, "alice", port) as alice, start(program, "bob", port) as bob:
        try:
            assert alice.stdout.readline() == "bob says: welcome to CHAT\n"
            assert bob.stdout.readline() == "alice says: welcome to CHAT\n"
        finally:
            alice.kill()
            bob.kill()


SAID = {
    "request_any": "SHOUT IT\n",
    "for event in alice": "bob hello\n",
    "selectors": "Enter bob\n",
    "case zre.Whisper": "alice is there\n",
    "getLogger": "",
}


def test_the_program_for_pyre_runs(port):
    (program,) = programs(PAGES / "FROM-PYRE.md")
    with start(program, port) as process:
        said, complained = process.communicate(timeout=TIMEOUT)
    assert (process.returncode, said, complained) == (0, "alice hello\n", "")


@pytest.mark.parametrize("named", SAID)
def test_a_program_of_the_page_says_what_it_should(port, named):
    if named.startswith("case") and sys.version_info < (3, 10):
        pytest.skip("match needs Python 3.10")
    (program,) = (program for program in programs(PAGES / "PYTHON.md") if named in program)
    with start(program, port) as process:
        said, complained = process.communicate(timeout=TIMEOUT)
    assert (process.returncode, said, complained) == (0, SAID[named], "")


def test_all_programs_of_the_page_are_run():
    assert len(programs(PAGES / "PYTHON.md")) == len(SAID)


def test_all_fields_of_events_are_on_the_page():
    import zre

    page = (PAGES / "PYTHON.md").read_text()
    for row in re.findall(r"^\| (`[A-Z].*?) \| (`.*?) \|$", page, re.MULTILINE):
        fields = tuple(re.findall(r"`(\w+)`", row[1].split(";")[0]))
        for name in re.findall(r"`(\w+)`", row[0]):
            if issubclass(getattr(zre, name), zre.Event):
                assert getattr(zre, name).__match_args__ == fields, name


@pytest.mark.skipif(sys.version_info < (3, 12), reason="it is another module there")
def test_a_sub_interpreter_is_refused():
    name = "_interpreters" if sys.version_info >= (3, 13) else "_xxsubinterpreters"
    interpreters = pytest.importorskip(name)
    other = interpreters.create()
    script = "try:\n  import zre\nexcept ImportError:\n  pass\nelse:\n  raise SystemError('in')\n"
    try:
        assert interpreters.run_string(other, script) is None
    finally:
        interpreters.destroy(other)
