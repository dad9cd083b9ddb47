"""Which modules of this package a stage imports, directly or through others: what its DVC deps must name."""

import ast
from pathlib import Path

# What these hold cannot change a stage's outputs: words of errors, progress bars, the types of params whose
# values DVC tracks, and the names of folders.
WITHOUT_EFFECT = ("syco_data/__init__.py", "syco_data/errors.py", "syco_data/progress.py", "syco_data/settings/")


def imported(script: Path, root: Path) -> set[str]:
    """Paths, relative to `root`, of every module below `syco_data` that a script needs (itself left out)."""
    found: set[str] = set()
    waiting = [script]
    while waiting:
        for path in _modules(waiting.pop(), root):
            name = path.relative_to(root).as_posix()
            if name not in found and not name.startswith(WITHOUT_EFFECT):
                found.add(name)
                waiting.append(path)
    return found


def _modules(script: Path, root: Path) -> set[Path]:
    """The package's files that one file imports by name, inside functions too."""
    paths: set[Path] = set()
    for node in ast.walk(ast.parse(script.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            dotted = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            dotted = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        else:
            continue
        for name in dotted:
            if name.split(".")[0] == "syco_data":
                base = root / name.replace(".", "/")
                paths |= {path for path in (base.with_suffix(".py"), base / "__init__.py") if path.is_file()}
    # Engines are loaded by their names in params.yaml: each file there may be the one.
    engines = root / "syco_data/engines/__init__.py"
    return paths | set(engines.parent.glob("*.py")) if engines in paths else paths


def write(root: Path) -> None:
    """Puts the imported modules of every stage into dvc.yaml, keeping everything else as it stands."""
    from ruamel.yaml import YAML

    editor = YAML()
    editor.width, editor.preserve_quotes = 4096, True
    editor.indent(mapping=2, sequence=4, offset=2)
    graph = editor.load((root / "dvc.yaml").read_text(encoding="utf-8"))
    for name, stage in graph["stages"].items():
        body = stage.get("do", stage)
        wanted = imported(root / "stages" / f"{name}.py", root) | {f"stages/{name}.py"}
        others = [dep for dep in body["deps"] if not str(dep).endswith(".py")]
        data = [dep for dep in others if str(dep).startswith("data/")]
        body["deps"] = data + sorted(wanted | {dep for dep in others if dep not in data})
    with (root / "dvc.yaml").open("w", encoding="utf-8") as out:
        editor.dump(graph, out)


if __name__ == "__main__":
    write(Path(__file__).resolve().parents[1])
