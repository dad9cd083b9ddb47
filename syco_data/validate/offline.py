"""Makes Great Expectations' pages open without a network: nothing is fetched, everything is there to read.

Its templates fetch style sheets and scripts from six hosts, build the index table by script and fold sections away
that only a script opens again. What fetches goes, one small style sheet of ours comes in, and the index is written
again as a plain list.
"""

import html
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from syco_data import files
from syco_data.errors import SycoError
from syco_data.validate.findings import Finding

INDEX = "index.html"
_STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; margin: 0 auto; max-width: 70rem; padding: 1rem; color: #1a1a1a }
table { border-collapse: collapse; margin: 0 0 1rem } td, th { border: 1px solid #c8c8c8; padding: .3rem .6rem;
text-align: left; vertical-align: top; overflow-wrap: anywhere } img { max-height: 2rem } svg { max-height: 1rem }
.collapse, .tab-pane { display: block } .sticky, .cta-footer, .modal, nav { display: none } code { font-size: .9em }
a { color: #0b57d0 } .failed { color: #a4120b; font-weight: 600 }
@media (prefers-color-scheme: dark) { body { background: #161616; color: #e8e8e8 } a { color: #8ab4f8 }
td, th { border-color: #555 } .failed { color: #ff8a80 } }
"""
_SCRIPT = re.compile(r"<script\b.*?</script\s*>", re.DOTALL | re.IGNORECASE)
_FETCHED = re.compile(
    r"<link\b[^>]*>|<img\b[^>]*\bsrc=[\"']?https?:[^>]*>|<iframe\b.*?</iframe>", re.DOTALL | re.IGNORECASE
)
_IMPORT = re.compile(r"@import[^;]*;|url\([\"']?https?:[^)]*\)", re.IGNORECASE)
_HANDLER = re.compile(r"\son[a-z]+=(\"[^\"]*\"|'[^']*')", re.IGNORECASE)
_FETCHES = re.compile(
    r"(?:src|href)=[\"']?(?:https?:)?//[^\"'> ]+[\"']?[^>]*rel=|<script|<link|<iframe|@import", re.IGNORECASE
)


def make(folder: Path, findings: Iterable[Finding]) -> None:
    """Rewrites every page below `folder` and writes the index, which lists all findings."""
    for path in sorted(folder.rglob("*.html")):
        files.write(path, clean(path.read_text(encoding="utf-8")))
    _write_index(folder, findings)


def clean(page: str) -> str:
    """One page without anything that is fetched or run. Raises `SycoError` where something is left."""
    for pattern in (_SCRIPT, _FETCHED, _IMPORT, _HANDLER):
        page = pattern.sub("", page)
    page = page.replace("</head>", f"<style>{_STYLE}</style></head>", 1)
    if left := _FETCHES.search(page):
        raise SycoError(f"a page of Great Expectations still fetches something: {left[0][:80]!r}")
    return page


def _write_index(folder: Path, findings: Iterable[Finding]) -> None:
    """Links to the pages of tables, then the checks over rows and tables; what failed comes first."""
    pages = []
    for path in sorted(folder.glob("validations/**/*.html")):
        passed = "Failed" not in _status(path.read_text(encoding="utf-8"))
        name = "/".join(path.relative_to(folder / "validations").parts).split("/__none__/")[0]
        link = html.escape(path.relative_to(folder).as_posix(), quote=True)
        pages.append((passed, f'<a href="{link}">{html.escape(name)}</a>', _STATE[passed]))
    if not pages:
        raise SycoError(f"Great Expectations wrote no page of results below {folder}")
    checks = [
        (one.holds, *map(html.escape, (one.check, one.table, one.description, f"{one.offending:,} of {one.rows:,}",
                                       ", ".join(map(str, one.first)))), _STATE[one.holds])
        for one in findings if not one.rule
    ]  # fmt: skip
    body = _table("Single tables", ("table", "result"), pages)
    body += _table("Rows and tables", ("check", "table", "what", "offending", "first", "result"), checks)
    files.write(
        folder / INDEX,
        f'<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>Checks of the build</title>'
        f'<meta name="viewport" content="width=device-width, initial-scale=1"><style>{_STYLE}</style></head><body>'
        f"<h1>Checks of the build</h1>{body}</body></html>\n",
    )


_STATE = {True: "passed", False: '<span class="failed">failed</span>'}


def _table(title: str, headings: Sequence[str], rows: list[tuple]) -> str:
    """A section of the index; the first value of each row says whether it passed, the others are HTML."""
    cells = ["".join(f"<td>{cell}</td>" for cell in row[1:]) for row in sorted(rows)]
    lines = ["".join(f"<th>{heading}</th>" for heading in headings), *cells]
    return f"<h2>{title}</h2><table>" + "".join(f"<tr>{line}</tr>" for line in lines) + "</table>" if rows else ""


def _status(page: str) -> str:
    """The words behind "Status:" on a page of results."""
    text = re.sub(r"<[^>]*>", " ", re.sub(r"<style\b.*?</style>", " ", page, flags=re.DOTALL))
    status = re.search(r"Status:\s*(\w+)", text)
    if status is None:
        raise SycoError("a page of Great Expectations names no status")
    return status[1]
