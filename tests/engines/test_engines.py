"""Engines: one protocol, the same answers from each of them, and what is lost when a worker dies."""

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from syco_data import engines, settings
from syco_data.engines import models, scoring
from syco_data.engines.planning import Request
from syco_data.errors import SycoError
from tests.support import fake_engine, tiny_models

ROOT = Path(__file__).parents[2]
OPTIONS = (" (A)", " (B)")
REQUESTS = [Request(tiny_models.question(index, index % 2 == 1), OPTIONS) for index in range(120)]
REFERENCE = Path(os.environ.get("SYCO_BUILT") or ROOT) / "data" / "reference"


def engine_settings(engine: str, **changes) -> settings.Engines:
    return settings.load(ROOT / "params.yaml").engines.model_copy(update={"engine": engine, "batch": 20, **changes})


def model_at(folder: Path, source: str | None = None) -> models.ResolvedModel:
    record = settings.Model(source=source or str(folder), revision=None, prompt_style="plain", dtype="float32")
    policy = settings.Hub(attempts=1, first_wait=0.1, longest_wait=0.1)
    return models.resolve("tiny", record, folder, policy)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    return model_at(tiny_models.make(tmp_path_factory.mktemp("tiny") / "merged", "merged_all"))


def answers(model, settings_, requests=REQUESTS):
    with engines.open(model, settings_) as engine:
        return engine.score(requests)


def assert_equal(scores, expected, nats, clear=0.01):
    """Log-probabilities within `nats`, and the same choice wherever the margin is clear."""
    for one, other in zip(scores, expected, strict=True):
        assert one.logprobs == pytest.approx(other.logprobs, abs=nats)
        assert (one.tokens, one.mode) == (other.tokens, other.mode)
        margins = [score.logprobs[0] - score.logprobs[1] for score in (one, other)]
        assert abs(margins[1]) <= clear or (margins[0] > 0) == (margins[1] > 0)


def test_an_unknown_engine_is_refused_with_the_list():
    with pytest.raises(SycoError, match="no 'vlm'; did you mean 'vllm'"):
        engines.module("vlm")


def test_an_engine_is_one_file(tmp_path):
    """A copy of the package with one more file: params.yaml may name it, and it answers."""
    shutil.copytree(ROOT / "syco_data", tmp_path / "syco_data", ignore=shutil.ignore_patterns("__pycache__"))
    fake = (ROOT / "tests/support/fake_engine.py").read_text(encoding="utf-8")
    (tmp_path / "syco_data/engines/echo.py").write_text(fake, encoding="utf-8")
    params = (ROOT / "params.yaml").read_text(encoding="utf-8")
    (tmp_path / "params.yaml").write_text(params.replace("engine: vllm #", "engine: echo #", 1), encoding="utf-8")
    code = (
        "from syco_data import engines, settings; from syco_data.engines.planning import Request\n"
        "chosen = settings.load().engines; made = engines.module(chosen.engine)\n"
        "with engines.open(made.MODEL, chosen) as engine:\n"
        "    print(chosen.engine, engines.identity(chosen), len(engine.score([Request('a', made.OPTIONS)])))"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=os.environ | {"PYTHONPATH": str(tmp_path)},
        capture_output=True, text=True,
    )  # fmt: skip
    assert result.stdout == "echo Identity(engine='fake', version='1', device='cpu') 1\n", result.stderr


def test_an_engine_that_is_not_installed_is_one_line():
    with pytest.raises(SycoError, match="'nowhere' is not installed here.*choose another engines.engine"):
        engines.version_of("nowhere")


def test_identities_name_version_and_device_without_loading_anything():
    scores = {name: engines.identity(engine_settings(name)) for name in ("vllm", "transformers", "ray")}
    assert scores["ray"] == scores["vllm"], "replicas give the scores of the engine they hold"
    assert all(one.version[0].isdigit() for one in scores.values())
    elsewhere = engine_settings("ray").ray.model_copy(update={"device": "cuda NVIDIA H100"})
    assert engines.identity(engine_settings("ray", ray=elsewhere)).device == "cuda NVIDIA H100"


