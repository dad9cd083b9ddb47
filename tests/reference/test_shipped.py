"""The weights that come with the package: whose recipe they are of, when they are taken, and when refused."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from stages import reference as stage
from syco_data import settings
from syco_data.errors import SycoError
from syco_data.reference import recipe, shipped
from tests.test_ownership import without_reference

ROOT = Path(__file__).resolve().parents[2]
GIVEN = settings.load(ROOT / "profiles/default.yaml")
REFERENCE = GIVEN.reference
RECORD = shipped.read()
LEAVES = {
    "threads": 1,
    "inputs": 2999,
    "model": REFERENCE.model.model_copy(update={"hidden": 128}),
    "optimiser": REFERENCE.optimiser.model_copy(update={"muon": 0.021}),
    "stages": (*REFERENCE.stages[:-1], REFERENCE.stages[-1].model_copy(update={"steps": 551})),
    "targets": REFERENCE.targets.model_copy(update={"end_weight": 0.2}),
    "long": REFERENCE.long.model_copy(update={"follow": 0.8}),
    "gate": REFERENCE.gate.model_copy(update={"survey": 0.91}),
}


class Trained(Exception):
    """In place of minutes of training."""


@pytest.fixture
def untrained(monkeypatch):
    from syco_data.reference import model

    def build(*_):
        raise Trained

    monkeypatch.setattr(model, "build", build)


def changed(**reference) -> settings.Settings:
    return GIVEN.model_copy(update={"reference": REFERENCE.model_copy(update=reference)})


def test_the_shipped_weights_are_those_of_the_default_recipe():
    """Where this fails, the recipe was changed: python -m syco_data.reference.ship."""
    needed = recipe.of(GIVEN)
    assert needed.summary() == RECORD["settings"]
    assert needed.digest == RECORD["recipe"]
    assert sum((shipped.FOLDER / name).stat().st_size for name in shipped.FILES) < 2_300_000


def test_they_are_taken_without_torch_and_carry_their_gate(tmp_path):
    code = (
        "import sys; from pathlib import Path\n"
        "from syco_data import settings; from syco_data.reference import shipped\n"
        "print(shipped.provide(settings.load(Path(sys.argv[1])), Path('reference'), Path('checkpoints')))\n"
        "assert 'torch' not in sys.modules and 'transformers' not in sys.modules"
    )
    (tmp_path / "templates").mkdir()
    command = [sys.executable, "-c", code, str(ROOT / "profiles/default.yaml")]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    result = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    assert result.stdout.startswith("reference: the shipped weights; accuracies of their gate: expert wrong 0.0")
    gate = json.loads((tmp_path / "reference/gate.json").read_text())
    assert gate["weights"] == "shipped" and gate["recipe"] == RECORD["recipe"] and gate["figures"] == RECORD["figures"]
    for name in shipped.FILES:
        assert (tmp_path / "reference" / name).read_bytes() == (shipped.FOLDER / name).read_bytes()
    assert not (tmp_path / "checkpoints").exists()


def test_they_pass_the_gate_of_their_recipe():
    from syco_data.reference import gate

    assert gate.Figures(**RECORD["figures"]).passes(settings.ReferenceGate(**RECORD["settings"]["reference.gate"]))


def test_the_digest_is_that_of_every_leaf():
    assert set(LEAVES) == set(type(REFERENCE).model_fields) - {"weights"}


@pytest.mark.parametrize("name", LEAVES)
def test_another_leaf_of_the_recipe_is_trained(name, tmp_path, untrained, capsys):
    with pytest.raises(Trained):
        shipped.provide(changed(**{name: LEAVES[name]}), tmp_path / "reference", tmp_path / "checkpoints")
    line = f"the shipped weights belong to another recipe (different: reference.{name}), so the model is trained"
    assert line in capsys.readouterr().out
    assert not (tmp_path / "reference").exists()


def test_another_seed_and_another_template_are_trained(tmp_path, untrained, capsys):
    folder = tmp_path / "templates"
    folder.mkdir()
    source = (ROOT / "syco_data/data/templates/plain.jinja").read_text(encoding="utf-8")
    (folder / "mine.jinja").write_text(source.replace("Human:", "Human: Hello."), encoding="utf-8")
    prompts = GIVEN.prompts.model_copy(update={"template_folder": str(folder)})
    for update, word in (
        ({"seed": 1}, "recipe (different: seed)"),
        ({"prompts": prompts}, "recipe (different: templates, names or other texts of the training)"),
    ):
        with pytest.raises(Trained):
            shipped.provide(GIVEN.model_copy(update=update), tmp_path / "reference", tmp_path / "checkpoints")
        assert word in capsys.readouterr().out


def test_weights_train_never_takes_them(tmp_path, untrained, capsys):
    with pytest.raises(Trained):
        shipped.provide(changed(weights="train"), tmp_path / "reference", tmp_path / "checkpoints")
    assert "reference.weights is train, so the model is trained" in capsys.readouterr().out


@pytest.mark.parametrize("name", shipped.FILES)
def test_a_shipped_file_that_was_changed_is_refused(name, tmp_path, monkeypatch):
    folder = shutil.copytree(shipped.FOLDER, tmp_path / "package")
    content = bytearray((folder / name).read_bytes())
    content[-2] ^= 1
    (folder / name).write_bytes(content)
    with pytest.raises(SycoError, match=f"{name} is not the file that was shipped.*reference.weights: train"):
        shipped.read(folder)


def test_a_shipped_file_that_is_missing_or_a_record_without_digests_is_refused(tmp_path):
    folder = shutil.copytree(shipped.FOLDER, tmp_path / "package")
    (folder / "model.safetensors").unlink()
    with pytest.raises(SycoError, match="model.safetensors cannot be read: no such file"):
        shipped.read(folder)
    (folder / shipped.RECIPE).write_text('{"files": {}}')
    with pytest.raises(SycoError, match="recipe.json does not name config.json"):
        shipped.read(folder)


def test_nothing_is_put_there_for_a_build_without_the_reference_model(tmp_path, monkeypatch):
    given = without_reference()
    monkeypatch.chdir(tmp_path)
    summary = stage.main(given)
    assert json.loads(Path("data/reference/gate.json").read_text())["weights"] == "none"
    assert sorted(path.name for path in Path("data/reference").iterdir()) == [".syco-data", "gate.json"]
    assert "no model of the build is the reference model" in summary.made


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_a_training_from_scratch_passes_the_shipped_gate(tmp_path):
    """Not the same bytes: another processor adds in another order, and may need another number of rounds."""
    from syco_data.reference import model

    figures = model.build(recipe.of(GIVEN), tmp_path / "reference", tmp_path / "checkpoints")
    assert figures.passes(settings.ReferenceGate(**RECORD["settings"]["reference.gate"]))
