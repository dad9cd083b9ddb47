"""Every request of a publish fails, in turn and in every way.

`python -m tests.support.hub.matrix WORK REQUESTS [WAYS]`.

Prints what came of each case; REQUESTS is a regular expression, "." for all; WAYS is `faults` or `shapes`.

Run in a process of its own, because the client chooses its transport (Xet or LFS) when it is imported. The Hub is
the one of HF_ENDPOINT. Each case publishes other rows to a repository of its own, so that nothing is there before.
"""

import json
import re
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import SimpleNamespace

from huggingface_hub import constants
from huggingface_hub.utils import _http

from syco_data.errors import SycoError
from syco_data.publish import publishing, uploads
from tests.support.hub.fixtures import RunningHub
from tests.support.hub.releases import QUICK, Small
from tests.support.hub.wire import Entry, Fault

WAYS = {
    "status": {"status": 503},
    "cut request": {"cut_request": 0},
    "cut response": {"cut_response": 1},
    "lost response": {"lose_response": True},
    "for good": {"status": 503, "times": 1_000_000},
}
BODIES = {
    "number": "5", "null": "null", "list": "[]", "list of numbers": "[1]", "object": "{}", "string": '"out of order"',
    "other types": '{"sha": 5, "private": "no", "siblings": 3, "tags": [7], "branches": null, "files": {"a": 1}}',
    "nothing": "", "page": "<html>sign in here</html>", "half": '{"sha": "12', "deep": "[" * 100_000,
}  # fmt: skip
"""Answers that do not answer: valid JSON of another shape, and what a gateway sends."""
SHAPES = {f"200 {name}": {"body": body} for name, body in BODIES.items()} | {
    f"503 {name}": {"status": 503, "body": BODIES[name]} for name in ("string", "null", "list", "number", "page")
}


def ways(name: str, number: int) -> dict[str, dict]:
    """How a request fails: in every way; of the many shapes one for each, so that all come up in the end."""
    if name != "shapes":
        return WAYS
    name = [*SHAPES][number % len(SHAPES)]
    return {name: SHAPES[name]}


@dataclass(frozen=True)
class Request:
    """One request of a publish: its form (commit ids and digests left open), and how many like it came before."""

    form: str
    before: int


def requests_in(log: list[Entry], repository: str) -> list[Request]:
    """The requests of a log, one after another."""
    seen: Counter[str] = Counter()
    result = []
    for entry in log:
        form = form_of(f"{entry.method} {entry.path}", repository)
        result.append(Request(form, seen[form]))
        seen[form] += 1
    return result


@dataclass
class Outcome:
    """What came of one case: the error, if any, and what it left behind; then, after a second publish where the
    first one failed, the titles of all commits, whether the one tag is right, and whether the files are."""

    request: str
    way: str
    hit: bool = False
    error: str | None = None
    left_behind: list[str] = field(default_factory=list)
    commits: list[str] = field(default_factory=list)
    tag_is_right: bool = False
    files_are_right: bool = False


@dataclass
class Matrix:
    """`chosen`: a regular expression for the requests that shall fail."""

    hub: RunningHub
    work: Path
    chosen: str
    ways: str = "faults"
    cases: int = 0

    def run(self) -> Iterator[Outcome]:
        for number, request in enumerate(one for one in self.requests() if re.search(self.chosen, one.form)):
            for way, fault in ways(self.ways, number).items():
                yield self.case(request, way, fault)

    def requests(self) -> list[Request]:
        """The requests of an undisturbed publish."""
        self.hub.clear_log()
        self.publish(*self.fresh())
        return requests_in(self.hub.log(), self.name)

    def case(self, request: Request, way: str, fault: dict) -> Outcome:
        upload, target = self.fresh()
        form = request.form.replace("<repository>", re.escape(target.repository))
        outcome = Outcome(request.form, way)
        self.hub.clear_log()
        self.hub.fail(Fault(f"^{form}$", skip=request.before, **fault))
        try:
            self.publish(upload, target)
        except SycoError as error:
            outcome.error = str(error)
        outcome.hit = any(entry.fault for entry in self.hub.log())
        self.hub.fail()
        if outcome.error:
            outcome.left_behind = self._titles(target)
            self.publish(upload, target)
        self._look(outcome, upload, target)
        return outcome

    def _titles(self, target: publishing.Target) -> list[str]:
        """Of all commits; empty where the repository is not there."""
        api, repo = self.hub.api(), {"repo_id": target.repository, "repo_type": target.kind}
        there = api.repo_exists(**repo)
        return [commit.title for commit in api.list_repo_commits(**repo)] if there else []

    def _look(self, outcome: Outcome, upload: uploads.Upload, target: publishing.Target) -> None:
        api, repo = self.hub.api(), {"repo_id": target.repository, "repo_type": target.kind}
        outcome.commits = self._titles(target)
        head = api.repo_info(**repo).sha
        outcome.tag_is_right = {t.name: t.target_commit for t in api.list_repo_refs(**repo).tags} == {upload.tag: head}
        tree = publishing.Remote(target.repository, target.kind, QUICK).tree(head)
        outcome.files_are_right = upload.differences(tree).none

    def fresh(self) -> tuple[uploads.Upload, publishing.Target]:
        """Another release, and a repository that is not there yet."""
        self.cases += 1
        folder = Small(seed=self.cases).write(self.work / str(self.cases))
        return uploads.of_release(folder), publishing.Target(self.name, "dataset", private=True)

    @property
    def name(self) -> str:
        return f"alice/case-{self.cases}"

    def publish(self, upload: uploads.Upload, target: publishing.Target) -> None:
        publishing.publish(upload, target, QUICK)


def form_of(name: str, repository: str) -> str:
    """A regular expression for requests like this one, of any repository and content."""
    name = re.escape(name).replace(re.escape(repository), "<repository>")
    return re.sub(r"[0-9a-f]{40,64}", "[0-9a-f]+", name)


def without_pauses() -> None:
    """The client's own pauses are as long as they are; only for a matrix they are cut short."""
    _http.time = SimpleNamespace(sleep=lambda seconds: time.sleep(min(seconds, 0.01)))


def main() -> None:
    without_pauses()
    matrix = Matrix(RunningHub(constants.ENDPOINT, Path(constants.HF_HOME)), Path(sys.argv[1]), *sys.argv[2:])
    print(json.dumps([asdict(outcome) for outcome in matrix.run()]))


if __name__ == "__main__":
    main()
