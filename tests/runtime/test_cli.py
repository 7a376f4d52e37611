"""Settings have the same name everywhere; a mistake gives one line, with the closest name."""

import ast
import inspect
import os
import re
import shlex
import subprocess
import sys
from dataclasses import dataclass, fields
from types import SimpleNamespace
from typing import Literal, get_args, get_origin, get_type_hints

import pytest
from conftest import ROOT, run_script

import config as settings
from config import LIMITS, DatasetConfig, EvaluationConfig, TrainingConfig
from medqa.runtime.cli import checked, given_and_default, next_command, parse, replaced, select
from medqa.runtime.errors import UserError
from medqa.runtime.settings_help import described, help_text

CLASSES = {
    "dataset_preparation.py": DatasetConfig,
    "fine_tuning.py": TrainingConfig,
    "evaluation.py": EvaluationConfig,
}
NAMES = [(kind, item.name) for kind in CLASSES.values() for item in fields(kind)]
SWITCHES = [(kind, name) for kind, name in NAMES if isinstance(getattr(kind(), name), bool)]


def other_value(kind: type, name: str) -> tuple[object, list[str]]:
    """A value that is not the default, and how it is typed."""
    default, hint = getattr(kind(), name), get_type_hints(kind)[name]
    if get_origin(hint) is Literal:
        choice = next((choice for choice in get_args(hint) if choice != default), default)
        return choice, [choice]
    if isinstance(default, bool):
        return not default, [str(not default)]
    if isinstance(default, (int, float)):
        value = default + 1 if isinstance(default, int) else default / 2 + 0.125
        return value, [str(value)]
    if isinstance(default, tuple):
        return ("one", "two"), ["one", "two"]
    if isinstance(default, dict):
        return {"cardiology": 0.8, "neurology": 0.6}, ["cardiology", "0.8", "neurology", "0.6"]
    return "other/value", ["other/value"]


def told(text: str) -> str:
    """The text that tyro printed, without frames and line breaks."""
    return re.sub(r"[\s│╭╮╰╯─]+", " ", text)


# ---- the command line ----------------------------------------------------------------------------------


@pytest.mark.parametrize(("kind", "name"), NAMES)
def test_every_setting_can_be_given_under_its_own_name(kind, name):
    value, typed = other_value(kind, name)
    assert vars(parse(kind, "", [f"--{name}", *typed])) == vars(kind()) | {name: value}


def test_no_arguments_give_the_defaults():
    for kind in CLASSES.values():
        config = parse(kind, "", [])
        assert isinstance(config, kind) and vars(config) == vars(kind())


@pytest.mark.parametrize(("kind", "name"), SWITCHES)
@pytest.mark.parametrize(
    ("typed", "value"),
    [("--{}", True), ("--{} True", True), ("--{} true", True), ("--{}=True", True),
     ("--no_{}", False), ("--{} False", False), ("--{} false", False), ("--{}=False", False)],
)  # fmt: skip
def test_a_switch_goes_both_ways(kind, name, typed, value):
    arguments = typed.format(name).split()
    assert getattr(parse(kind, "", arguments), name) is value
    seed = "RANDOM_SEED" if kind is DatasetConfig else "SEED"
    assert vars(parse(kind, "", [*arguments, f"--{seed}", "7"])) == vars(kind()) | {name: value, seed: 7}


def test_true_and_false_after_other_settings_are_their_values():
    assert parse(DatasetConfig, "", ["--DATA_DIR", "False"]).DATA_DIR == "False"
    chosen = parse(TrainingConfig, "", ["--LORA_TARGET_MODULES", "true", "--USE_WANDB", "False"])
    assert chosen.LORA_TARGET_MODULES == ("true",) and chosen.USE_WANDB is False


@pytest.mark.parametrize("typed", ["--NUM_EPOCH 5", "--NUM_EPO 5", "--NUM_EPOCSH 5", "--NUM_EPOCH=5"])
def test_a_shortened_or_misspelt_name_is_refused_with_the_closest_name(typed):
    with pytest.raises(UserError, match=r"Did you mean --NUM_EPOCHS\?$"):
        parse(TrainingConfig, "", typed.split())


def test_a_name_that_resembles_none_is_answered_with_where_they_are():
    with pytest.raises(UserError, match=r"There is no option --PACKING\. Type --help for all options\.$"):
        parse(TrainingConfig, "", ["--PACKING", "2"])


