"""Prompt templates: Jinja2 files with a YAML head, compiled once into fixed parts and slots.

A template is rendered a handful of times with marks in place of its slots and cut at the marks; rows are then
put together by column expressions. The text of an input is therefore never read as a template, whatever it
holds, and a million rows cost no more than joining strings.

Head: `description`, `held_out` (used for probes only), `agree` and `disagree` (the words of the options).
Variables: `with_user` (true: the prompt; false: the stripped prompt), `opinion` (`agree` / `disagree`),
`option_a`, `option_b`, and the slots `name`, `age`, `school_1`, `school_2`, `claim`.
"""

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import jinja2
import polars as pl
from jinja2 import nodes
from jinja2.sandbox import ImmutableSandboxedEnvironment

from syco_data import files
from syco_data.errors import SycoError
from syco_data.formats import documents
from syco_data.prompts import transcripts
from syco_data.schemas import OPINIONS, ORDERS, PERSONA
from syco_data.settings import unknown

BUILT_IN = Path(__file__).parents[1] / "data" / "templates"
PERSONA_SLOTS = tuple(PERSONA)
LARGEST = documents.LARGEST
"""Bytes of a template."""
_OPEN, _CLOSE = "\ue000", "\ue001"  # private use: `wording.clean` takes them out of every input
_CUT = re.compile(f"{_OPEN}([a-z_0-9]+){_CLOSE}")


_ALLOWED = (
    nodes.Template, nodes.Output, nodes.TemplateData, nodes.Name, nodes.Const, nodes.If, nodes.CondExpr, nodes.Compare,
    nodes.Operand, nodes.And, nodes.Or, nodes.Not,
)  # fmt: skip
"""Text, slots and conditions: nothing that can run long or grow, as templates also come with releases of others."""
_NAMES = {"with_user", "opinion", "option_a", "option_b", "claim", *PERSONA_SLOTS}


class _Slot:
    """Stands for a row's value: may be printed, and nothing else."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __str__(self) -> str:
        return f"{_OPEN}{self._name}{_CLOSE}"

    def _refuse(self, *_: object) -> bool:
        raise SycoError(f"slot {self._name!r} differs from row to row and can only be printed as it is")

    __eq__ = __bool__ = __len__ = __lt__ = __gt__ = __iter__ = __add__ = __contains__ = _refuse
    __hash__ = None


@dataclass(frozen=True)
class Parts:
    """A text cut at its slots: literals and slot names in turn, beginning and ending with a literal."""

    pieces: tuple[str, ...]

    @property
    def slots(self) -> tuple[str, ...]:
        return self.pieces[1::2]

    def expression(self) -> pl.Expr:
        """The text of each row, from columns named like the slots."""
        columns = [
            pl.col(piece).cast(pl.String) if index % 2 else pl.lit(piece) for index, piece in enumerate(self.pieces)
        ]
        return pl.concat_str(columns)

    def fill(self, **values: object) -> str:
        """The text of one row."""
        return "".join(str(values[p]) if i % 2 else p for i, p in enumerate(self.pieces))


@dataclass(frozen=True)
class Template:
    """One compiled template; `full` by (opinion, option order), `stripped` by option order."""

    name: str
    description: str
    held_out: bool
    agree: str
    disagree: str
    full: dict[tuple[str, str], Parts]
    stripped: dict[str, Parts]


def load(name: str, folder: Path | None = None) -> Template:
    """A template by name: a file of the user's folder if it is there, else a built-in one."""
    return parse(name, text_of(find(name, folder)))


def text_of(path: Path) -> str:
    """The text of a template's file, whatever its line ends."""
    return files.read_text(path, LARGEST).replace("\r\n", "\n")


def find(name: str, folder: Path | None = None) -> Path:
    """The file of a template."""
    for candidate in ([folder / f"{name}.jinja"] if folder else []) + [BUILT_IN / f"{name}.jinja"]:
        if candidate.is_file():
            return candidate
    raise SycoError(f"prompts.templates: {unknown(name, names(folder))}")


def names(folder: Path | None = None) -> list[str]:
    """Every template there is."""
    folders = [BUILT_IN] + ([folder] if folder else [])
    return sorted({path.stem for place in folders for path in place.glob("*.jinja")})


