import copy
import datetime
import math
import os
import time
import typing
from pathlib import Path

import pytest
import yaml
from annotated_types import Le, Lt, MaxLen
from pydantic.fields import FieldInfo

from syco_data import settings
from syco_data.errors import SycoError
from syco_data.settings.names import IGNORED, RENAMED, RENAMED_VALUES, with_new_names

ROOT = Path(__file__).resolve().parents[2]
PARAMS = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))


def changed(path, value):
    """A copy of params.yaml with one key set, or taken out where the value is KeyError."""
    values = copy.deepcopy(PARAMS)
    *parents, last = path.split(".")
    place = values
    for part in parents:
        place = place[part]
    if value is KeyError:
        del place[last]
    else:
        place[last] = value
    return values


def test_the_projects_own_params_are_valid():
    assert settings.parse(PARAMS).seed == PARAMS["seed"]


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("prompts.rwos", 3, "unknown key 'prompts.rwos'.*did you mean 'rows'"),
        ("claim", {}, "unknown key 'claim'.*did you mean 'claims'"),
        ("evaluate.engine", "vlm", "'evaluate.engine': there is no 'vlm'; did you mean 'vllm'"),
        ("evaluate.capability.tasks", ["mmlu"], "there is no 'mmlu'; did you mean 'mmlu_"),
        ("arms.balanced.label_kinds", ["golden"], "'arms.balanced.label_kinds.0': there is no 'golden'; did you mean"),
        ("sources.sst2.licnce", "allow", "unknown key 'sources.sst2.licnce'.*did you mean 'licence'"),
        ("release.version", "01.0.0", "'release.version': a version is three numbers"),
        ("release.version", "١.٠.٠", "'release.version': a version is three numbers"),
        ("prompts.rows", KeyError, "key 'prompts.rows' is missing"),
        ("prompts.rows", "4000", "'prompts.rows': expected a whole number"),
        ("prompts.rows", 0, "'prompts.rows': must be greater than 0"),
        ("prompts.rows", True, "'prompts.rows': expected a whole number"),
        ("claims.other_share", "1e-5", "'claims.other_share': expected a number"),
        ("claims.other_share", 1.5, "'claims.other_share': must be at most 1"),
        ("claims.conflicts", "keep", "'claims.conflicts': there is no 'keep'; Valid: drop, first"),
        ("build.models", ["refrence"], "build.models: there is no 'refrence'; did you mean 'reference'"),
        ("build.arms", ["balance"], "build.arms: there is no 'balance'; did you mean 'balanced'"),
        (
            "sources.sst3",
            {"revision": "main", "licence": "allow"},
            "sources: there is no 'sst3'.*'sst2'.*Valid: sst2, ",
        ),
        ("prompts.sampling", {"sst": 1.0}, "prompts.sampling: there is no 'sst'; did you mean 'sst2'"),
        (
            "prompts.sampling",
            {"sst2": 2},
            r"'prompts.sampling.sst2': must be at most 1 \(found: 2",
        ),
        ("prompts.sampling", {"sst2": 0.0}, "prompts.sampling: the shares sum to nothing"),
        ("prompts.sampling", "even", "'prompts.sampling': there is no 'even'; Valid: proportional, balanced"),
        ("sources", {}, "'sources': has too few entries, at least 1"),
        ("probes.held_out.templates", [], "'probes.held_out.templates': has too few entries, at least 1"),
        (
            "select.rows",
            "match",
            "'select.rows': expected a whole number, or: there is no 'match'; did you mean 'matched'",
        ),
        ("select.rows", 0, r"'select.rows': must be greater than 0, or: one of matched \(found: 0"),
        ("arms.balanced.filterd", True, "unknown key 'arms.balanced.filterd'.*did you mean 'filtered'"),
        ("models.reference.revison", None, "unknown key 'models.reference.revison'.*did you mean 'revision'"),
        ("engines.vllm.gpu_memry", 1, "unknown key 'engines.vllm.gpu_memry'.*did you mean 'gpu_memory'"),
        ("engines.engine", "vlm", "'engines.engine': there is no 'vlm'; did you mean 'vllm'"),
        ("engines.ray.engine", "ray", "'engines.ray.engine': an actor of Ray cannot hold Ray"),
        ("reference.stages", [{"steps": 3}], "'reference.stages.0.* is missing"),
        ("arms.balanced.finetune", {"steps": 0}, "arms.balanced.finetune: 'steps': must be greater than 0"),
        ("arms.balanced.finetune", {"lora": {"rnk": 5}}, "arms.balanced.finetune: unknown key 'lora.rnk'.*mean 'rank'"),
        (
            "instructions.columns",
            {"prompt": ["a"], "complete": "b"},
            "unknown key 'instructions.columns.complete': did you mean 'completion'",
        ),
        ("finetune.lora.targets", ["q", 5], r"'finetune.lora.targets.1': expected text \(found: 5"),
        (
            "instructions.rows",
            10**7,
            "'instructions': origin 'synthetic' makes .* at most 1,000,000 of",
        ),
        ("finetune.seed", 2**32, "'finetune.seed': must be less than 4,294,967,296"),
        ("finetune.learning_rate", 1e308, "'finetune.learning_rate': must be at most 1"),
        ("finetune", {**PARAMS["finetune"], "steps": 10**6, "batch": 10**5}, "steps x batch is 100,000,000,000 rows"),
        ("reference.optimiser.muon", math.nan, "'reference.optimiser.muon': expected a finite number"),
        ("reference.optimiser.decay", math.inf, "'reference.optimiser.decay': expected a finite number"),
        ("prompts.templates", ["../templates/editor"], "'prompts.templates.0': the name of a template is"),
        ("probes.held_out.templates", ["x" * 5000], "'probes.held_out.templates.0': has more characters than 100"),
        ("engines.store", "a\0b", "'engines.store': a control character is not allowed here"),
        ("engines.store", "a/" + "b" * 256 + "/c", "'engines.store': a path has at most 4,096 bytes, each"),
        ("validate.docs", "", "'validate.docs': has fewer characters than 1"),
        ("prompts.cap", 10**30, "'prompts.cap': must be at most 100,000,000"),
        ("x" * 5000, 1, "unknown key ''xxx.*Valid: seed, acquire, "),
        ("finetune.x", 1, "unknown key 'finetune.x': Valid: parts, steps, .*, weights.* and [0-9]+ more$"),
        ("prompts", None, r"'prompts': expected a mapping of keys to values \(found: null"),
        ("sources.sst2", 5, r"'sources.sst2': expected a mapping of keys to values \(found: 5"),
        ("build.models", "reference", r"'build.models': expected a list \(found: 'reference'"),
        ("build.models", ["reference", "reference"], "build.models: 'reference' is named twice"),
        (
            "models.Reference",
            PARAMS["models"]["reference"],
            "models: 'Reference' differs from 'reference' in upper case",
        ),
        ("arms.BALANCED", PARAMS["arms"]["balanced"], "arms: 'BALANCED' differs from 'balanced' in upper case alone"),
        ("models.Verdicts", PARAMS["models"]["reference"], "models: 'Verdicts' cannot be a name: a release has its"),
        ("arms.base", PARAMS["arms"]["balanced"], "arms: 'base' cannot be a name: the answers"),
        ("models.a/b", PARAMS["models"]["reference"], "'models.a/b': a name has letters"),
        ("arms.balanced.finetune", {"step": 5}, "arms.balanced.finetune: there is no 'step'; did you mean 'steps'"),
    ],
)
def test_a_wrong_key_or_value_is_refused_by_its_full_name(path, value, message):
    with pytest.raises(SycoError, match=message) as refused:
        settings.parse(changed(path, value))
    assert "\n" not in str(refused.value) and len(str(refused.value)) < 300