@pytest.mark.parametrize("typed", ["--USE_4BIT", "--no_USE_4BIT", "--USE_4BIT False", "--USE_4BIT=True"])
@pytest.mark.parametrize("kind", [TrainingConfig, EvaluationConfig])
def test_a_setting_of_an_earlier_version_is_answered_with_the_present_one(kind, typed):
    with pytest.raises(UserError) as refusal:
        parse(kind, "", typed.split())
    message = "--BASE_PRECISION nf4 where it was on, and --BASE_PRECISION bf16 where it was off"
    assert message in str(refusal.value)
    with pytest.raises(AttributeError, match="USE_4BIT was replaced by BASE_PRECISION"):
        kind().USE_4BIT = True
    with pytest.raises(UserError, match="USE_4BIT was replaced by BASE_PRECISION"):
        checked(SimpleNamespace(USE_4BIT=True), kind, LIMITS)
    with pytest.raises(UserError, match=r"There is no option --(no_)?USE_4BIT\."):  # which had none
        parse(DatasetConfig, "", typed.split())


@pytest.mark.parametrize(
    ("typed", "answer"),
    [
        ("--NUM_EPOCHS three", "a whole number, but got: three. Type: --NUM_EPOCHS 3"),
        ("--NUM_EPOCHS 2.5", "a whole number, but got: 2.5. Type: --NUM_EPOCHS 3"),
        ("--NUM_EPOCHS", "a whole number, but got: nothing. Type: --NUM_EPOCHS 3"),
        ("--SEED=", "a whole number, but got: ''. Type: --SEED 42"),
        ("--SEED 1 --LEARNING_RATE 1,5", "a number, but got: 1,5. Type: --LEARNING_RATE 0.0002"),
        ("--RESUME always", "one of 'auto', 'never', but got: always. Type: --RESUME auto"),
        ("--BASE_PRECISION nf5", "one of 'nf4', 'fp8', 'bf16', but got: nf5. Type: --BASE_PRECISION nf4"),
        ("--USE_WANDB perhaps", "True or False, but got: perhaps. Type: --USE_WANDB False"),
        ("--no_USE_WANDB True 3", "True or False, but got: True 3. Type: --USE_WANDB False"),
        ("--DATASET_DIR my data", "a text, but got: my data. Type: --DATASET_DIR 'my data'"),
        ("7", "7 is no setting. Type settings as --NAME value"),
        ("-x --SEED 7", "-x is no setting. Type settings as --NAME value"),
    ],
)
def test_a_wrong_value_is_refused_with_the_right_form(typed, answer):
    with pytest.raises(UserError) as refusal:
        parse(TrainingConfig, "", typed.split())
    assert str(refusal.value).endswith(answer)


@pytest.mark.parametrize("typed", ["a x", "a=0.5", '{"a":0.5}', "a 0.5 b", "a 0.5 b --RANDOM_SEED 3"])
@pytest.mark.parametrize("between", [" ", "="])
def test_shares_in_another_form_are_answered_with_the_right_one(typed, between):
    name = "--SPECIALTY_SAMPLE_PERCENTAGES"
    with pytest.raises(UserError, match=f"Type: {name} cardiology 0.8 neurology 0.6$"):
        parse(DatasetConfig, "", f"{name}{between}{typed}".split())
    assert "cardiology 0.8 neurology 0.6 (in Python" in help_text(DatasetConfig, "")


def test_limits_are_shown_without_exponents():
    [line] = refused(DatasetConfig(MAX_SEQ_LENGTH=0), DatasetConfig)
    assert line == "MAX_SEQ_LENGTH = 0 should lie between 16 and 1,000,000."


@pytest.mark.parametrize("script", CLASSES)
def test_a_script_answers_a_mistake_with_2_and_no_traceback(script, tmp_path):
    name = "RANDOM_SEED" if script == "dataset_preparation.py" else "SEED"
    for typed in ([f"--{name}", "1.5"], [f"--{name[:-1]}", "1"], [f"--{name}", "-1"]):
        done = run_script(script, *typed, "--OUTPUT_DIR", tmp_path / "out")
        assert done.returncode == 2, (typed, done.stderr)
        assert done.stdout == "" and name in done.stderr and "Traceback" not in done.stderr
        assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(("script", "kind"), CLASSES.items())
