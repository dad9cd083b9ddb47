"""Who may write to an out folder: one run, in as many processes as it likes.

A real kill: tests/finetune/test_finetuning.py."""

import os
import subprocess
import sys

import pytest

from syco_data.errors import SycoError
from syco_data.finetune import holding


def test_one_run_keeps_another_out_and_says_who_it_is(tmp_path):
    out = tmp_path / "tuned" / "arm"
    with holding.exclusive(out) as hold:
        for other in (holding.exclusive, holding.shared):
            with pytest.raises(SycoError, match="still writes to .*arm") as caught, other(out):
                pytest.fail("two runs in one folder")
            assert "\n" not in str(caught.value)
        if os.path.exists("/proc/locks"):
            assert str(caught.value).endswith(f"end it: kill {os.getpid()}")
        hold.share()
        with holding.shared(out), pytest.raises(SycoError), holding.exclusive(out):
            pytest.fail("a second start beside the processes of the first")
    with holding.exclusive(out):
        assert not out.exists(), "the lock lies beside the folder"


def test_another_folder_is_free(tmp_path):
    with holding.exclusive(tmp_path / "one"), holding.exclusive(tmp_path / "other"):
        assert {path.name for path in tmp_path.iterdir()} == {".one.lock", ".other.lock"}


def test_an_error_inside_goes_out_as_it_is(tmp_path):
    with pytest.raises(BlockingIOError), holding.exclusive(tmp_path / "arm"):
        raise BlockingIOError
    with holding.exclusive(tmp_path / "arm"):
        pass


def test_a_process_that_was_given_the_lock_holds_it_on(tmp_path):
    """What a killed stage's launcher does, which was started with the descriptor."""
    wait = [sys.executable, "-c", "import sys; sys.stdin.read()"]
    with holding.exclusive(tmp_path / "arm") as hold:
        started = subprocess.Popen(wait, stdin=subprocess.PIPE, pass_fds=[hold.descriptor])
    with pytest.raises(SycoError), holding.shared(tmp_path / "arm"):
        pytest.fail("the process still holds the folder")
    started.communicate()
    with holding.exclusive(tmp_path / "arm"):
        pass