@pytest.mark.parametrize(("group", "old", "new"), [("claims", "other_share", "other_shares"), ("", "claims", "claim")])
def test_a_misspelt_key_is_never_called_missing(group, old, new):
    values = copy.deepcopy(PARAMS)
    place = values[group] if group else values
    place[new] = place.pop(old)
    with pytest.raises(SycoError, match=f"unknown key '(claims.)?{new}': did you mean '{old}'"):
        settings.parse(values)


def test_a_fault_shows_a_value_once_and_no_whole_record():
    with pytest.raises(SycoError) as name:
        settings.parse(changed("engines.engine", "vlm"))
    assert str(name.value).count("'vlm'") == 1
    with pytest.raises(SycoError, match="set calibrate to order or batch$"):
        settings.parse(changed("filter.rule", "averaged"))
    with pytest.raises(SycoError, match=r"expected a whole number \(found: 'many'\)$"):
        settings.parse(changed("prompts.rows", "many"))


def test_a_model_to_build_is_compared_with_those_that_are_defined():
    values = changed("models.mymodel", PARAMS["models"]["reference"])
    values["build"]["models"] = ["my-model"]
    with pytest.raises(SycoError, match="build.models: there is no 'my-model'; did you mean 'mymodel'") as refused:
        settings.parse(values)
    assert "pattern" not in str(refused.value)
    assert str(refused.value).startswith("params.yaml: ") and "models add NAME SOURCE" in str(refused.value)