def test_help_shows_the_commands_and_a_line_for_each_setting(script, kind):
    started = os.times().children_user
    done = run_script(script, "--help")
    assert os.times().children_user - started < 1  # of processor time, which a busy machine hardly stretches
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    for name, comment in comments(kind).items():
        [line] = [line for line in lines if line.startswith(f"  --{name} ")]
        assert line.split(maxsplit=1)[1].startswith(f"{comment} ["), name
    command = re.compile(r"^ *((?:python|accelerate) .*\S) *$", re.M)
    documented = command.findall((ROOT / script).read_text(encoding="utf-8").split('"""')[1])
    assert command.findall(done.stdout) == documented and len(documented) >= 3
    assert run_script(script, "-h").stdout == done.stdout


@pytest.mark.parametrize("kind", CLASSES.values())
def test_help_has_the_groups_of_config(kind):
    text = help_text(kind, "")
    source = inspect.getsource(kind)
    headings = re.findall(r"^    # == (.+) ==$", source, re.M)
    assert len(headings) > 2 and headings == re.findall(r"^(\w.*):$", text, re.M)
    # A setting stands under the heading that is nearest above it in config.py.
    for name, setting in described(kind).items():
        above = source[: source.index(f"    {name}: ")]
        assert setting.group == re.findall(r"# == (.+) ==", above)[-1]
        part = text.split(f"\n{setting.group}:\n")[1].split("\n\n")[0]
        assert f"  --{name} " in part


def test_help_shows_defaults_as_they_are_typed():
    text = "\n".join(help_text(kind, "") for kind in CLASSES.values())

    def default(name: str) -> str:
        return re.search(rf"^  --{name} .* \[(.*)\]$", text, re.M)[1]

    assert default("LEARNING_RATE") == "0.0002" and default("NUM_EPOCHS") == "3"
    assert default("LORA_TARGET_MODULES") == "q_proj v_proj"
    assert default("USE_WANDB") == "off; on: the name alone"
    assert default("AUTO_BATCH_SIZE") == "on; off: --no_AUTO_BATCH_SIZE"
    assert default("GRADIENT_CHECKPOINTING") == "auto; or on, off"
    assert default("SPECIALTY_SAMPLE_PERCENTAGES") == "none; as NAME NUMBER pairs"
    assert default("RECOMMENDATIONS") == "empty"
    assert default("MODEL_NAME") == TrainingConfig().MODEL_NAME
    assert default("SYSTEM_MESSAGE").endswith("…") and len(default("SYSTEM_MESSAGE")) <= 40


def test_help_fits_a_terminal(monkeypatch):
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "80")
    narrow = help_text(TrainingConfig, "")
    settings = narrow.split("\nModel and folders:\n")[1]
    assert max(map(len, settings.splitlines())) <= 80
    monkeypatch.setenv("COLUMNS", "400")
    assert told(help_text(TrainingConfig, "")) == told(narrow)


def test_the_next_command_has_the_settings_that_differ_from_the_default():
    given = {
        "BASE_MODEL_PATH": "my models/base",
        "FINETUNED_MODEL_PATH": "results",
        "DATASET_DIR": "datasets",
    }
    line = next_command("evaluation.py", EvaluationConfig, given)
    assert line == "python evaluation.py --BASE_MODEL_PATH 'my models/base'"
    [script, *words] = shlex.split(line)[1:]
    assert vars(parse(EvaluationConfig, "", words)) == vars(EvaluationConfig(**given))


def test_the_next_command_has_numbers_and_lists_of_a_record():
    given = {"LORA_TARGET_MODULES": ["q_proj", "k_proj"], "NUM_EPOCHS": 2, "USE_WANDB": True}
    [script, *words] = shlex.split(next_command("fine_tuning.py", TrainingConfig, given))[1:]
    given["LORA_TARGET_MODULES"] = ("q_proj", "k_proj")
    assert vars(parse(TrainingConfig, "", words)) == vars(TrainingConfig(**given))