def test_a_stream_gives_every_batch_once_in_plan_order():
    engine = fake_engine.FakeEngine(fake_engine.MODEL, engine_settings("transformers"))
    batches = [REQUESTS[:7], REQUESTS[7:8], REQUESTS[8:40]]
    scores = list(engine.stream(batches))
    assert [batch.number for batch in scores] == [0, 1, 2]
    assert [score for batch in scores for score in batch.scores] == engine.score(REQUESTS[:40])
    assert list(engine.stream([])) == []


def test_a_text_that_leaves_no_room_is_refused_by_generate():
    engine = fake_engine.FakeEngine(fake_engine.MODEL, engine_settings("transformers", max_length=50))
    assert engine.generate(["x" * 40], 10) == ["yes"]
    with pytest.raises(SycoError, match="41 tokens and 10 to come exceed max_length 50"):
        engine.generate(["x" * 41], 10)


def refuses_an_odd_model(tiny, tmp_path, settings_) -> None:
    """A model of a type that nobody knows is refused in one line."""
    folder = tiny_models.make(tmp_path / "odd", "byte_bpe")
    config = (folder / "config.json").read_text(encoding="utf-8")
    (folder / "config.json").write_text(config.replace('"llama"', '"no_such_type"'), encoding="utf-8")
    with pytest.raises(SycoError, match="cannot be built from config.json by transformers") as caught:
        answers(replace(tiny, folder=folder), settings_)
    assert "\n" not in str(caught.value)


def test_a_model_that_cannot_be_loaded_is_one_line(tiny, tmp_path):
    refuses_an_odd_model(tiny, tmp_path, engine_settings("transformers"))


def test_the_tokenizer_of_a_larger_model_is_one_line(tmp_path):
    folder = tiny_models.make(tmp_path / "small", "word")
    larger = tiny_models.make(tmp_path / "large", "byte_bpe")
    shutil.copy(larger / "tokenizer.json", folder / "tokenizer.json")
    with engines.open(model_at(folder), engine_settings("transformers")) as engine:
        for call in (lambda: engine.score(REQUESTS), lambda: engine.generate([REQUESTS[0].text], 2)):
            with pytest.raises(SycoError, match=r"its tokenizer gives token \d+, and the model has \d+"):
                call()


@pytest.mark.slow
def test_vllm_and_transformers_agree(tiny):
    """One start of vLLM: whole completions in several steps, too long texts, more options, generation."""
    longer = Request("word " * 2000, OPTIONS)
    with engines.open(tiny, engine_settings("transformers")) as engine:
        expected, texts = engine.score([*REQUESTS, longer]), engine.generate([r.text for r in REQUESTS[:8]], 6)
        whole = (
            engines.module("transformers").load(tiny, engine_settings("transformers", scoring="whole")).score(REQUESTS)
        )
        four = engine.score([Request(r.text, (*OPTIONS, " (C)")) for r in REQUESTS[:10]])
    from torch import set_num_threads

    with engines.open(tiny, engine_settings("vllm")) as engine:
        scores = engine.score([*REQUESTS, longer])
        assert scores[-1].logprobs is None and expected[-1].logprobs is None
        assert_equal(scores[:-1], expected[:-1], nats=1e-3)
        assert_equal(scores[:-1], whole, nats=1e-3)
        assert_equal(engine.score([Request(r.text, (*OPTIONS, " (C)")) for r in REQUESTS[:10]]), four, nats=1e-3)
        assert engine.generate([r.text for r in REQUESTS[:8]], 6) == texts
        assert engine.vocabulary >= engine.tokenizer.library.vocab_size
    from torch import set_num_threads as after

    assert after is set_num_threads, "vLLM leaves its own behind, which sets nothing"


@pytest.mark.slow
@pytest.mark.skipif(not REFERENCE.is_dir(), reason="the reference model is not built here: dvc repro reference")
def test_vllm_and_transformers_agree_on_the_reference_model():
    reference = model_at(REFERENCE, source="reference")
    expected = answers(reference, engine_settings("transformers"))
    assert_equal(answers(reference, engine_settings("vllm")), expected, nats=1e-3)


@pytest.mark.slow
def test_vllm_reads_letters_in_one_prefill_where_the_tokenizer_allows_it(tmp_path):
    letters = model_at(tiny_models.make(tmp_path / "letters", "byte_bpe"))
    scores = answers(letters, engine_settings("vllm"))
    assert {score.mode for score in scores} == {"letter"}
    assert_equal(scores, answers(letters, engine_settings("transformers")), nats=1e-3)


