"""The page of a comparison: words are marked, nothing is fetched, and nothing of a claim runs (headless Chromium)."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from syco_data.diff import diffing, endpoints, exporting, html_page
from syco_data.diff.records import Cell
from syco_data.release import configs
from tests.support import planted
from tests.support.planted import TRAIN

HOSTILE = (
    "<script>window.ran = 1</script>",
    "<img src=x onerror='window.ran = 1'>",
    "</div></article><svg onload=window.ran=1>",
    "\"><a href='javascript:window.ran=1' autofocus onfocus=window.ran=1>x</a>",
    "{{ 7 * 7 }}{% raw %} <style>body{display:none}</style> &lt;b&gt; <iframe src='http://127.0.0.1:9/'></iframe>",
)
FLAGS = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
)  # fmt: skip


@pytest.fixture(scope="module")
def page_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of two releases in which claims hold every hostile text, on both sides."""
    folder = tmp_path_factory.mktemp("page")
    sides = []
    for name, word in (("a", "before"), ("b", "after")):
        world = planted.world()
        ids = world.claims[: len(HOSTILE)]
        for place in (configs.CANDIDATES, TRAIN):
            table = world.tables[place]
            for claim, hostile in zip(ids, HOSTILE, strict=True):
                mine = pl.col("claim_id") == claim
                texts = [column for column in ("claim", "prompt", "stripped_prompt") if column in table.columns]
                text = pl.lit(f'"the {word} {hostile} film" is Positive')
                table = table.with_columns(pl.when(mine).then(text).otherwise(pl.col(c)).alias(c) for c in texts)
            world = world.with_table(place, table)
        sides.append(world.with_setting("prompts", "cap", f"{HOSTILE[0]} {word}").save(folder / name))
    compared = diffing.compare(*(endpoints.folder_side(side) for side in sides), "rows")
    target = folder / "page.html"
    target.write_text(html_page.render(exporting.with_examples(compared, 10).diff), encoding="utf-8")
    return target


def test_the_page_needs_nothing_beside_itself(page_file: Path) -> None:
    text = page_file.read_text(encoding="utf-8")
    for outside in ("<script", '<link rel="stylesheet', "@import", "url(", 'src="', 'href="http', "<img", "<svg"):
        assert outside not in text, outside
    assert "&lt;script&gt;window.ran = 1&lt;/script&gt;" in text


def test_words_that_differ_are_marked(page_file: Path) -> None:
    text = page_file.read_text(encoding="utf-8")
    assert "<del>before</del>" in text and "<ins>after</ins>" in text
    assert "{{ 7 * 7 }}" in text and "49" not in text.split("{{ 7 * 7 }}")[0][-5:]


@given(st.text(), st.text())
def test_pieces_give_back_both_texts(a: str, b: str) -> None:
    both = html_page.beside(Cell(column="c", a=a, b=b))
    assert "".join(piece.text for piece in both.a) == a and "".join(piece.text for piece in both.b) == b
    alike = [["".join(piece.text for piece in side if not piece.differs)] for side in (both.a, both.b)]
    assert alike[0] == alike[1] or max(len(a.split()), len(b.split())) > html_page.LONGEST


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """A fresh headless Chromium with an empty profile."""
    executable = shutil.which("chromium")
    if executable is None:
        pytest.skip("no chromium on PATH: pages are not opened (Debian: apt install chromium)")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        running = playwright.chromium.launch(
            executable_path=executable, headless=True, args=list(FLAGS), timeout=120_000
        )
        yield running
        running.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_browser_runs_nothing_and_fetches_nothing(browser: Any, page_file: Path, scheme: str) -> None:
    context = browser.new_context(color_scheme=scheme, viewport={"width": 420, "height": 900}, bypass_csp=True)
    context.set_default_timeout(120_000)
    page = context.new_page()
    urls, messages = [], []
    page.on("request", lambda request: urls.append(request.url))
    page.on("console", lambda message: messages.append(message.text))
    page.on("pageerror", lambda error: messages.append(str(error)))
    page.on("dialog", lambda dialog: messages.append(dialog.message))
    page.goto(page_file.as_uri())
    page.evaluate("document.querySelectorAll('details').forEach(part => part.open = true)")
    page.wait_for_timeout(300)
    assert page.evaluate("window.ran") is None
    assert [url for url in urls if not url.startswith(("file:", "data:"))] == [] and messages == []
    assert page.locator("main script, main img, main svg, main iframe, main a, main style").count() == 0
    for hostile in HOSTILE:
        assert page.get_by_text(hostile, exact=False).count() > 0
    assert page.locator("ins", has_text="after").first.is_visible()
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    dark = page.evaluate("getComputedStyle(document.body).backgroundColor") != "rgb(255, 255, 255)"
    assert dark == (scheme == "dark")
    assert _contrast(page) >= 4.5
    context.close()


def _contrast(page: Any) -> float:
    """The least contrast (WCAG) of text and ground among the colours that the page uses."""
    return page.evaluate(
        """() => {
          const parse = text => text.match(/[\\d.]+/g).map(Number);
          const light = ([r, g, b]) => [r, g, b].map(c => c / 255)
            .map(c => c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
            .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
          const ground = node => {
            for (; node; node = node.parentElement) {
              const colour = parse(getComputedStyle(node).backgroundColor);
              if (colour.length < 4 || colour[3] > 0) return colour;
            }
            return [255, 255, 255];
          };
          return Math.min(...[...document.querySelectorAll('main *')].map(node => {
            const pair = [light(parse(getComputedStyle(node).color)), light(ground(node))];
            return (Math.max(...pair) + 0.05) / (Math.min(...pair) + 0.05);
          }));
        }"""
    )
