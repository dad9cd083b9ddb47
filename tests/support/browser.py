"""A headless Chromium, the one on PATH, for tests of pages: what it complained of, what it asked for, how it looks."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.sync_api import BrowserContext, Page

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip
PHONE, DESK = 390, 1200


@dataclass
class Visit:
    """A page that was opened: console messages and errors, and every address it asked for."""

    page: "Page"
    complaints: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)

    def outside(self) -> list[str]:
        """Requests for anything but files of this machine."""
        return [url for url in self.requests if not url.startswith(("file:", "data:"))]

    def scrolls_sideways(self) -> bool:
        return self.page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth")


@contextmanager
def opened(path: Path, scheme: str = "light", width: int = DESK) -> Iterator[Visit]:
    """Opens a file in a theme (`light` or `dark`) and a width in pixels."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright, tempfile.TemporaryDirectory(prefix="browser-") as profile:
        context: BrowserContext = playwright.chromium.launch_persistent_context(
            profile, executable_path=CHROMIUM, headless=True, args=FLAGS, chromium_sandbox=False,
            color_scheme=scheme, viewport={"width": width, "height": 900},
        )  # fmt: skip
        try:
            visit = Visit(context.new_page())
            visit.page.on("console", lambda message: visit.complaints.append(message.text))
            visit.page.on("pageerror", lambda error: visit.complaints.append(str(error)))
            visit.page.on("request", lambda request: visit.requests.append(request.url))
            visit.page.goto(path.resolve().as_uri())
            yield visit
        finally:
            context.close()
