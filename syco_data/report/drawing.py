"""Charts to SVG and PNG: one theme, the same bytes every time, colours that a page can swap for its dark ones."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from xml.sax.saxutils import quoteattr

from syco_data import files

if TYPE_CHECKING:
    import altair as alt


@dataclass(frozen=True)
class Colour:
    """One colour on white paper and the same one on dark paper; both reach 3:1 against their paper, text 4.5:1."""

    light: str
    dark: str


INK = Colour("#1c2331", "#e6e9ee")
SOFT = Colour("#566071", "#a3acba")
LINE = Colour("#d5dae2", "#39424f")
CHANCE = Colour("#b3130e", "#ff8a80")
SERIES = (
    Colour("#6b7281", "#9aa3b2"),
    Colour("#1b6fc2", "#6fb1ff"),
    Colour("#b4540a", "#ffa25e"),
    Colour("#7a3fb8", "#c79bff"),
    Colour("#0f7b6c", "#4fd1bd"),
    Colour("#b3265e", "#ff86b3"),
)
SHAPES = ("circle", "diamond", "square", "triangle-up", "triangle-down", "cross")
COLOURS = (INK, SOFT, LINE, CHANCE, *SERIES)
FONT = "Liberation Sans, Arial, Helvetica, sans-serif"
_ID = re.compile(r'\bid="([^"]+)"')
_ROOT = re.compile(r"^<svg ([^>]*)>")


@dataclass(frozen=True)
class Drawing:
    """A chart as files: `name` is the files' stem, `title` what a reader who cannot see it is told."""

    name: str
    title: str
    svg: str
    png: bytes

    def write(self, folder: Path) -> None:
        files.write(folder / f"{self.name}.svg", self.svg)
        files.write(folder / f"{self.name}.png", self.png)


def draw(name: str, title: str, chart: "alt.TopLevelMixin", scale: float) -> Drawing:
    """Both files of a chart; `scale` is that of the PNG against the SVG's pixels."""
    import vl_convert

    specification = chart.configure(**_theme()).to_dict()
    svg = vl_convert.vegalite_to_svg(specification)
    png = vl_convert.vegalite_to_png(specification, scale=scale)
    return Drawing(name, title, _settled(svg, name, title), png)


def _theme() -> dict:
    axis = {
        "labelColor": SOFT.light, "titleColor": SOFT.light, "gridColor": LINE.light, "domainColor": SOFT.light,
        "tickColor": SOFT.light, "labelFontSize": 12, "titleFontSize": 12, "titleFontWeight": "normal",
    }  # fmt: skip
    legend = {"labelColor": INK.light, "titleColor": SOFT.light, "labelFontSize": 12, "orient": "top", "title": None}
    title = {"color": INK.light, "fontSize": 13, "anchor": "start", "fontWeight": "bold"}
    # `aria` off: the page says in words and in a table what the chart shows.
    return {"font": FONT, "axis": axis, "legend": legend, "title": title, "view": {"stroke": None}, "aria": False,
            "background": "white", "padding": 4}  # fmt: skip


def _settled(svg: str, name: str, title: str) -> str:
    """Ids of the chart's own, which the renderer counts over all charts of a process; a name for screen readers."""
    for number, identity in enumerate(dict.fromkeys(_ID.findall(svg))):
        own = f"{name}-{number}"
        svg = svg.replace(f'id="{identity}"', f'id="{own}"').replace(f"url(#{identity})", f"url(#{own})")
    return _ROOT.sub(lambda root: f'<svg {root[1]} role="img" aria-label={quoteattr(title)}>', svg, count=1) + "\n"
