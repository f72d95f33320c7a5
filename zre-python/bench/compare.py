"""Compare the nodes of `zre` for Python with those of pyre, and of zyre by ctypes.

    python compare.py --wheel zre-0.1.0-cp39-abi3-manylinux_2_34_x86_64.whl

It runs on Linux, makes virtual environments of its own, and measures in a network namespace of its
own (root, or a kernel that allows user namespaces). Each node is a process. In each round all
implementations take turns; the figures are the medians of all rounds. Nothing else should run on
the machine.

Messages of one direction are paced: the receiver acknowledges each window of messages, and the
sender is at most two windows ahead. So pyre, which drops what is above its high-water marks, loses
none.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import pathlib
import platform
import select
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import venv
from collections import defaultdict
from types import TracebackType
from typing import Any, Callable, Iterator, NamedTuple

import chart
import nodes

HERE = pathlib.Path(__file__).resolve().parent
OUTSIDE = "ZRE_BENCH_OUTSIDE"
WHOLE_DEADLINE = 3600
START_DEADLINE = 40
PEERS = 50
PEERS_IN_PROCESS = 10
PACKAGES = {
    "pyre": ["zeromq-pyre==0.3.4", "pyzmq==27.3.0"],
    "zyre": ["ingescape==4.7.0"],
    "zre": ["pyzmq==27.3.0"],
}
LABELS = {
    "pyre": "pyre",
    "zyre": "zyre (ctypes)",
    "zre.pyre-socket": "zre.pyre, socket",
    "zre.pyre": "zre.pyre, recv",
    "zre": "zre (asyncio)",
    "zre.blocking": "zre.blocking",
}

Figures = dict[str, float]
#: The values of all rounds, by implementation and figure.
Samples = dict[str, dict[str, list[float]]]


class Figure(NamedTuple):
    """One column of the table, and one part of the picture."""

    name: str
    title: str
    is_better_high: bool
    decimals: int


FIGURES = (
    Figure("round_trip", "Round trip, median, µs", False, 0),
    Figure("round_trip_99", "Round trip, 99 %, µs", False, 0),
    Figure("rate_16", "Whispers of 16 bytes per second", True, 0),
    Figure("rate_1024", "Whispers of 1024 bytes per second", True, 0),
    Figure("idle_cpu", f"CPU, idle with {PEERS} peers, %", False, 2),
    Figure("memory", "Memory per peer, KiB", False, 0),
)


class Durations(NamedTuple):
    """How long and how often is measured; times in seconds."""

    rounds: int
    idle_rounds: int
    round_trips: float
    rate: float
    settle: float
    idle: float


FULL = Durations(rounds=5, idle_rounds=3, round_trips=3, rate=4, settle=6, idle=10)
QUICK = Durations(rounds=1, idle_rounds=1, round_trips=1, rate=1, settle=3, idle=3)


class Failed(Exception):
    """A measurement has no result."""


class Worker:
    """A process with nodes. It ends with the context, and at its deadline."""

    def __init__(self, options: argparse.Namespace, kind: str, role: str, **settings: Any) -> None:
        settings.setdefault("deadline", START_DEADLINE)
        arguments = [f"--{name}={value}" for name, value in settings.items()]
        command = [python_of(options.venvs, kind), str(HERE / "worker.py"), kind, role, *arguments]
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=environment(options, kind),
            text=True,
        )
        self.pid = self._process.pid

    def __enter__(self) -> Worker:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        assert self._process.stdin and self._process.stdout
        self._process.stdin.close()
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()

    def report(self) -> Any:
        """What the process tells next. Its deadline is the one of this, too."""
        assert self._process.stdout
        line = self._process.stdout.readline()
        if not line:
            raise Failed("a process has ended too early")
        return json.loads(line)

    def has_reported(self) -> bool:
        """Whether the process has told more, or has ended."""
        assert self._process.stdout
        return bool(select.select([self._process.stdout], [], [], 0)[0])


def environment(options: argparse.Namespace, kind: str) -> dict[str, str]:
    """The environment of a process."""
    variables = dict(os.environ)
    variables.pop("PYTHONPATH", None)
    if options.zre_path and kind.startswith("zre"):
        variables["PYTHONPATH"] = str(options.zre_path)
    return variables


def python_of(venvs: str, kind: str) -> str:
    """The interpreter that has this implementation."""
    return f"{venvs}-{kind.partition('.')[0]}/bin/python"


def round_trips(options: argparse.Namespace, kind: str, durations: Durations) -> Figures:
    """How long a whisper and its echo take."""
    deadline = START_DEADLINE + int(durations.round_trips)
    settings: dict[str, Any] = {"deadline": deadline, "seconds": durations.round_trips}
    with Worker(options, kind, "echo", **settings), Worker(options, kind, "ask", **settings) as ask:
        answer = ask.report()
    return {"round_trip": answer["median"], "round_trip_99": answer["slow"]}


def rate(options: argparse.Namespace, kind: str, durations: Durations, size: int) -> Figures:
    """How many whispers a second arrive."""
    settings: dict[str, Any] = {
        "deadline": START_DEADLINE + int(durations.rate),
        "seconds": durations.rate,
        "size": size,
        "window": options.window,
    }
    with contextlib.ExitStack() as stack:
        sink = stack.enter_context(Worker(options, kind, "sink", **settings))
        source = stack.enter_context(Worker(options, kind, "source", **settings))
        sent, arrived = source.report(), sink.report()
    if sent["sent"] != arrived["received"]:
        raise Failed(f"{sent['sent']} messages were sent, and {arrived['received']} came")
    return {f"rate_{size}": arrived["rate"]}


def idle(options: argparse.Namespace, kind: str, durations: Durations) -> Figures:
    """What a node with peers costs while nothing happens."""
    deadline = 2 * START_DEADLINE + int(durations.settle + durations.idle)
    with contextlib.ExitStack() as stack:
        subject = stack.enter_context(
            Worker(options, kind, "subject", deadline=deadline, nodes=PEERS)
        )
        subject.report()
        time.sleep(1)
        memory_before = memory(subject.pid)
        for number in range(PEERS // PEERS_IN_PROCESS):
            settings = {"deadline": deadline, "nodes": PEERS_IN_PROCESS, "name": f"peer-{number}"}
            stack.enter_context(Worker(options, kind, "crowd", **settings))
        subject.report()
        time.sleep(durations.settle)
        cpu = cpu_percent(subject.pid, durations.idle)
        grown = memory(subject.pid) - memory_before
        if subject.has_reported():
            raise Failed("peers were lost and found again")
    return {"idle_cpu": cpu, "memory": grown / PEERS}


def cpu_percent(pid: int, seconds: float) -> float:
    """How much of one core a process uses."""
    used, begin = cpu_seconds(pid), time.monotonic()
    time.sleep(seconds)
    return 100 * (cpu_seconds(pid) - used) / (time.monotonic() - begin)


def cpu_seconds(pid: int) -> float:
    """The processor time of a process so far.

    This is the clock that `clock_getcpuclockid` gives. It is the sum of both times in
    `/proc/PID/stat`, which has whole hundredths of a second only.
    """
    return time.clock_gettime(~pid << 3 | 2)


def memory(pid: int) -> int:
    """The resident memory of a process in KiB. Other files than this have rough values."""
    for line in pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Rss:"):
            return int(line.split()[1])
    raise Failed(f"the memory of process {pid} is unknown")


def measure_all(options: argparse.Namespace, durations: Durations) -> Samples:
    """All rounds. What fails is told, and left out."""
    samples: Samples = defaultdict(lambda: defaultdict(list))
    for number in range(durations.rounds):
        for measure in measurements(durations, with_idle=number < durations.idle_rounds):
            for kind in options.only:
                for name, value in attempt(measure, options, kind, number).items():
                    samples[kind][name].append(value)
    return samples


Measure = Callable[[argparse.Namespace, str], Figures]


def measurements(durations: Durations, with_idle: bool) -> Iterator[Measure]:
    """What a round measures."""
    yield lambda options, kind: round_trips(options, kind, durations)
    yield lambda options, kind: rate(options, kind, durations, 16)
    yield lambda options, kind: rate(options, kind, durations, 1024)
    if with_idle:
        yield lambda options, kind: idle(options, kind, durations)


def attempt(measure: Measure, options: argparse.Namespace, kind: str, number: int) -> Figures:
    """One measurement; nothing if it fails."""
    try:
        figures = measure(options, kind)
    except Failed as failure:
        print(f"round {number + 1}, {kind}: {failure}", file=sys.stderr, flush=True)
        return {}
    shown = ", ".join(f"{name} {value:.2f}" for name, value in figures.items())
    print(f"round {number + 1}, {kind}: {shown}", file=sys.stderr, flush=True)
    return figures


def medians(samples: Samples) -> dict[str, Figures]:
    """The median of each figure."""
    return {
        kind: {name: statistics.median(values) for name, values in figures.items()}
        for kind, figures in samples.items()
    }


def table(results: dict[str, Figures]) -> str:
    """The figures as Markdown; in brackets how many times better than pyre they are."""
    titles = ["", *(figure.title for figure in FIGURES)]
    rows = ["| " + " | ".join(titles) + " |", "| --- |" + " ---: |" * len(FIGURES)]
    for kind, figures in results.items():
        cells = (cell(figure, figures, results.get("pyre", {})) for figure in FIGURES)
        rows.append(f"| {LABELS[kind]} | " + " | ".join(cells) + " |")
    return "\n".join(rows)


def cell(figure: Figure, figures: Figures, pyre: Figures) -> str:
    """One value, and how it compares."""
    value, reference = figures.get(figure.name), pyre.get(figure.name)
    if value is None:
        return "none"
    shown = f"{value:,.{figure.decimals}f}"
    if figures is pyre or not reference or value <= 0:
        return shown
    ratio = value / reference if figure.is_better_high else reference / value
    return f"{shown} ({ratio:.{0 if ratio >= 10 else 1}f}×)"


def panels(results: dict[str, Figures]) -> list[chart.Panel]:
    """The picture: one part for each figure."""
    return [
        chart.Panel(
            title=figure.title,
            bars=[
                chart.Bar(LABELS[kind], figures[figure.name], figure.decimals)
                for kind, figures in results.items()
                if figure.name in figures
            ],
            is_better_high=figure.is_better_high,
        )
        for figure in FIGURES
        # What is rarely slow says more of the machine than of the node.
        if figure.name != "round_trip_99"
    ]


def machine() -> str:
    """What the figures hold for."""
    lines = pathlib.Path("/proc/cpuinfo").read_text().splitlines()
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    model = models[0] if models else platform.machine()
    system = f"{platform.system()} {platform.release()}"
    return f"{model}, {os.cpu_count()} cores, {system}, Python {platform.python_version()}"


def prepare_environments(options: argparse.Namespace) -> None:
    """Make the virtual environments that are missing. A wheel is always installed."""
    for name, packages in PACKAGES.items():
        directory = pathlib.Path(f"{options.venvs}-{name}")
        if not any(kind.partition(".")[0] == name for kind in options.only):
            continue
        if not directory.exists():
            venv.create(directory, with_pip=True)
            pip(directory, *packages)
        if name == "zre" and options.wheel:
            pip(directory, "--no-deps", "--force-reinstall", str(options.wheel))


def pip(directory: pathlib.Path, *arguments: str) -> None:
    """Install packages into a virtual environment."""
    python = str(directory / "bin" / "python")
    command = [python, "-m", "pip", "install", "--quiet", *arguments]
    subprocess.run(command, check=True, timeout=300)


def enter_namespace() -> None:
    """Start this program again in a network namespace of its own."""
    os.environ[OUTSIDE] = os.readlink("/proc/self/ns/net")
    as_root = [] if os.geteuid() == 0 else ["--map-root-user"]
    os.execvp("unshare", ["unshare", "--net", *as_root, sys.executable, *sys.argv])


def set_up_network() -> None:
    """Give the namespace a network where all nodes find each other."""
    if os.environ.pop(OUTSIDE) == os.readlink("/proc/self/ns/net"):
        sys.exit("there is no network namespace for this")
    for arguments in (
        "link set lo up",
        f"link add {nodes.INTERFACE} type veth peer name v1",
        f"addr add 10.90.0.1/24 brd 10.90.0.255 dev {nodes.INTERFACE}",
        f"link set {nodes.INTERFACE} up",
        "link set v1 up",
    ):
        subprocess.run(["ip", *arguments.split()], check=True, timeout=10)
    assert nodes.INTERFACE in (name for _, name in socket.if_nameindex())


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    venvs = pathlib.Path(tempfile.gettempdir()) / "bench-venv"
    parser.add_argument("--quick", action="store_true", help="one short round, rough figures")
    parser.add_argument("--wheel", type=pathlib.Path, help="of zre; what is installed otherwise")
    parser.add_argument("--zre-path", type=pathlib.Path, help="where zre is, if not in the wheel")
    parser.add_argument("--venvs", default=str(venvs), help="how the environments' paths begin")
    parser.add_argument("--only", nargs="+", choices=nodes.KINDS, default=nodes.KINDS)
    parser.add_argument("--window", type=int, default=500, help="messages for an acknowledgement")
    parser.add_argument("--plot", type=pathlib.Path, help="where to draw the figures, as SVG")
    parser.add_argument("--json", type=pathlib.Path, help="where to write the values of all rounds")
    return parser.parse_args()


def main() -> None:
    options = parse_options()
    if OUTSIDE not in os.environ:
        prepare_environments(options)
        enter_namespace()
    set_up_network()
    signal.alarm(WHOLE_DEADLINE)
    load = os.getloadavg()
    samples = measure_all(options, QUICK if options.quick else FULL)
    results = medians(samples)
    if options.json:
        options.json.write_text(json.dumps(samples, indent=1) + "\n")
    if options.plot:
        options.plot.write_text(chart.draw(machine(), panels(results)))
    print(table(results))
    print(f"\n{machine()}; load {load[0]:.1f} before, {os.getloadavg()[0]:.1f} at the end")


if __name__ == "__main__":
    main()