@pytest.mark.parametrize("old", RENAMED)
def test_a_renamed_key_is_refused_by_its_new_name(old):
    group, key = old.split(".")
    values = copy.deepcopy(PARAMS)
    values[group][key] = 100
    with pytest.raises(SycoError, match=f"'{old}' is called '{RENAMED[old]}' now. Write '{RENAMED[old]}' in params"):
        settings.parse(values)


@pytest.mark.parametrize("pattern", RENAMED_VALUES)
def test_a_renamed_value_is_refused_by_its_new_name(pattern):
    key = pattern.replace("*", "reference")
    for old, new in RENAMED_VALUES[pattern].items():
        with pytest.raises(SycoError, match=f"'{key}: {old}' is called '{key}: {new}' now"):
            settings.parse(changed(key, old))
        assert settings.parse(changed(key, new))


def test_settings_of_an_earlier_release_get_the_names_of_now():
    old = {
        "acquire": {"origin": "embedded", "blemishes": {"odd": 0.1}, "retries": {"attempts": 3}},
        "filter": {"engine": "vllm", "path": "auto", "rule": "margin"},
        "models": {"mine": {"source": "embedded"}, "other": {"source": "owner/model"}},
        "prompts": {"size": 7},
    }
    kept = copy.deepcopy(old)
    assert with_new_names(old) == {
        "acquire": {"origin": "synthetic", "noise": {"odd": 0.1}},
        "engines": {"engine": "vllm", "scoring": "auto"},
        "filter": {"rule": "margin"},
        "models": {"mine": {"source": "reference"}, "other": {"source": "owner/model"}},
        "prompts": {"rows": 7},
    }
    assert old == kept


@pytest.mark.parametrize("name", IGNORED)
@pytest.mark.parametrize("path", ["models.{}", "arms.{}", "sources.{}", "prompts.sampling.{}", "filter.{}"])
def test_nothing_may_have_a_name_that_dvc_leaves_out(path, name):
    group, *_ = path.split(".")
    values = changed("prompts.sampling", {"sst2": 0.5})
    some = next(iter(values[group].values()))
    *parents, _ = path.split(".")
    place = values
    for part in parents:
        place = place[part]
    place[name] = 0.5 if "sampling" in path else some
    with pytest.raises(SycoError, match=f"'?{group}.*'?{name}"):
        settings.parse(values)


def test_a_development_split_without_a_share_is_refused():
    values = changed("evaluate.split", "development")
    assert settings.parse(values).evaluate.split == "development"
    values["probes"]["development_share"] = 0.0
    with pytest.raises(SycoError, match=r"development_share is 0\.0: no probe would be left\. Give") as refused:
        settings.parse(values)
    assert "\n" not in str(refused.value)


def test_a_missing_or_broken_file_is_one_line(tmp_path):
    with pytest.raises(SycoError, match="Run from the root of the project"):
        settings.load(tmp_path / "params.yaml")
    (tmp_path / "params.yaml").write_text("a: [", encoding="utf-8")
    with pytest.raises(SycoError, match="not valid YAML"):
        settings.load(tmp_path / "params.yaml")
    with pytest.raises(SycoError, match=r"expected a mapping of keys to values, found \[\]"):
        settings.parse([])


