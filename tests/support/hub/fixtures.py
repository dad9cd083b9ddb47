"""Fixture `hub`: an emulated Hub of its own process, reached by this process's client and by subprocesses.

Every test that asks for it starts with an empty Hub, an empty HF_HOME and the token of a user who may write.
"""

import json
import os
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.support.hub.desk import OTHER, READER, WRITER
from tests.support.hub.wire import Entry, Fault

ROOT = Path(__file__).resolve().parents[3]
__all__ = ["OTHER", "READER", "ROOT", "WRITER", "RunningHub", "hub", "hub_server"]
WRITES = {"POST", "PUT", "DELETE", "PATCH"}
READ_BY_POST = ("/paths-info/", "/api/validate-yaml", "/objects/batch")


@dataclass(frozen=True)
class RunningHub:
    """The emulated Hub at `url`; `home` is the HF_HOME that goes with it."""

    url: str
    home: Path

    def fail(self, *faults: Fault) -> None:
        """Sets the faults to inject from now on (none: no more)."""
        self._control("PUT", "faults", [asdict(fault) for fault in faults])

    def upload_in_parts(self, part_bytes: int) -> None:
        """From now on larger files come over LFS in parts of this size, as the Hub has it beyond some GB."""
        self._control("PUT", "part-bytes", part_bytes)

    def log(self) -> list[Entry]:
        return [Entry(**entry) for entry in self._control("GET", "log")]

    def clear_log(self) -> None:
        self._control("DELETE", "log")

    def clear(self) -> None:
        """Forgets every repository, fault and request."""
        self._control("DELETE", "everything")
        self.fail()
        self.clear_log()

    def writes(self) -> list[str]:
        """The logged requests that change something, as "METHOD path"."""
        return [
            f"{entry.method} {entry.path}"
            for entry in self.log()
            if entry.method in WRITES and not any(part in entry.path for part in READ_BY_POST)
        ]

    def api(self, token: str = WRITER) -> Any:
        from huggingface_hub import HfApi

        return HfApi(endpoint=self.url, token=token)

    def environment(self, token: str | None = WRITER, **more: str) -> dict[str, str]:
        """The environment of a subprocess that uses this Hub."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith("HF_")}
        signed = {} if token is None else {"HF_TOKEN": token}
        return kept | _settings(self.url, self.home) | signed | more

    def _control(self, method: str, what: str, body: Any = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        url = f"{self.url}/_control/{what}"
        request = urllib.request.Request(url, data=data, method=method)  # noqa: S310 (a loopback address)
        with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310 (a loopback address)
            return json.load(answer)


def _settings(url: str, home: Path) -> dict[str, str]:
    """Environment of the client; Xet's own retries are short, so that fault tests are."""
    return {
        "HF_ENDPOINT": url,
        "HF_HOME": str(home),
        "HF_UPDATE_DOWNLOAD_COUNTS": "0",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "HF_HUB_DISABLE_PROGRESS_BARS": "1",
        "HF_XET_CLIENT_RETRY_BASE_DELAY": "50ms",
        "HF_XET_CLIENT_RETRY_MAX_DURATION": "3s",
        "NO_PROXY": "127.0.0.1,127.0.0.2",
        "no_proxy": "127.0.0.1,127.0.0.2",
    }


@pytest.fixture(scope="session")
def hub_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of one emulated Hub for the whole session."""
    data = tmp_path_factory.mktemp("hub")
    command = [sys.executable, "-m", "tests.support.hub", "--data", str(data / "store")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
        try:
            url = process.stdout.readline().strip()
            assert url.startswith("http://127.0.0.1:"), "the emulated Hub did not start"
            yield url
        finally:
            process.kill()  # a request that a test left hanging would hold up a polite end


@pytest.fixture
def hub(hub_server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunningHub:
    """An empty Hub; this process's client is pointed at it, and at a cache of the test's own."""
    from huggingface_hub import constants

    running = RunningHub(hub_server, tmp_path / "hf")
    running.clear()
    for name, value in running.environment().items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(constants, "ENDPOINT", hub_server)
    template = hub_server + "/{repo_id}/resolve/{revision}/{filename}"
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
    monkeypatch.setattr(constants, "HF_HOME", str(running.home))
    for name, folder in {"HF_HUB_CACHE": "hub", "HF_XET_CACHE": "xet", "HF_TOKEN_PATH": "token"}.items():
        monkeypatch.setattr(constants, name, str(running.home / folder))
    return running
