"""An engine without a model, for tests of what stands around engines: tokens are the bytes of a text, and the
log-probability of a next token is a fixed function of everything before it."""

import os
import time
from dataclasses import replace
from hashlib import blake2b
from pathlib import Path

from syco_data import engines, settings
from syco_data.engines import models
from syco_data.engines.models import ResolvedModel
from syco_data.engines.planning import Planner, Spans

MODEL = ResolvedModel("fake", Path("nowhere"), "c" * 40, "t" * 32, "plain", "float32", None)
OPTIONS = (" (A)", " (B)")


class Bytes:
    """A tokenizer whose tokens are bytes."""

    def ids(self, texts):
        return [list(text.encode()) for text in texts]

    def spans(self, texts):
        return [Spans(list(text.encode()), self._ends(text)) for text in texts]

    def _ends(self, text):
        return [index + 1 for index, letter in enumerate(text) for _ in letter.encode()]

    def is_local(self, border, options):
        return True

    def styled(self, text):
        return text

    def text(self, ids):
        return bytes(ids).decode()


class FakeEngine(engines.Engine):
    """Appends every text it is asked about to the file that SYCO_FAKE_LOG names; sleeps SYCO_FAKE_PAUSE seconds
    a batch."""

    def __init__(self, model, chosen):
        super().__init__(model, chosen)
        self.tokenizer = Bytes()
        self._planner = Planner(self.tokenizer, chosen.scoring)
        self.closed = False

    def logprobs(self, queries):
        time.sleep(float(os.environ.get("SYCO_FAKE_PAUSE", "0")))
        if log := os.environ.get("SYCO_FAKE_LOG"):
            with open(log, "a", encoding="utf-8") as out:
                out.writelines(f"{blake2b(bytes(query.ids), digest_size=8).hexdigest()}\n" for query in queries)
        return [[logprob(query.ids, token) for token in query.candidates] for query in queries]

    def extend(self, prompts, max_tokens):
        return [list(b"yes"[:max_tokens]) for _ in prompts]

    def close(self):
        self.closed = True


def logprob(ids, token):
    digest = blake2b(bytes(ids) + bytes([token]), digest_size=4).digest()
    return -(int.from_bytes(digest) / 2**32) * 8 - 0.001


def identity(_):
    return engines.Identity("fake", "1", "cpu")


def load(model, chosen):
    return FakeEngine(model, chosen)


def sorts_by_prefix(_):
    return True


def install() -> None:
    """Makes the engine known to this process."""
    import sys

    modules = {**engines.modules(), "fake": sys.modules[__name__]}
    engines.modules = lambda: modules


def engine_settings(store: Path, **changes) -> settings.Engines:
    """The project's own engine settings with the fake engine and another store."""
    params = settings.load(Path(__file__).parents[2] / "params.yaml").engines
    return params.model_copy(update={"engine": "fake", "store": str(store), "batch": 50, **changes})


def another(model: ResolvedModel, **changes) -> ResolvedModel:
    return replace(model, **changes)


__all__ = ["MODEL", "OPTIONS", "another", "engine_settings", "install", "models"]