BOMB = "a0: &a0 [x, x]\n" + "".join(f"a{n + 1}: &a{n + 1} [{', '.join([f'*a{n}'] * 10)}]\n" for n in range(9))
BROKEN = {
    "utf-16": ("seed: 0".encode("utf-16"), "is in UTF-16. Save it as UTF-8"),
    "latin-1": (b"seed: 0 # \xfcber", "is not UTF-8 text: byte 0xfc in line 1"),
    "twice": (b"seed: 0\nsources: {}\nseed: 7\n", r"key 'seed' is given twice \(line 3\)"),
    "twice within": (b"seed: 0\nfilter: {rule: a, rule: b}\n", "key 'rule' is given twice"),
    "bool": (b"seed: !!bool x\n", "'x' in line 1 is not a valid bool"),
    "date": (b"seed: 2026-13-45\n", "'2026-13-45' in line 1 is not a valid timestamp"),
    "timestamp": (b"seed: !!timestamp x\n", "'x' in line 1 is not a valid timestamp"),
    "digits": (b"seed: " + b"9" * 5000, "a number of 5,000 characters"),
    "hex": (b"seed: 0x" + b"f" * 5000, "a number of 5,002 characters"),
    "itself": (b"seed: &a [*a]\n", "a value that contains itself"),
    "bomb": (BOMB.encode(), "once its aliases are written out"),
    "deep": (b"seed: " + b"[" * 5000, "more than 32 levels deep"),
    "nul": (b"seed: \0\n", "is not valid YAML"),
    "object": (b"seed: !!python/object/apply:os.system [ls]\n", "is not valid YAML"),
    "two": (b"seed: 0\n---\nseed: 1\n", "is not valid YAML"),
    "tab": (b"filter:\n\trule: a\n", "is not valid YAML"),
    "empty": (b"", "expected a mapping of keys to values, found nothing"),
    "large": (b"# " + b"x" * (1 << 20), "bytes, at most 1,048,576 are read"),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_a_file_that_cannot_be_read_is_one_line(tmp_path, kind):
    content, message = BROKEN[kind]
    (tmp_path / "params.yaml").write_bytes(content)
    started = time.monotonic()
    with pytest.raises(SycoError, match=message) as refused:
        settings.load(tmp_path / "params.yaml")
    assert "\n" not in str(refused.value) and len(str(refused.value)) < 1000 and time.monotonic() - started < 5


@pytest.mark.parametrize("kind", ["folder", "pipe", "device", "loop", "nowhere"])
def test_what_is_not_a_file_is_one_line(tmp_path, kind):
    params = tmp_path / "params.yaml"
    make = {
        "folder": params.mkdir, "pipe": lambda: os.mkfifo(params), "device": lambda: params.symlink_to("/dev/zero"),
        "loop": lambda: params.symlink_to(params), "nowhere": lambda: params.symlink_to("gone"),
    }  # fmt: skip
    make[kind]()
    with pytest.raises(SycoError, match="not a regular file|cannot be read|a link to a file that is not there"):
        settings.load(params)


def test_values_that_stand_for_many_are_counted():
    many = [0] * 100
    for _ in range(8):
        many = [many] * 100
    itself = []
    itself.append(itself)
    for value, message in ((many, "holds more than 100,000 values"), (itself, "more than 32 levels deep")):
        with pytest.raises(SycoError, match=message):
            settings.parse(changed("prompts.sampling", value))
        with pytest.raises(SycoError, match=message):
            settings.parse_groups({"prompts": {"sampling": value}})


HOSTILE = (
    10**23, -(10**23), 10**5000, 1e308, math.nan, math.inf, -math.inf, -1, True, None, "", "\0", "a\nb", "x" * 300,
    "x" * 5000, "../x", "a/" * 3000, "\ud83d", "\u202e", [], {}, [10**23], ["x" * 5000], list(range(2000)), {1: 2},
    {"a" * 5000: {"b": 1}}, datetime.date(2026, 1, 1), b"x",
)  # fmt: skip


def places(values, path=()):
    yield from [path] if path else []
    for key, value in values.items() if isinstance(values, dict) else enumerate(values):
        yield from places(value, (*path, key)) if isinstance(value, dict | list) else [(*path, key)]


def test_any_value_anywhere_is_taken_or_refused_with_one_bounded_line():
    refused, everything = 0, changed("arms.balanced.finetune", PARAMS["finetune"])
    everything["instructions"]["columns"] = {"prompt": ["question"], "completion": "answer", "task": "kind"}
    everything["prompts"]["sampling"] = {"sst2": 0.5, "cb": 0.5}
    for path in places(everything):
        for value in HOSTILE:
            changed_values = place = dict(everything)
            for key in path[:-1]:
                place[key] = copy.copy(place[key])
                place = place[key]
            place[path[-1]] = value
            try:
                settings.parse(changed_values)
            except SycoError as error:
                refused += 1
                assert len(str(error)) < 1000 and str(error).isprintable(), path
            else:
                assert not isinstance(value, float) and value not in HOSTILE[:3] and value not in ("\0", "x" * 5000), (
                    path
                )
    assert refused > 6000


def test_a_group_of_a_release_is_held_to_the_same_bounds():
    probes = copy.deepcopy(PARAMS["probes"])
    probes["surveys"]["rows"] = 10**9
    with pytest.raises(
        SycoError, match=r"^the manifest: 'probes.surveys.rows': must be at most 100,000 \(found: 1000000000\)$"
    ):
        settings.parse_groups({"probes": probes}, "the manifest")
    with pytest.raises(SycoError, match="unknown key 'probes.surveys.row': .*did you mean 'rows'"):
        settings.parse_groups({"probes": changed("probes.surveys.row", 3)["probes"]})


def unbounded(kind, limits=()):
    """Every number and text within a type that has no largest value or longest length, by its name in the type."""
    if typing.get_origin(kind) is typing.Annotated:
        kind, *more = typing.get_args(kind)
        extra = [part for one in more for part in (one.metadata if isinstance(one, FieldInfo) else [one])]
        limits = (*limits, *extra)
    if isinstance(kind, type) and issubclass(kind, settings.Record):
        for name, field in kind.model_fields.items():
            for inner in unbounded(field.annotation, tuple(field.metadata)):
                yield f"{kind.__name__}.{name}{inner}"
    elif kind in (int, float):
        if not any(isinstance(limit, Le | Lt) for limit in limits):
            yield f": {kind.__name__}"
    elif kind is str:
        if not any(isinstance(limit, MaxLen) for limit in limits):
            yield ": str"
    else:
        for each in typing.get_args(kind):
            outer = limits if typing.get_origin(kind) in (typing.Union, type(None | int)) else ()
            yield from unbounded(each, outer) if not isinstance(each, str) else ()
        if typing.get_origin(kind) is tuple and not any(isinstance(limit, MaxLen) for limit in limits):
            yield ": tuple"


def test_every_number_text_and_list_has_a_bound():
    assert list(unbounded(settings.Settings)) == []

    class Loose(settings.Record):
        whole: int
        share: float | None
        texts: tuple[str, ...]

    assert list(unbounded(Loose)) == [
        "Loose.whole: int",
        "Loose.share: float",
        "Loose.texts: str",
        "Loose.texts: tuple",
    ]


def test_a_name_of_many_letters_is_looked_for_at_once():
    started = time.monotonic()
    message = settings.unknown("ab" * 50_000, ["ba" * 50_000, *(f"name{number}" for number in range(5000))])
    assert time.monotonic() - started < 1 and len(message) < 1000 and message.endswith("and 4,987 more")


def test_settings_cannot_be_changed():
    with pytest.raises(ValueError, match="frozen"):
        settings.parse(PARAMS).prompts.rows = 3


@pytest.mark.parametrize("group", ["acquire", "instructions", "probes.surveys", "evaluate.capability"])
@pytest.mark.parametrize(("named", "expected"), [("~/rows", "/home/me/rows"), ("~nobody-is-called-so/rows", None)])
def test_a_home_in_the_name_of_a_folder_is_the_users(monkeypatch, group, named, expected):
    """Taken by the letter, `~` becomes a folder of the project, which somebody removes with `rm -r ~`."""
    monkeypatch.setenv("HOME", "/home/me")
    params = settings.load()
    for name in group.split("."):
        params = getattr(params, name)
    assert str(params.model_copy(update={"directory": named}).folder()) == (expected or named)


def test_a_home_in_the_name_of_the_store_is_the_users(monkeypatch, tmp_path):
    from syco_data.commands import scores

    monkeypatch.setenv("HOME", str(tmp_path))
    params = settings.load()
    changed = params.model_copy(update={"engines": params.engines.model_copy(update={"store": "~/scores"})})
    monkeypatch.setattr(settings, "load", lambda: changed)
    assert scores._root(None) == tmp_path / "scores"
