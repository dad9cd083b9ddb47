"""Every request of a pull fails, in turn and in every way: `python -m tests.support.hub.pull_matrix WORK [WAYS]`.

Run in a process of its own, because the client chooses its transport (Xet or LFS) when it is imported. The Hub is
the one of HF_ENDPOINT, and shows alice/claims@1.0.0; WORK/release is that release.
"""

import json
import re
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from huggingface_hub import constants
from huggingface_hub.utils._xet import XET_CONNECTION_INFO_CACHE

from syco_data.errors import SycoError
from syco_data.hub.addresses import Address
from syco_data.publish import pulling
from syco_data.release import manifest
from syco_data.settings import Hub
from tests.support.hub.fixtures import RunningHub
from tests.support.hub.matrix import Request, requests_in, ways, without_pauses
from tests.support.hub.releases import QUICK
from tests.support.hub.wire import Fault

ONE = Address("alice/claims", "1.0.0")
ONCE = Hub(attempts=1, first_wait=0.01, longest_wait=0.01)
"""What fails for good need not be tried again: the client's own retries are slow enough."""


@dataclass
class Outcome:
    """What came of one case, the request named as in `matrix.Request`.

    Whether the fault struck, the error, if any, whether the folder then looked finished, and, after a second pull
    where the first one failed, whether every byte is there.
    """

    request: str
    before: int
    way: str
    hit: bool
    error: str | None
    looked_finished: bool
    whole: bool


@dataclass
class Matrix:
    hub: RunningHub
    work: Path
    ways: str = "faults"
    cases: int = 0

    def run(self) -> Iterator[Outcome]:
        self.hub.clear_log()
        self.pull(self.fresh())
        for number, request in enumerate(requests_in(self.hub.log(), ONE.repository)):
            for way, fault in ways(self.ways, number).items():
                # All requests of a form fail for good together.
                if way != "for good" or request.before == 0:
                    yield self.case(request, way, fault)

    def case(self, request: Request, way: str, fault: dict) -> Outcome:
        target, error = self.fresh(), None
        match = f"^{request.form.replace('<repository>', re.escape(ONE.repository))}$"
        self.hub.clear_log()
        self.hub.fail(Fault(match, skip=request.before, **fault))
        try:
            self.pull(target, ONCE if way == "for good" else QUICK)
        except SycoError as caught:
            error = str(caught)
        hit = any(entry.fault for entry in self.hub.log())
        self.hub.fail()
        looked_finished = (target / manifest.NAME).exists()
        if error:
            self.pull(target)
        whole = contents(target) == contents(self.work / "release")
        return Outcome(request.form, request.before, way, hit, error, looked_finished, whole)

    def fresh(self) -> Path:
        """Another folder, and a client that has yet to ask for a token of Xet's."""
        self.cases += 1
        XET_CONNECTION_INFO_CACHE.clear()
        return self.work / f"pulled-{self.cases}"

    def pull(self, target: Path, retry: Hub = QUICK) -> None:
        pulling.pull(ONE, target, retry)


def contents(folder: Path) -> dict[str, bytes]:
    """Path -> bytes of every file."""
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def main() -> None:
    without_pauses()
    matrix = Matrix(RunningHub(constants.ENDPOINT, Path(constants.HF_HOME)), Path(sys.argv[1]), *sys.argv[2:])
    print(json.dumps([asdict(outcome) for outcome in matrix.run()]))


if __name__ == "__main__":
    main()
