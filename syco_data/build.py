"""The tables of a build: the only list of them. Stages, checks and releases take from it where a table lies, what
findings call it and which columns it has, so that none of them can leave one out.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Annotated, Any, get_type_hints

from syco_data import schemas
from syco_data.schemas import Schema
from syco_data.sources import SOURCES


@dataclass(frozen=True)
class Kind:
    """One kind of table: there is one table for each combination of the names in `per`.

    `name` is what findings call it, `file` where it lies below the folder of outs. `schema` None: that of its source.
    `drops` is the stage whose dropped rows it holds, if it holds such rows.
    """

    name: str
    file: str
    schema: Schema | None
    per: tuple[str, ...] = ()
    drops: str | None = None


@dataclass(frozen=True)
class Entry:
    """One table of a build; `drops` as in `Kind`, `model` and `arm` where it belongs to one."""

    name: str
    path: Path
    schema: Schema
    drops: str | None
    model: str | None
    arm: str | None


@dataclass(frozen=True)
class Tables:
    """Where the tables of one build lie: a path, or paths by source, by model, or by (model, arm)."""

    raw: Annotated[dict[str, Path], Kind("raw/{source}", "raw/{source}/rows.parquet", None, ("source",))]
    claims: Annotated[Path, Kind("claims", "claims/claims.parquet", schemas.CLAIMS)]
    dropped_rows: Annotated[
        Path, Kind("claims/dropped", "claims/dropped.parquet", schemas.DROPPED_ROWS, drops="claims")
    ]
    prompts: Annotated[Path, Kind("prompts", "prompts/prompts.parquet", schemas.PROMPTS)]
    not_sampled: Annotated[
        Path, Kind("prompts/dropped", "prompts/dropped.parquet", schemas.NOT_SAMPLED, drops="prompts")
    ]
    probes: Annotated[Path, Kind("probes", "probes/probes.parquet", schemas.PROBES)]
    unused_probes: Annotated[
        Path, Kind("probes/dropped", "probes/dropped.parquet", schemas.UNUSED_ROWS, drops="probes")
    ]
    verdicts: Annotated[
        dict[str, Path],
        Kind("verdicts/{model}", "verdicts/{model}/verdicts.parquet", schemas.VERDICTS, ("model",)),
    ]
    train: Annotated[
        dict[tuple[str, str], Path],
        Kind("train/{model}/{arm}", "train/{model}/{arm}/train.parquet", schemas.TRAIN, ("model", "arm")),
    ]
    dropped_prompts: Annotated[
        dict[tuple[str, str], Path],
        Kind("train/{model}/{arm}/dropped", "train/{model}/{arm}/dropped.parquet", schemas.DROPPED_PROMPTS,
             ("model", "arm"), drops="select"),
    ]  # fmt: skip

    @classmethod
    def below(cls, data: Path, sources: Iterable[str], models: Iterable[str], arms: Iterable[str]) -> "Tables":
        """The tables of a build whose outs lie in the folder `data`."""
        names = {"source": list(sources), "model": list(models), "arm": list(arms)}
        return cls(**{name: _paths(kind, data, names) for name, kind in KINDS.items()})

    def entries(self) -> Iterator[Entry]:
        """Every table, in the order in which a build makes them."""
        for name, kind in KINDS.items():
            paths = getattr(self, name)
            for key, path in paths.items() if kind.per else [((), paths)]:
                yield _entry(kind, dict(zip(kind.per, (key,) if isinstance(key, str) else key, strict=True)), path)


KINDS: dict[str, Kind] = {
    name: hint.__metadata__[0] for name, hint in get_type_hints(Tables, include_extras=True).items()
}


def _paths(kind: Kind, data: Path, names: dict[str, list[str]]) -> Any:
    """The paths of one kind, as `Tables` has them."""
    paths = {
        combination: data / kind.file.format(**dict(zip(kind.per, combination, strict=True)))
        for combination in product(*(names[one] for one in kind.per))
    }
    if not kind.per:
        return paths[()]
    return {one[0]: path for one, path in paths.items()} if len(kind.per) == 1 else paths


def _entry(kind: Kind, names: dict[str, str], path: Path) -> Entry:
    schema = kind.schema or schemas.raw(SOURCES[names["source"]])
    return Entry(kind.name.format(**names), path, schema, kind.drops, names.get("model"), names.get("arm"))
