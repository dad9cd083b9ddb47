"""How a text and its answer options become questions to a model, and the answers option log-probabilities.

An option's score is the log-probability of its completion after the text, up to and including the letter.
What the options have in common before and behind the letter (`" ("` and `")"` of `" (A)"`, `" (B)"`) does not
count: the differing tokens of the whole completions do. There are two scoring modes:

- `letter`: the options' letters are single tokens after text + `" ("`: one prefill, two candidates;
- `whole`: the completions are tokenised whole; from the end of their common tokens on, each option's tokens up
  to the one that holds the letter are scored one after the other.

The first is a special case of the second and gives the same figures; it is taken where a check of the
tokenizer proves it. No engine is needed here: a `Query` asks for log-probabilities of some next tokens.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import takewhile
from typing import Any, NamedTuple, Protocol

from syco_data.errors import SycoError

# Part of every score's key: raise it when the meaning of a score changes.
VERSION = 2  # 2: logits in float32 whatever the model's type
LETTER, WHOLE, AUTO = "letter", "whole", "auto"
BORDER = 64  # characters at the end of a text that decide how what follows is tokenised
PROBES = 4  # texts per border that are tokenised whole, on top of the proof


class Indistinct(SycoError):
    """Options that have the same tokens in a model's tokenizer."""


class Request(NamedTuple):
    """A text to continue and its options, each with its leading blank: `(" (A)", " (B)")`."""

    text: str
    options: tuple[str, ...]


class Query(NamedTuple):
    """Token ids of a prefix, and the next tokens whose log-probabilities are needed."""

    ids: tuple[int, ...]
    candidates: tuple[int, ...]


@dataclass(frozen=True)
class OptionScores:
    """Log-probabilities in nats, in the order of the options; None when the text is too long for the model.

    `tokens` is the length of the longest prefix that was run, `mode` is `letter` or `whole`.
    """

    logprobs: tuple[float, ...] | None
    tokens: int
    mode: str


@dataclass(frozen=True, slots=True)
class Plan:
    """The queries of one request; `steps[i]` are the (query, candidate) pairs whose sum scores option i."""

    queries: tuple[Query, ...]
    steps: tuple[tuple[tuple[int, int], ...], ...]
    mode: str

    @property
    def tokens(self) -> int:
        return max([len(query.ids) for query in self.queries])

    def scores(self, answers: Sequence[Sequence[float]]) -> tuple[float, ...]:
        """Option log-probabilities from the answers to `queries`, in nats."""
        return tuple([sum([answers[query][candidate] for query, candidate in option]) for option in self.steps])


class Spans(NamedTuple):
    """Token ids of a text and the character position where each token ends."""

    ids: list[int]
    ends: list[int]


class TokenMap(Protocol):
    """What planning needs of a tokenizer."""

    def ids(self, texts: list[str]) -> list[list[int]]: ...
    def spans(self, texts: list[str]) -> list[Spans]: ...
    def is_local(self, border: str, options: tuple[str, ...]) -> bool:
        """Whether how `options` are tokenised after a text depends on its last characters, `border`, alone."""


@dataclass(frozen=True)
class _Border:
    """What was verified for one border: appending `lead` leaves each option one token, `candidates`."""

    lead: str
    candidates: tuple[int, ...]
    mode: str

    @cached_property
    def steps(self) -> tuple[tuple[tuple[int, int], ...], ...]:
        """Those of every plan: one query, each option one candidate of it."""
        return tuple(((0, candidate),) for candidate in range(len(self.candidates)))


class _Candidates(NamedTuple):
    """One token per option; `exact` when each ends where its letter ends."""

    ids: tuple[int, ...]
    exact: bool


