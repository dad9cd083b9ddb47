"""What libraries print about themselves is off; SYCO_VERBOSE=1 lets it through. Errors are always shown."""

import logging
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

SWITCH = "SYCO_VERBOSE"
_CATEGORIES = (DeprecationWarning, FutureWarning, UserWarning)
_ENVIRONMENT = {
    # Processes that libraries start read it too.
    "PYTHONWARNINGS": ",".join(f"ignore::{category.__name__}" for category in _CATEGORIES),
    "GLOG_minloglevel": "2",
    "HF_HUB_VERBOSITY": "error",
    "TORCH_CPP_LOG_LEVEL": "ERROR",
    "TRANSFORMERS_VERBOSITY": "error",
    "TRL_EXPERIMENTAL_SILENCE": "1",
    "VLLM_LOGGING_LEVEL": "ERROR",
}
"""Read by the libraries when they are imported; a variable that the user has set stands."""


def wanted() -> bool:
    """Whether the user asks for the words of libraries."""
    return os.environ.get(SWITCH, "0") not in ("", "0")


@contextmanager
def libraries() -> Iterator[None]:
    """Around a command or a stage, before it imports a model library."""
    if wanted():
        yield
        return
    for name, value in _ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    root, ours = logging.getLogger(), logging.getLogger("syco_data")
    levels = root.level, ours.level
    with warnings.catch_warnings():
        for category in _CATEGORIES:
            warnings.simplefilter("ignore", category)
        root.setLevel(logging.ERROR)
        ours.setLevel(logging.WARNING)
        try:
            yield
        finally:
            root.setLevel(levels[0])
            ours.setLevel(levels[1])