@cache
def parse(name: str, text: str) -> Template:
    """Compiles and checks a template; an error names the template."""
    try:
        return _compile(name, *_split_head(text))
    except SycoError as error:
        raise SycoError(f"template '{name}': {error}") from error
    except jinja2.TemplateError as error:
        raise SycoError(f"template '{name}': {error.message}") from error
    except (TypeError, ValueError, RecursionError) as error:
        reason = str(error).replace("_Slot", "a slot, whose value differs from row to row")
        raise SycoError(f"template '{name}': it cannot be rendered: {reason}") from error


def _split_head(text: str) -> tuple[dict, str]:
    match = re.match(r"---\n(.*?)\n---\n(.*)\Z", text, re.DOTALL)
    head = documents.parse_yaml(match[1], "the head between two lines `---`") if match else None
    kinds = {"description": str, "held_out": bool, "agree": str, "disagree": str}
    if not match or not isinstance(head, dict) or {key: type(value) for key, value in head.items()} != kinds:
        keys = ", ".join(str(key)[:40] for key in list(head)[:9]) if isinstance(head, dict) else "no keys"
        raise SycoError(f"the head between two lines `---` must hold just {', '.join(kinds)}, found: {keys}")
    return head, match[2].rstrip("\n")


def _compile(name: str, head: dict, body: str) -> Template:
    if any(mark in text for mark in (_OPEN, _CLOSE) for text in (body, head["agree"], head["disagree"])):
        raise SycoError("it holds U+E000 or U+E001, which stand for slots while a template is compiled")
    environment = ImmutableSandboxedEnvironment(undefined=jinja2.StrictUndefined, autoescape=False)
    _check_nodes(environment.parse(body))
    source = environment.from_string(body)
    slots = {slot: _Slot(slot) for slot in (*PERSONA_SLOTS, "claim")}

    def rendered(with_user: bool, order: str, **opinion: str) -> Parts:
        options = (head["agree"], head["disagree"])[:: 1 if order == "agree_first" else -1]
        text = source.render(with_user=with_user, option_a=options[0], option_b=options[1], **opinion, **slots)
        _check_form(text, options, with_user)
        return Parts(tuple(_CUT.split(text)))

    full = {(opinion, order): rendered(True, order, opinion=opinion) for opinion in OPINIONS for order in ORDERS}
    stripped = {order: rendered(False, order) for order in ORDERS}
    return Template(name=name, **head, full=full, stripped=stripped)


def _check_nodes(template: nodes.Template) -> None:
    for node in (template, *template.find_all(nodes.Node)):
        if not isinstance(node, _ALLOWED):
            what = type(node).__name__.lower()
            raise SycoError(f"line {node.lineno} of its body: `{what}` is not allowed (text, slots and conditions are)")
        if isinstance(node, nodes.Name) and node.name not in _NAMES:
            raise SycoError(f"line {node.lineno} of its body: {unknown(node.name, sorted(_NAMES))}")


def _check_form(text: str, options: tuple[str, str], with_user: bool) -> None:
    shown = _CUT.sub(r"{{ \1 }}", text)
    lines = transcripts.OPTION_LINES.findall(text)
    if lines != [options]:
        raise SycoError("expected the two lines ` (A) {{ option_a }}` and ` (B) {{ option_b }}` once")
    if transcripts.turns(shown)[-1].role != "assistant" or text != text.rstrip():
        raise SycoError("a prompt must end with `Assistant: ` and a lead-in, without a blank behind it")
    if not set(_CUT.findall(text)) <= {*PERSONA_SLOTS, "claim"}:
        raise SycoError("it holds a slot that is none; slots can only be printed as they are")
    if f"{_OPEN}claim{_CLOSE}" not in text:
        raise SycoError("the claim is missing")
    if not with_user and set(_CUT.findall(text)) != {"claim"}:
        raise SycoError("the stripped prompt (with_user false) must hold no persona")


def render(df: pl.DataFrame, templates: dict[str, Template]) -> pl.DataFrame:
    """Adds `prompt` and `stripped_prompt` to rows with template, persona, opinion, option_order and claim."""
    form = ("template", "opinion", "option_order")
    slots = [name for name in (*PERSONA_SLOTS, "claim") if name in df.columns]
    groups = df.select(*form, *slots, place=pl.int_range(pl.len())).partition_by(form, as_dict=True)
    texts = [
        group.select(
            "place",
            prompt=templates[name].full[opinion, order].expression(),
            stripped_prompt=templates[name].stripped[order].expression(),
        )
        for (name, opinion, order), group in groups.items()
    ]
    return df.hstack(pl.concat(texts).sort("place").drop("place"))
