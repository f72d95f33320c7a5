"""A bar chart as SVG, readable on light and on dark pages."""

from __future__ import annotations

import math
from html import escape
from typing import Iterator, NamedTuple, Sequence

WIDTH = 960
COLUMNS = 2
MARGIN = 16
HEAD = 40
LABELS_WIDTH = 118
VALUES_WIDTH = 76
TITLE_HEIGHT = 28
BAR_HEIGHT = 20
BAR_DISTANCE = 26
PANEL_GAP = 22
#: From this ratio of the longest bar to the shortest on, the scale is logarithmic.
LOGARITHMIC_FROM = 15

STYLE = """
  text { font-family: sans-serif; font-size: 13px; fill: #1f2328; }
  .title { font-weight: bold; }
  .note { font-size: 12px; fill: #59636e; }
  .page { fill: #ffffff; }
  .own { fill: #2f6fce; }
  .other { fill: #9aa4af; }
  @media (prefers-color-scheme: dark) {
    text { fill: #f0f6fc; }
    .note { fill: #9198a1; }
    .page { fill: #0d1117; }
    .own { fill: #4a8ff0; }
    .other { fill: #6b7580; }
  }
"""


class Bar(NamedTuple):
    """One value."""

    label: str
    value: float
    decimals: int


class Panel(NamedTuple):
    """The values of one figure."""

    title: str
    bars: Sequence[Bar]
    is_better_high: bool


def draw(heading: str, panels: Sequence[Panel]) -> str:
    """The whole picture."""
    panel_width = (WIDTH - MARGIN * (COLUMNS + 1)) / COLUMNS
    most_bars = max(len(panel.bars) for panel in panels)
    panel_height = TITLE_HEIGHT + most_bars * BAR_DISTANCE + PANEL_GAP
    height = HEAD + math.ceil(len(panels) / COLUMNS) * panel_height
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}"'
        f' viewBox="0 0 {WIDTH} {height}">',
        f"<style>{STYLE}</style>",
        f'<rect class="page" width="{WIDTH}" height="{height}"/>',
        text(MARGIN, 24, heading, "note"),
    ]
    for number, panel in enumerate(panels):
        row, column = divmod(number, COLUMNS)
        left = MARGIN + column * (panel_width + MARGIN)
        parts += draw_panel(panel, left, HEAD + row * panel_height, panel_width)
    return "\n".join([*parts, "</svg>", ""])


def draw_panel(panel: Panel, left: float, top: float, width: float) -> Iterator[str]:
    """A title, and a line for each value."""
    is_logarithmic = needs_logarithm(panel.bars)
    notes = ["more is better" if panel.is_better_high else "less is better"]
    if is_logarithmic:
        notes.append("logarithmic")
    yield text(left, top + 16, panel.title, "title")
    yield text(left + width, top + 16, ", ".join(notes), "note", anchor="end")
    longest = width - LABELS_WIDTH - VALUES_WIDTH
    for number, bar in enumerate(panel.bars):
        y = top + TITLE_HEIGHT + number * BAR_DISTANCE
        length = longest * share(bar, panel.bars, is_logarithmic)
        role = "own" if bar.label.startswith("zre") else "other"
        baseline = y + BAR_HEIGHT - 5
        bar_left = left + LABELS_WIDTH
        yield text(bar_left - 8, baseline, bar.label, anchor="end")
        yield (
            f'<rect class="{role}" x="{bar_left:.1f}" y="{y:.1f}" width="{length:.1f}"'
            f' height="{BAR_HEIGHT}" rx="2"/>'
        )
        yield text(bar_left + length + 6, baseline, f"{bar.value:,.{bar.decimals}f}")


def needs_logarithm(bars: Sequence[Bar]) -> bool:
    """Whether some bars would be too short to see."""
    values = [bar.value for bar in bars]
    return min(values) > 0 and max(values) / min(values) >= LOGARITHMIC_FROM


def share(bar: Bar, bars: Sequence[Bar], is_logarithmic: bool) -> float:
    """How long a bar is, from 0 to 1. A logarithmic scale begins at half of the least value."""
    values = [each.value for each in bars]
    if not is_logarithmic:
        return max(0.0, bar.value / max(values))
    begin = min(values) / 2
    return math.log(bar.value / begin) / math.log(max(values) / begin)


def text(x: float, y: float, content: str, role: str = "", anchor: str = "start") -> str:
    """A line of text."""
    chosen = f' class="{role}"' if role else ""
    return f'<text x="{x:.1f}" y="{y:.1f}"{chosen} text-anchor="{anchor}">{escape(content)}</text>'