def test_help_and_mistakes_load_no_heavy_library():
    code = (
        "import sys, dataset_preparation, fine_tuning, evaluation\n"
        "from medqa.runtime.cli import checked, parse\n"
        "checked(parse(evaluation.EvaluationConfig, '', ['--LIMIT', '3']), evaluation.EvaluationConfig, {})\n"
        "heavy = {'torch', 'transformers', 'datasets', 'pandas', 'numpy', 'scipy', 'matplotlib', 'nltk'}\n"
        "print(heavy & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("set()\n", "")


# ---- a config made in Python ---------------------------------------------------------------------------


def refused(config: SimpleNamespace, kind: type = TrainingConfig) -> list[str]:
    """The lines with which a config is refused."""
    with pytest.raises(UserError) as error:
        checked(config, kind, LIMITS)
    return [line.strip() for line in str(error.value).splitlines()]


def test_defaults_pass_and_stay():
    for kind in CLASSES.values():
        config = checked(kind(), kind, LIMITS)
        assert isinstance(config, kind) and vars(config) == vars(kind())


@pytest.mark.parametrize("typed", ["--lora_rank", "--lora-rank=4", "--Lora_Rank"])
def test_a_setting_in_other_letters_is_refused_with_its_name(typed):
    with pytest.raises(UserError, match=r"Did you mean --LORA_RANK\?"):
        parse(TrainingConfig, "", [typed, "4"])


def test_an_unknown_setting_is_refused_with_the_closest_name():
    config, message = TrainingConfig(), "TrainingConfig has no setting NUM_EPOCS. Did you mean NUM_EPOCHS?"
    with pytest.raises(AttributeError, match=re.escape(message)):
        config.NUM_EPOCS = 5
    with pytest.raises(AttributeError, match=re.escape(message)):
        TrainingConfig(NUM_EPOCS=5)
    assert refused(SimpleNamespace(num_epochs=5)) == [
        "TrainingConfig has no setting num_epochs. Did you mean NUM_EPOCHS?"
    ]
    [line] = refused(SimpleNamespace(zzz=5))
    assert "has no setting zzz" in line and all(item.name in line for item in fields(TrainingConfig))


def test_all_mistakes_are_listed_together():
    config = TrainingConfig(
        NUM_EPOCHS="5", LEARNING_RATE=None, USE_WANDB=1, MODEL_NAME=8, LORA_TARGET_MODULES="q_proj",
        RESUME="always", LORA_RANK=0, BATCH_SIZE=4,
    )  # fmt: skip
    config = SimpleNamespace(**vars(config), LORA_RANKS=8)
    assert sorted(refused(config)) == [
        "LEARNING_RATE = None should be a number.",
        "LORA_RANK = 0 should lie between 1 and 1,024.",
        "LORA_TARGET_MODULES = 'q_proj' should be a list of texts.",
        "MODEL_NAME = 8 should be a text.",
        "NUM_EPOCHS = '5' should be a whole number.",
        "RESUME = 'always' should be one of 'auto', 'never'.",
        "TrainingConfig has no setting LORA_RANKS. Did you mean LORA_RANK?",
        "USE_WANDB = 1 should be True or False.",
    ]


def test_a_list_is_accepted_for_a_tuple_and_a_whole_number_for_a_number():
    config = checked(TrainingConfig(LORA_TARGET_MODULES=["q_proj"], LEARNING_RATE=1), TrainingConfig, LIMITS)
    assert config.LORA_TARGET_MODULES == ("q_proj",)
    assert config.LEARNING_RATE == 1.0 and type(config.LEARNING_RATE) is float
    shares = checked(
        DatasetConfig(SPECIALTY_SAMPLE_PERCENTAGES={"cardiology": 1}), DatasetConfig, LIMITS
    ).SPECIALTY_SAMPLE_PERCENTAGES
    assert shares == {"cardiology": 1.0} and type(shares["cardiology"]) is float


@pytest.mark.parametrize(
    ("kind", "name", "value"),
    [
        (TrainingConfig, "NUM_EPOCHS", True),
        (TrainingConfig, "LEARNING_RATE", False),
        (TrainingConfig, "NUM_EPOCHS", 3.0),
        (TrainingConfig, "LORA_TARGET_MODULES", ["q_proj", 3]),
        (TrainingConfig, "LORA_TARGET_MODULES", None),
        (DatasetConfig, "SPECIALTY_SAMPLE_PERCENTAGES", {"cardiology": "0.8"}),
        (DatasetConfig, "SPECIALTY_SAMPLE_PERCENTAGES", {"cardiology": True}),
        (DatasetConfig, "SPECIALTY_SAMPLE_PERCENTAGES", {8: 0.8}),
        (DatasetConfig, "SPECIALTY_SAMPLE_PERCENTAGES", [("cardiology", 0.8)]),
    ],
)
def test_a_wrong_type_is_refused(kind, name, value):
    [line] = refused(kind(**{name: value}), kind)
    assert line.startswith(f"{name} = {value!r} should be ")


@pytest.mark.parametrize(("name", "limits"), LIMITS.items())
def test_limits_are_allowed_and_values_outside_are_refused(name, limits):
    for kind in CLASSES.values():
        if name not in get_type_hints(kind):
            continue
        number = type(getattr(kind(), name))
        for edge in limits:
            assert getattr(checked(kind(**{name: number(edge)}), kind, LIMITS), name) == edge
        for outside in (number(limits[0] - 1), number(limits[1] * 2 + 1)):
            [line] = refused(kind(**{name: outside}), kind)
            assert line.startswith(f"{name} = {outside!r} should lie between ")
        if number is float:
            assert len(refused(kind(**{name: float("nan")}), kind)) == 1


def test_a_share_or_value_that_is_given_twice_is_refused():
    with pytest.raises(UserError, match="has a more than once; give one share"):
        parse(DatasetConfig, "", ["--SPECIALTY_SAMPLE_PERCENTAGES", "a", "0.7", "b", "0.5", "a", "0.8"])
    [line] = refused(EvaluationConfig(PRIMARY_METRICS=("ROUGE-L", "token_f1", "ROUGE-L")), EvaluationConfig)
    assert line == "PRIMARY_METRICS has ROUGE-L more than once; give each value once."


@pytest.mark.parametrize("settings", [{}, {"OUTPUT_DIR": "x"}, None, "x"])
def test_settings_that_are_no_namespace_are_answered_with_what_is_expected(settings):
    for kind in CLASSES.values():
        [line] = refused(settings, kind)
        assert "expected " + kind.__name__ + "(…) or a types.SimpleNamespace" in line


FOLDERS = [
    (DatasetConfig, "DATA_DIR OUTPUT_DIR"),
    (TrainingConfig, "MODEL_NAME DATASET_DIR OUTPUT_DIR"),
    (EvaluationConfig, "BASE_MODEL_PATH FINETUNED_MODEL_PATH DATASET_DIR OUTPUT_DIR"),
]


@pytest.mark.parametrize(("kind", "names"), FOLDERS)
def test_an_empty_text_is_refused_where_a_folder_or_model_is_needed(kind, names):
    for name in names.split():
        for empty in ("", " "):
            [line] = refused(kind(**{name: empty}), kind)
            assert line.startswith(f"{name} is empty") and f"Type --{name} …" in line
    others = {name for name, hint in get_type_hints(kind).items() if hint is str} - {*names.split()}
    checked(kind(**dict.fromkeys(others, "")), kind, {})


@pytest.mark.parametrize(("kind", "names"), FOLDERS)
def test_links_that_lead_in_a_circle_are_refused_in_every_stage(kind, names, tmp_path):
    (tmp_path / "loop").symlink_to("loop")
    for name in names.split():
        for path in (tmp_path / "loop", tmp_path / "loop" / "below"):
            [line] = refused(kind(**{name: str(path)}), kind)
            assert line.startswith(f"{name} = ") and "lead in a circle" in line and f"--{name} …" in line
        [line] = refused(kind(**{name: "n" * 300}), kind)
        assert "a name in this path is too long" in line


def test_a_plain_namespace_gets_the_other_settings_by_default():
    config = checked(SimpleNamespace(NUM_EPOCHS=5), TrainingConfig, LIMITS)
    assert isinstance(config, TrainingConfig)
    assert vars(config) == vars(TrainingConfig(NUM_EPOCHS=5))
    first, second = (checked(SimpleNamespace(), DatasetConfig, LIMITS) for _ in range(2))
    assert first.SPECIALTY_SAMPLE_PERCENTAGES is not second.SPECIALTY_SAMPLE_PERCENTAGES


def test_settings_are_read_only_once_they_are_checked():
    config = checked(TrainingConfig(NUM_EPOCHS=5), TrainingConfig, LIMITS)
    for change in (lambda: setattr(config, "NUM_EPOCHS", 6), lambda: delattr(config, "NUM_EPOCHS")):
        with pytest.raises(AttributeError, match="NUM_EPOCHS cannot change"):
            change()
    other = replaced(config, NUM_EPOCHS=6)
    assert (config.NUM_EPOCHS, other.NUM_EPOCHS, other.LORA_RANK) == (5, 6, config.LORA_RANK)


def test_settings_are_recorded_as_given_or_default():
    record = given_and_default(DatasetConfig(RANDOM_SEED=4, SPECIALTY_SAMPLE_PERCENTAGES={"x": 0.5}))
    assert record["given"] == {"RANDOM_SEED": 4, "SPECIALTY_SAMPLE_PERCENTAGES": {"x": 0.5}}
    assert record["given"] | record["default"] == vars(DatasetConfig()) | record["given"]
    assert given_and_default(DatasetConfig())["given"] == {}


def test_a_dataclass_selects_the_settings_that_it_names():
    @dataclass(frozen=True)
    class Adapter:
        lora_rank: int
        lora_alpha: int

    assert select(TrainingConfig(LORA_RANK=4), Adapter) == Adapter(4, 16)


# ---- config.py -----------------------------------------------------------------------------------------


def comments(kind: type) -> dict[str, str]:
    """The comment right above each setting in config.py."""
    source = (ROOT / "config.py").read_text(encoding="utf-8")
    lines = source.splitlines()
    body = next(node for node in ast.parse(source).body if getattr(node, "name", "") == kind.__name__)
    found = {}
    for node in body.body:
        if isinstance(node, ast.AnnAssign):
            number, above = node.lineno - 2, []
            while lines[number].strip().startswith("#"):
                above.insert(0, lines[number].strip().lstrip("# "))
                number -= 1
            found[node.target.id] = " ".join(above)
    return found


@pytest.mark.parametrize("kind", CLASSES.values())
def test_every_setting_has_a_comment_and_a_type(kind):
    found = comments(kind)
    assert list(found) == [item.name for item in fields(kind)] == list(vars(kind()))
    assert all(len(comment) > 10 for comment in found.values()), found
    assert issubclass(kind, SimpleNamespace)


def test_every_number_has_its_limits_and_every_limit_its_number():
    numbers = {name for kind, name in NAMES if type(getattr(kind(), name)) in (int, float)}
    assert set(LIMITS) - numbers == set()
    assert numbers - set(LIMITS) == set()
    for name, (low, high) in LIMITS.items():
        assert low < high, name


def test_config_needs_the_standard_library_only():
    code = (
        "import sys; before = set(sys.modules); sys.path.insert(0, '.'); import config\n"
        "new = {name.split('.')[0] for name in set(sys.modules) - before}\n"
        "print(new - sys.stdlib_module_names)"
    )
    done = subprocess.run([sys.executable, "-S", "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("{'config'}\n", "")


def test_promised_defaults():
    data, training, evaluation = DatasetConfig(), TrainingConfig(), EvaluationConfig()
    assert data.HOLDOUT_SAMPLES_PER_SPECIALTY == 10
    assert data.INITIAL_TRAIN_PERCENTAGE == 0.5
    assert data.EVAL_SPLIT_SIZE == 0.2
    assert data.OUTPUT_DIR == training.DATASET_DIR == evaluation.DATASET_DIR == "datasets"
    assert training.LORA_RANK == 8
    assert training.LORA_ALPHA == 16
    assert training.LORA_TARGET_MODULES == ("q_proj", "v_proj")
    assert training.LORA_DROPOUT == 0
    assert training.NUM_EPOCHS == 3
    assert training.BATCH_SIZE == 4
    assert training.GRADIENT_ACCUMULATION_STEPS == 4
    assert training.LEARNING_RATE == 2e-4
    assert training.MAX_SEQ_LENGTH == 2048
    assert training.BASE_PRECISION == "nf4" and training.USE_WANDB is False
    assert training.OUTPUT_DIR == evaluation.FINETUNED_MODEL_PATH == "results"
    assert training.MODEL_NAME == evaluation.BASE_MODEL_PATH == "dmis-lab/llama-3-meerkat-8b-v1.0"
    assert evaluation.OUTPUT_DIR == "evaluation_results"
    assert evaluation.MAX_NEW_TOKENS == 512
    assert evaluation.TEMPERATURE == 0.1
    assert evaluation.BATCH_SIZE == 4 and evaluation.AUTO_BATCH_SIZE is True
    assert evaluation.BERTSCORE_MODEL == "microsoft/deberta-xlarge-mnli"


def test_the_scripts_hold_the_configs_that_the_readme_imports_from_them():
    import dataset_preparation
    import evaluation
    import fine_tuning

    assert dataset_preparation.DatasetConfig is settings.DatasetConfig
    assert fine_tuning.TrainingConfig is settings.TrainingConfig
    assert evaluation.EvaluationConfig is settings.EvaluationConfig
    assert (ROOT / DatasetConfig().DATA_DIR).is_dir()
