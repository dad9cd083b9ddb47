"""`python -m benchmarks [name ...]`: the benchmarks of this folder, all or by name, one after the other.

Figures are ratios from one run on one machine; nothing is asserted.
"""

import sys
from importlib import import_module
from pathlib import Path

from syco_data.settings import unknown

# Modules that are part of a benchmark, or need a machine that not everybody has.
NOT_ALONE = {"__init__", "__main__", "rowwise", "gpu_check", "gpu_tuning"}


def names() -> list[str]:
    """The benchmarks that run everywhere."""
    return sorted(path.stem for path in Path(__file__).parent.glob("*.py") if path.stem not in NOT_ALONE)


def main() -> None:
    to_run = sys.argv[1:] or names()
    valid = sorted({*names(), "gpu_check"})
    for name in to_run:
        if name not in valid:
            sys.exit(f"benchmarks: {unknown(name, valid)}")
    for name in to_run:
        print(f"== {name}", flush=True)
        import_module(f"benchmarks.{name}").main()


if __name__ == "__main__":
    main()
