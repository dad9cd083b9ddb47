"""What libraries say is off unless it is asked for; errors and our own warnings are always shown."""

import subprocess
import sys
from pathlib import Path

import pytest

CODE = """
import logging, os, subprocess, sys, warnings
from syco_data import quiet
with quiet.libraries():
    warnings.warn("old name", FutureWarning)
    logging.getLogger("library").warning("loading")
    logging.getLogger("library").error("broken")
    logging.getLogger("syco_data.hub").warning("waiting for the Hub")
    subprocess.run([sys.executable, "-c", "import warnings; warnings.warn('child', DeprecationWarning)"])
    print(os.environ.get("VLLM_LOGGING_LEVEL"))
"""


def run(**environment: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-c", CODE], cwd=Path(__file__).parents[1], env=environment, capture_output=True, text=True
    )


def test_only_errors_and_our_own_warnings_are_shown():
    result = run()
    assert result.stderr.splitlines() == ["broken", "waiting for the Hub"] and result.stdout == "ERROR\n"


def test_what_the_user_has_set_stands():
    assert run(VLLM_LOGGING_LEVEL="INFO").stdout == "INFO\n"


@pytest.mark.parametrize("switch", ["1", "yes"])
def test_everything_is_shown_where_it_is_asked_for(switch):
    result = run(SYCO_VERBOSE=switch)
    for words in ("old name", "loading", "broken", "waiting for the Hub", "child"):
        assert words in result.stderr
    assert result.stdout == "None\n"
