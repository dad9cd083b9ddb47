"""Which modules a stage's script imports, directly or through others, and their digests: the code behind a stage."""

import ast
import hashlib
from pathlib import Path

PACKAGES = ("syco_data", "stages")
# What these hold cannot change a stage's outputs: words of errors, progress bars, the types of params whose
# values DVC tracks, how a stage is started, and the names of folders.
WITHOUT_EFFECT = (
    "stages/__init__.py",
    "stages/folders.py",
    "syco_data/__init__.py",
    "syco_data/errors.py",
    "syco_data/progress.py",
    "syco_data/quiet.py",
    "syco_data/settings/",
)


def listing(script: Path, root: Path) -> str:
    """The script and its modules, a line each, in the form that `sha256sum -c` reads."""
    names = sorted({script.relative_to(root).as_posix(), *imported(script, root)})
    return "".join(f"{hashlib.sha256((root / name).read_bytes()).hexdigest()}  {name}\n" for name in names)


def listed(text: str) -> list[str]:
    """The paths of a listing."""
    return [line.split("  ", 1)[1] for line in text.splitlines()]


def imported(script: Path, root: Path) -> set[str]:
    """Paths, relative to `root`, of every module of the project that a script needs (itself left out)."""
    modules: set[str] = set()
    waiting = [script]
    while waiting:
        for path in _modules(waiting.pop(), root):
            name = path.relative_to(root).as_posix()
            if name not in modules and not name.startswith(WITHOUT_EFFECT):
                modules.add(name)
                waiting.append(path)
    return modules


def _modules(script: Path, root: Path) -> set[Path]:
    """The project's files that one file imports by name, inside functions too."""
    paths: set[Path] = set()
    for node in ast.walk(ast.parse(script.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            dotted = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            dotted = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        else:
            continue
        for name in dotted:
            if name.split(".")[0] in PACKAGES:
                base = root / name.replace(".", "/")
                paths |= {path for path in (base.with_suffix(".py"), base / "__init__.py") if path.is_file()}
    # Engines are loaded by their names in params.yaml: each file there may be the one.
    engines = root / "syco_data/engines/__init__.py"
    return paths | set(engines.parent.glob("*.py")) if engines in paths else paths
