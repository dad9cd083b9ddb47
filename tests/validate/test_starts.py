"""Stage validate starts soundly every time: its threads load libraries while checks run, and none sees half of one."""

import ast
import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.support.tables_for_tests import make, small_settings

ROOT = Path(__file__).resolve().parents[2]
RULES = {
    "proportional": {"sampling": "proportional"},
    "balanced": {"sampling": "balanced"},
    "shares": {"sampling": {"sst2": 0.5, "qqp": 0.5}, "rows": 600},
}
STARTS = 10
# What can collide, and no more: the thread of Great Expectations loads scipy as that does, and at the worst moment the
# bounds of the shares ask for it.
START = """
import json, sys, time, types
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import MagicMock
from syco_data.validate import expectations, prompt_checks

def loads_scipy(target):
    from scipy import stats
    assert stats.norm and stats.hypergeom
    return MagicMock()

expectations._context = loads_scipy
sampling = json.loads(sys.argv[1])
chosen = SimpleNamespace(prompts=SimpleNamespace(cap=None, **{"rows": 400, **sampling}),
                         checks=SimpleNamespace(false_alarm_rate=0.001))
with expectations.Pages(Path(sys.argv[2])) as pages:
    while type(sys.modules.get("scipy.stats")) is not types.ModuleType:
        time.sleep(0.0001)
    assert len(prompt_checks.least_counts({"sst2": 1000, "qqp": 3000}, chosen)) == 2
    pages._tasks[0].result()
"""
WHOLE = """
import json, sys
from pathlib import Path
from stages import validate
from syco_data.validate import findings
from tests.support.tables_for_tests import Made, small_settings
folder = Path(sys.argv[2])
chosen = small_settings(prompts=json.loads(sys.argv[1]))
findings.require(validate.check(Made(folder / "data", chosen).tables, chosen, folder / "reports", folder / "pages"))
assert (folder / "pages/index.html").is_file()
"""


def started(script: str, rule: str, folder: Path) -> str:
    """What a fresh process says that ends badly; nothing if it ends well."""
    result = subprocess.run(
        [sys.executable, "-c", script, json.dumps(RULES[rule]), str(folder)],
        cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True,
    )  # fmt: skip
    return result.stderr[-2000:] if result.returncode else ""


@pytest.mark.slow
@pytest.mark.parametrize("rule", RULES)
def test_every_start_is_sound(rule, tmp_path):
    with ThreadPoolExecutor(2) as pool:
        text = list(pool.map(lambda number: started(START, rule, tmp_path / str(number)), range(STARTS)))
    assert text == [""] * STARTS


@pytest.mark.slow
@pytest.mark.parametrize("rule", RULES)
def test_a_whole_build_is_checked_from_a_fresh_start(rule, tmp_path):
    make(tmp_path / "data", small_settings(prompts=RULES[rule]))
    assert started(WHOLE, rule, tmp_path) == ""


@pytest.mark.parametrize("path", sorted([*ROOT.glob("syco_data/**/*.py"), *ROOT.glob("stages/*.py")]), ids=str)
def test_no_module_is_replaced_behind_its_back(path):
    """Nobody else's import gets another module than it asked for, and none is loaded later than it says."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    names = {ast.unparse(node) for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    assert not [name for name in names if name.endswith(("LazyLoader", "meta_path", "path_hooks"))]
    assert not [
        ast.unparse(node)
        for node in ast.walk(tree)
        if isinstance(node, ast.Subscript | ast.Attribute) and not isinstance(node.ctx, ast.Load)
        if ast.unparse(node).startswith("sys.modules")
    ]
