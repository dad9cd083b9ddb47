"""Work in processes beside the checks: statistics, Great Expectations and they all hold Python's lock."""

import os
from collections.abc import Callable
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context, parent_process
from threading import Thread
from typing import TypeVar

from syco_data.errors import SycoError

Value = TypeVar("Value")


_PROCESSES: dict[str, ProcessPoolExecutor] = {}
"""One worker each, which stays with what it loaded."""


def submit(name: str, work: Callable[..., Value], *given) -> Future[Value]:
    """Has `work` done by the process of that name, after whatever it was given before."""
    if name not in _PROCESSES:
        _PROCESSES[name] = ProcessPoolExecutor(1, mp_context=get_context("spawn"), initializer=_end_with_parent)
    try:
        return _PROCESSES[name].submit(work, *given)
    except BrokenProcessPool:
        # It ended between two checks of this process.
        del _PROCESSES[name]
        return submit(name, work, *given)


def result(name: str, waited_for: Future[Value]) -> Value:
    """What the work returned. Raises what it raised, and `SycoError` where the process was ended from outside."""
    try:
        return waited_for.result()
    except BrokenProcessPool as error:
        raise SycoError(f"the {name} were ended from outside", "Is there memory enough? Run it again") from error


def _end_with_parent() -> None:
    """A process that was killed cannot tell this one to end: it looks after itself."""

    def wait() -> None:
        parent_process().join()
        os._exit(1)

    Thread(target=wait, daemon=True).start()
