"""Chat templates are programs of strangers: they run in a process of their own, with little memory and time.

The sandbox of transformers keeps a template from files and from Python, not from looping for ever or from making a
text of any size. A process can be ended whatever it does.
"""

import json
import os
import signal
import subprocess
import sys
import weakref
from contextlib import suppress
from select import select
from typing import Any

SECONDS = 20.0  # for one text; the first of a process, with its start: START more
START = 100.0
MEMORY = 2 << 30  # bytes of address space
LARGEST = 1 << 20  # characters of a text


class Refused(Exception):
    """The template failed, or took more than it may."""


class Renderer:
    """Renders conversations; its process starts with the first and lives as long as this object."""

    def __init__(self) -> None:
        self._process: subprocess.Popen | None = None
        self._known: list | None = None  # template and variables that the process has

    def render(self, template: str, variables: dict[str, Any], messages: list[dict[str, str]], **options: bool) -> str:
        """The conversation as text.

        `variables` are what the template finds beside the messages: the special tokens, and `date_string`, which is
        the date of the day to it; `options` as of transformers' `apply_chat_template`. Raises `Refused`.
        """
        first = self._process is None
        if first:
            self._start()
        head = [] if self._known == [template, variables] else [template, variables]
        self._known = [template, variables]
        try:
            line = self._answer([*head, messages, options], SECONDS + START * first)
        except BaseException:  # what comes next would read the answer to this one
            self.close()
            raise
        if not line:
            self.close()
            raise Refused(f"it does not end within {SECONDS:.0f} seconds for one prompt")
        error, text = json.loads(line)
        if error:
            raise Refused(text)
        return text

    def _start(self) -> None:
        paths = os.pathsep.join(path or os.getcwd() for path in sys.path)
        self._process = subprocess.Popen(
            [sys.executable, "-c", f"from syco_data.engines.chat_rendering import serve; serve({SECONDS})"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
            env=os.environ | {"PYTHONPATH": paths, "PYTHONSAFEPATH": "1"},
        )  # fmt: skip
        weakref.finalize(self, _end, self._process)

    def _answer(self, request: list, seconds: float) -> bytes:
        """One line of the process, or nothing where it ended or is late."""
        try:
            self._process.stdin.write(json.dumps(request, default=str).encode() + b"\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            return b""
        content, pipe = b"", self._process.stdout.fileno()
        while not content.endswith(b"\n"):
            ready, _, _ = select([pipe], [], [], seconds)
            piece = os.read(pipe, 1 << 16) if ready else b""
            if not piece:
                return b""
            content += piece
        return content

    def close(self) -> None:
        """Ends the process; a later conversation starts another."""
        if self._process is not None:
            _end(self._process)
        self._process = self._known = None


def _end(process: subprocess.Popen) -> None:
    process.kill()
    process.wait()
    for pipe in (process.stdin, process.stdout):
        with suppress(OSError):
            pipe.close()


def serve(seconds: float) -> None:
    """The process: one JSON line in, one out, until nobody asks any more or a text takes too long."""
    import resource

    from transformers.utils.chat_template_utils import render_jinja_template

    with suppress(ValueError, OSError):  # not every system has this limit
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    # Answers have a pipe of their own: nothing that a library prints can pass for one.
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    template, variables = "", {}
    for line in sys.stdin.buffer:
        *head, messages, options = json.loads(line)
        template, variables = head or (template, variables)
        signal.setitimer(signal.ITIMER_REAL, seconds)  # ends this process, also where its parent is gone
        try:
            answer = _rendered(render_jinja_template, messages, template, variables | options)
        except MemoryError:
            answer = [True, f"it needs more than {MEMORY >> 30} GiB of memory for one prompt"]
        except Exception as error:  # a template may raise anything: jinja2 errors, ValueError, TypeError
            answer = [True, f"{error!s:.1000}" or type(error).__name__]
        signal.setitimer(signal.ITIMER_REAL, 0)
        answers.write(json.dumps(answer).encode() + b"\n")
        answers.flush()


def _rendered(render: Any, messages: list, template: str, variables: dict[str, Any]) -> list:
    date = variables.get("date_string", "")
    ((text,), _) = render([messages], chat_template=template, strftime_now=lambda _: date, **variables)
    if len(text) > LARGEST:
        return [True, f"it makes {len(text):,} characters of one prompt"]
    return [False, text]