class Planner:
    """Turns requests into plans for one tokenizer; remembers what it has verified about borders."""

    def __init__(self, tokens: TokenMap, policy: str) -> None:
        self._tokens, self._policy = tokens, policy
        self._borders: dict[tuple[str, tuple[str, ...]], _Border | None] = {}

    def plan(self, requests: Sequence[Request]) -> list[Plan]:
        """One plan per request, in order.

        Raises `SycoError` when the tokenizer cannot tell the options apart.
        """
        borders = self._verified(requests)
        quick = [(request, border) for request, border in zip(requests, borders, strict=True) if border is not None]
        slow = [request for request, border in zip(requests, borders, strict=True) if border is None]
        prefixes = iter(self._tokens.ids([request.text + border.lead for request, border in quick]))
        whole = iter(self._whole(slow))
        return [next(whole) if border is None else _one_step(next(prefixes), border) for border in borders]

    def _verified(self, requests: Sequence[Request]) -> list[_Border | None]:
        """What is known of each request's border; proves those that are met for the first time."""
        if self._policy == WHOLE:
            return [None] * len(requests)
        keys = [(text[-BORDER:], options) for text, options in requests]
        probes: dict[tuple[str, tuple[str, ...]], list[Request]] = {}
        for key, request in zip(keys, requests, strict=True):
            if key not in self._borders and len(alike := probes.setdefault(key, [])) < PROBES:
                alike.append(request)
        for key, alike in probes.items():
            self._borders[key] = self._verify(key[0], alike)
        return [self._borders[key] for key in keys]

    def _verify(self, border: str, probes: list[Request]) -> _Border | None:
        """The longest common beginning of the options after which each one is a single token, or None."""
        options = probes[0].options
        if not self._tokens.is_local(border, options):
            return None
        start = options[0][: _common(options)]
        for lead in (start[:size] for size in range(len(start), -1, -1)):
            different = {self._candidates(probe, lead) for probe in probes}
            if len(different) == 1 and (candidates := different.pop()) is not None:
                return _Border(lead, candidates.ids, LETTER if lead == start and candidates.exact else WHOLE)
        return None

    def _candidates(self, request: Request, lead: str) -> _Candidates | None:
        """The single tokens that the options are after text + lead; None if it is otherwise."""
        base = self._tokens.ids([request.text + lead])[0]
        wholes = self._tokens.spans([request.text + option for option in request.options])
        size, lasts = len(base), _letter_ends(request)
        for whole, last in zip(wholes, lasts, strict=True):
            if whole.ids[:size] != base or len(whole.ids) <= size or whole.ends[size] < last:
                return None
        ids = tuple(whole.ids[size] for whole in wholes)
        exact = all(whole.ends[size] == last for whole, last in zip(wholes, lasts, strict=True))
        return _Candidates(ids, exact) if len(set(ids)) == len(ids) else None

    def _whole(self, requests: list[Request]) -> Iterable[Plan]:
        texts = [request.text + option for request in requests for option in request.options]
        spans = iter(self._tokens.spans(texts))
        for request in requests:
            yield _many_steps(request, [next(spans) for _ in request.options], self._policy)


def _letter_ends(request: Request) -> list[int]:
    """Where each option's counted part ends in text + option: common closing marks do not count."""
    backwards = [option[::-1] for option in request.options]
    closing = backwards[0][: _common(backwards)]
    marks = next((size for size, mark in enumerate(closing) if mark.isalnum()), len(closing))
    return [len(request.text) + len(option) - marks for option in request.options]


def _one_step(ids: list[int], border: _Border) -> Plan:
    return Plan((Query(tuple(ids), border.candidates),), border.steps, border.mode)


def _many_steps(request: Request, wholes: list[Spans], policy: str) -> Plan:
    """The differing tokens of the whole completions, each after the prefix it stands behind."""
    counted = [
        tuple(whole.ids[: _first(whole.ends, last) + 1])
        for whole, last in zip(wholes, _letter_ends(request), strict=True)
    ]
    common = _common(counted)
    if common == 0 or any(len(ids) == common for ids in counted):
        raise Indistinct(
            f"this model's tokenizer does not tell the options {', '.join(map(repr, request.options))} apart"
            f" after {request.text[-30:]!r}",
            "Choose another model",
        )
    candidates_of: dict[tuple[int, ...], dict[int, int]] = {}
    for ids in counted:
        for size in range(common, len(ids)):
            candidates = candidates_of.setdefault(ids[:size], {})
            candidates.setdefault(ids[size], len(candidates))
    position = {prefix: number for number, prefix in enumerate(candidates_of)}
    steps = tuple(
        tuple((position[ids[:size]], candidates_of[ids[:size]][ids[size]]) for size in range(common, len(ids)))
        for ids in counted
    )
    queries = tuple(Query(prefix, tuple(candidates)) for prefix, candidates in candidates_of.items())
    return Plan(queries, steps, _mode(request, wholes, counted, common, policy))


def _mode(request: Request, wholes: list[Spans], counted: list[tuple[int, ...]], common: int, policy: str) -> str:
    """`letter` when the tokens happen to part where the letter begins and end where it ends."""
    begin = len(request.text) + _common(request.options)
    single = all(len(ids) == common + 1 for ids in counted)
    exact = all(
        whole.ends[common - 1] == begin and whole.ends[common] == last
        for whole, last in zip(wholes, _letter_ends(request), strict=True)
    )
    return LETTER if policy != WHOLE and single and exact else WHOLE


def _first(ends: list[int], last: int) -> int:
    """The index of the token that holds the character before `last`."""
    return next(index for index, end in enumerate(ends) if end >= last)


def _common(sequences: Sequence[Sequence[Any]]) -> int:
    """How many items all sequences begin with alike."""
    alike = (len(set(items)) == 1 for items in zip(*sequences, strict=False))
    return sum(takewhile(bool, alike))
