"""The layout of the package: imports point one way, and a stage depends on no folder that its work does not need."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

from syco_data import modules

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "syco_data"

# What a stage must not run again for.
FOREIGN = {
    "acquire": {"diff", "engines", "evaluate", "filter", "finetune", "publish", "release", "report", "validate"},
    "claims": {"acquire", "engines", "hub", "prompts", "release", "report", "validate"},
    "prompts": {"acquire", "engines", "hub", "release", "report", "validate"},
    "filter": {"acquire", "diff", "evaluate", "finetune", "publish", "release", "report", "validate"},
    "select": {"acquire", "engines", "hub", "prompts", "release", "report", "validate"},
    "finetune": {"acquire", "diff", "evaluate", "filter", "publish", "release", "report", "validate"},
    "evaluate": {"acquire", "diff", "filter", "publish", "release", "report", "validate"},
    "validate": {"acquire", "diff", "engines", "evaluate", "finetune", "hub", "publish", "release", "report"},
}


def unit(path: Path) -> str:
    """The folder of the package that a module lies in, or the module's own name."""
    first, *below = path.relative_to(PACKAGE).parts
    return first if below else path.stem


def imports(path: Path) -> Iterator[str]:
    """Names below `syco_data` that a module imports, inside functions too."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("syco_data"):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.startswith("syco_data."))


def needs() -> dict[str, set[str]]:
    """Folder or loose module -> what it imports of the others."""
    graph: dict[str, set[str]] = {}
    for path in PACKAGE.rglob("*.py"):
        others = {name.split(".")[1] for name in imports(path) if name.count(".")}
        graph.setdefault(unit(path), set()).update(others - {unit(path)})
    return graph


def test_no_two_folders_need_each_other():
    try:
        order = list(TopologicalSorter(needs()).static_order())
    except CycleError as error:
        pytest.fail(f"a cycle: {' -> '.join(error.args[1])}")
    assert order.index("errors") < order.index("hub") < order.index("engines") < order.index("commands")


def test_a_cycle_would_be_noticed():
    with pytest.raises(CycleError):
        list(TopologicalSorter(needs() | {"errors": {"commands"}}).static_order())


@pytest.mark.parametrize("stage", FOREIGN)
def test_a_stage_needs_no_folder_that_its_work_does_not(stage):
    names = modules.imported(ROOT / "stages" / f"{stage}.py", ROOT)
    folders = {Path(name).parts[1] for name in names if name.startswith("syco_data/") and name.count("/") > 1}
    assert not folders & FOREIGN[stage]


@pytest.mark.parametrize("stage", sorted(path.stem for path in (ROOT / "stages").glob("*.py")))
def test_every_stage_with_a_params_group_has_a_folder_or_module_of_its_name(stage):
    if stage in ("__init__", "code", "folders", "tables", "baseline"):
        pytest.skip("no stage of its own work")
    assert (PACKAGE / stage).is_dir() or (PACKAGE / f"{stage}.py").is_file()


def test_every_module_can_be_imported():
    names = [path.relative_to(ROOT).with_suffix("").as_posix().replace("/", ".") for path in PACKAGE.rglob("*.py")]
    kept = sorted(name for name in names if not name.endswith("__main__"))
    code = "import importlib, sys\nfor name in sys.argv[1:]: importlib.import_module(name)"
    result = subprocess.run([sys.executable, "-c", code, *kept], cwd=ROOT, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
