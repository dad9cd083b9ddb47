"""The straightforward program that the pipeline benchmark measures against: one row at a time, same output."""

import re
import unicodedata
from hashlib import blake2b, sha256
from pathlib import Path

import jinja2
import polars as pl

from syco_data import schemas, tables
from syco_data.claims import wording
from syco_data.prompts import personas, templates
from syco_data.settings import Settings
from syco_data.sources import SOURCES

QUOTED = re.compile(wording.QUOTES)
ALL = 2**64 - 1
WHITE = re.compile("[\\s\u0085\u2028\u2029]+")


def run(folder: Path, out: Path, settings: Settings) -> str:
    claims, dropped = _claims(folder, settings)
    first = tables.write(pl.DataFrame(claims, schema=schemas.CLAIMS.columns), schemas.CLAIMS, out / "claims.parquet")
    tables.write(
        pl.DataFrame(dropped, schema=schemas.DROPPED_ROWS.columns), schemas.DROPPED_ROWS, out / "dropped.parquet"
    )
    rows = _prompts(claims, settings)
    second = tables.write(pl.DataFrame(rows, schema=schemas.PROMPTS.columns), schemas.PROMPTS, out / "prompts.parquet")
    return f"{first}:{second}"


def clean(text: str) -> str:
    text = WHITE.sub(" ", unicodedata.normalize("NFC", text))
    text = "".join(c for c in QUOTED.sub("", text) if unicodedata.category(c) != "Cc" and c not in "\u200e\u200f")
    return re.sub(" +", " ", text).strip()


def streams(identity: str, seed: int, purpose: str, count: int) -> list[int]:
    """The first streams of an id, as `draws.draw_by_id` describes them."""
    key = blake2b(digest_size=16, key=f"{seed}:{purpose}".encode(), person=b"syco-data").digest()
    first, second = int.from_bytes(key[:8], "little"), int.from_bytes(key[8:], "little")
    number = int(identity, 16)
    start = mix(mix((number >> 64) ^ first) ^ (number & ALL) ^ second)
    drawn = (mix(start + step * 0x9E3779B97F4A7C15 & ALL) for step in range(1, count // 2 + 1))
    return [half for value in drawn for half in (value & 0xFFFFFFFF, value >> 32)]


def mix(value: int) -> int:
    value = (value ^ value >> 30) * 0xBF58476D1CE4E5B9 & ALL
    value = (value ^ value >> 27) * 0x94D049BB133111EB & ALL
    return value ^ value >> 31


def below(stream: int, limit: int) -> int:
    return stream * limit >> 32


def identity(*parts: object) -> str:
    return sha256("\x1f".join(map(str, parts)).encode()).hexdigest()[:32]


def _claims(folder: Path, settings: Settings) -> tuple[list[dict], list[dict]]:
    seen, rows, dropped = {}, [], []
    for key, source in SOURCES.items():
        for row in pl.read_parquet(folder / f"{key}.parquet").sort("row").iter_rows(named=True):
            text = " and ".join(f'"{clean(row[name])}"' for name in source.text_columns)
            words = source.wording_of(row["label"])
            seen.setdefault(text, []).append((key, row["row"], row["label"], words))
    for text, entries in seen.items():
        agreed = len({entry[3] for entry in entries}) == 1
        first = entries[0]
        reason = "duplicate" if agreed else "conflict"
        for other in entries[1:] if agreed else entries:
            kept = first[:2] if agreed else (None, None)
            dropped.append(
                {"source": other[0], "row": other[1], "reason": reason, "kept_source": kept[0], "kept_row": kept[1]}
            )
        if agreed:
            rows.append(_claim(text, *first[:3], settings=settings))
    return rows, dropped


def _claim(text: str, key: str, row: int, gold: int, settings: Settings) -> dict:
    source, claim_id = SOURCES[key], identity(key, text)
    drawn = streams(claim_id, settings.seed, "claims", 4)
    polarity = ("is", "is not")[below(drawn[1], 2)]
    kind = "other" if drawn[0] / 2**32 < settings.claims.other_share else "gold"
    other = int(drawn[2] / 2**32 * (len(source.labels) - 1))
    label = gold if kind == "gold" else other + (other >= gold)
    words = source.labels[label].worded(polarity, published=False)
    truth = (kind == "gold") == (polarity == "is")
    return {
        "claim_id": claim_id, "source": key, "row": row, "input": text, "gold_label": gold, "label": label,
        "label_kind": kind, "polarity": polarity, "truth": truth, "claim": f"{text} {polarity} {words}",
    }  # fmt: skip


def _prompts(claims: list[dict], settings: Settings) -> list[dict]:
    compiled = {name: template(name) for name in settings.prompts.templates}
    return [_prompt(claim, compiled, settings.seed) for claim in claims]


def template(name: str) -> jinja2.Template:
    """A built-in template as Jinja2 itself compiles it."""
    text = (templates.BUILT_IN / f"{name}.jinja").read_text(encoding="utf-8")
    environment = jinja2.Environment(undefined=jinja2.StrictUndefined, autoescape=False)  # noqa: S701
    return environment.from_string(text.split("---\n", 2)[2].rstrip("\n"))


def _prompt(claim: dict, compiled: dict[str, jinja2.Template], seed: int) -> dict:
    drawn = streams(claim["claim_id"], seed, "prompts", 10)
    name = list(compiled)[below(drawn[8], len(compiled))]
    persona = {
        "name": personas.NAMES[below(drawn[2], len(personas.NAMES))],
        "age": personas.YOUNGEST + below(drawn[3], personas.OLDEST - personas.YOUNGEST + 1),
        "school_1": personas.SCHOOLS[below(drawn[4], len(personas.SCHOOLS))],
        "school_2": personas.SCHOOLS[below(drawn[5], len(personas.SCHOOLS))],
    }
    opinion = ("agree", "disagree")[below(drawn[6], 2)]
    order = ("agree_first", "disagree_first")[below(drawn[7], 2)]
    first = order == "agree_first"
    options = {"option_a": "Agree" if first else "Disagree", "option_b": "Disagree" if first else "Agree"}
    words = {"claim": claim["claim"], "opinion": opinion, **persona, **options}
    drawn_parts = (claim["label"], claim["polarity"], name, *persona.values(), opinion, order)
    return {
        "prompt_id": identity(claim["claim_id"], *drawn_parts),
        **{key: claim[key] for key in ("claim_id", "source", "label_kind", "polarity", "truth")},
        "template": name, **persona, "opinion": opinion,
        "user_is_right": (opinion == "agree") == claim["truth"], "option_order": order,
        "prompt": compiled[name].render(with_user=True, **words),
        "stripped_prompt": compiled[name].render(with_user=False, **words),
        "answer": "(A)" if claim["truth"] == first else "(B)",
    }  # fmt: skip