def in_actors(engine: str, **changes) -> settings.Engines:
    """Ray on this machine, with one actor that holds this engine."""
    ray = engine_settings("ray").ray.model_copy(update={"engine": engine, "actors": 1, **changes})
    return engine_settings("ray", ray=ray)


@pytest.mark.slow
def test_ray_holds_vllm_too(tiny):
    assert_equal(answers(tiny, in_actors("vllm")), answers(tiny, engine_settings("transformers")), nats=1e-3)


@pytest.mark.slow
def test_what_goes_wrong_in_an_actor_is_one_line(tiny, tmp_path):
    refuses_an_odd_model(tiny, tmp_path, in_actors("transformers"))


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_an_actor_that_no_node_has_room_for_is_one_line(tiny):
    for needs in ({"gpus_per_actor": 64.0}, {"cpus_per_actor": 4096.0}):
        with pytest.raises(SycoError, match="no node has room for an actor of .*(64 GPUs|4096 CPUs)"):
            answers(tiny, in_actors("transformers", **needs))


def ports() -> dict[str, int]:
    """Free ports for a node's agents. Where Ray chooses them, a node gives up after 15 s on a busy machine."""
    with contextlib.ExitStack() as held:
        sockets = [held.enter_context(socket.socket()) for _ in range(4)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        numbers = [one.getsockname()[1] for one in sockets]
    names = ("metrics_agent_port", "runtime_env_agent_port", "metrics_export_port", "dashboard_agent_listen_port")
    return dict(zip(names, numbers, strict=True))


@contextlib.contextmanager
def cluster(workers: int):
    """A head without room for actors and `workers` nodes with room for one each, on this machine."""
    import ray
    from ray.cluster_utils import Cluster

    room = {"object_store_memory": 100_000_000, "include_dashboard": False}
    ray_cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, **room, **ports()})
    try:
        nodes = [ray_cluster.add_node(num_cpus=2, **room, **ports()) for _ in range(workers)]
        ray_cluster.wait_for_nodes()
        yield ray_cluster, nodes
    finally:
        ray.shutdown()
        ray_cluster.shutdown()


@pytest.mark.slow
def test_a_node_that_is_killed_costs_its_batches_in_flight_and_the_verdicts_stay(tiny, tmp_path):
    """Three nodes, two actors; one node dies in mid-run. The store holds what a single process gives."""
    from ray._private import state

    expected = scoring.collect(REQUESTS, tiny, engine_settings("transformers", store=str(tmp_path / "single")))
    with cluster(workers=3) as (ray_cluster, nodes):
        ray_settings = engine_settings("ray").ray.model_copy(
            update={"engine": "transformers", "address": ray_cluster.address, "actors": 2, "cpus_per_actor": 2}
        )
        on_ray = engine_settings("ray", store=str(tmp_path / "cluster"), ray=ray_settings)
        todo = scoring.pending(REQUESTS, tiny, on_ray)
        with engines.open(tiny, on_ray) as engine:
            saved = scoring.saved(todo, engine)
            next(saved)
            free = state.available_resources_per_node()
            busy = [node for node in nodes if free.get(node.node_id, {}).get("CPU", 0.0) < 2]
            assert len(busy) == 2, "one of the three nodes holds no actor: killing that one would show nothing"
            ray_cluster.remove_node(busy[0], allow_graceful=False)
            rest = sum(map(len, saved))
        assert 0 < rest < len(REQUESTS)
    scores = scoring.collect(REQUESTS, tiny, on_ray)
    assert (scores.fresh, scores.stored) == (0, len(REQUESTS)), "nothing is missing, nothing has to be loaded"
    both = scores.scores.join(expected.scores, on="key", suffix="_single")
    assert len(both) == len(REQUESTS)
    difference = (both["logprobs"].explode() - both["logprobs_single"].explode()).abs().max()
    assert difference < 1e-4
    assert both["path"].equals(both["path_single"], check_names=False)


def test_no_cluster_at_an_address_is_one_line(tiny):
    nowhere = engine_settings("ray").ray.model_copy(update={"address": "127.0.0.1:1"})
    with (
        pytest.raises(SycoError, match=r"no cluster at '127.0.0.1:1'.*ray start --head"),
        engines.open(tiny, engine_settings("ray", ray=nowhere)),
    ):
        time.sleep(0)
