"""Training from end to end, and each thing that can go wrong in it: a clear sentence, and a state to go on from."""

from __future__ import annotations

import errno
import json
from pathlib import Path
from typing import Any

import pytest
import torch
import typer
from transformers import TrainerCallback
from typer.testing import CliRunner

from datagen.commands import train as command
from datagen.core.errors import DatagenError
from tests.training import exports
from training import base, checkpoints, metrics, settings, trouble
from training.config import DpoConfig, SftConfig, TrainConfig
from training.errors import ProofFailed, StoppedTraining, TrainingError
from training.train import TrainResult, train


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return exports.base(tmp_path_factory.mktemp("base"))


@pytest.fixture(scope="module")
def plain(model: Path, tmp_path_factory: pytest.TempPathFactory) -> TrainResult:
    """An undisturbed SFT of ``short``."""
    folder = tmp_path_factory.mktemp("plain")
    return go(folder, short(model))


def short(model: Path, **changes: Any) -> TrainConfig:
    sft = SftConfig(max_steps=5, batch=2, accumulation=2, learning_rate=5e-3, save_every=2, evaluate_every=2)
    return exports.config(model, sft=sft.model_copy(update=changes), dpo=DpoConfig(enabled=False))


def go(folder: Path, config: TrainConfig, *watchers: Any, said: list[str] | None = None, **options: Any) -> TrainResult:
    source = folder / "export"
    if not source.exists():
        exports.export(source, train=12, preferred=0)
    tell = (said if said is not None else []).append
    return train(source, folder / "out", config, say=tell, callbacks=watchers, **options)


def state(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "out/training.json").read_text(encoding="utf-8"))
    return found


class At(TrainerCallback):
    """Does something at the end of a step."""

    def __init__(self, step: int, act: Any) -> None:
        self.step, self.act = step, act

    def on_step_end(self, args: Any, state: Any, control: Any, model: Any = None, **_: Any) -> None:
        if state.global_step == self.step:
            self.act(model)


class Hungry(TrainerCallback):
    """The model runs out of memory with more than ``most`` rows at once, from its second step on."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.steps = 0

    def on_train_begin(self, args: Any, state: Any, control: Any, model: Any = None, **_: Any) -> None:
        def refuse(module: Any, given: Any, named: dict[str, Any]) -> None:
            if self.steps >= 2 and module.training and len(named["input_ids"]) > self.most:
                raise torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")

        model.register_forward_pre_hook(refuse, with_kwargs=True)

    def on_step_end(self, *_: Any, **__: Any) -> None:
        self.steps += 1


def raising(error: BaseException) -> Any:
    def act(_: Any) -> None:
        raise error

    return act


def test_out_of_memory_halves_the_batch_and_goes_on(model: Path, plain: TrainResult, tmp_path: Path) -> None:
    said: list[str] = []
    found = go(tmp_path, short(model), Hungry(1), said=said)
    assert found.sft is not None
    assert found.sft.record["batch"] == 1
    assert found.sft.record["accumulation"] == 2  # of 2 x 1: twelve rows have few steps
    assert found.sft.record["steps"] == 5
    assert any("Out of memory with 2 rows at once: going on with 1" in line for line in said)
    steps = [line["step"] for line in metrics.read(tmp_path / "out/metrics.jsonl") if "loss" in line]
    assert steps == [1, 2, 3, 4, 5]
    assert plain.sft is not None  # the same rows a step, so nearly the same loss
    assert found.sft.record["last_loss"] == pytest.approx(plain.sft.record["last_loss"], rel=1e-3)


def test_out_of_memory_with_one_row_stops(model: Path, tmp_path: Path) -> None:
    with pytest.raises(StoppedTraining, match="does not fit into memory"):
        go(tmp_path, short(model), Hungry(0))
    assert state(tmp_path)["state"] == "stopped"
    assert checkpoints.last(tmp_path / "out/checkpoints/sft") is not None


def _spoil(model: Any) -> None:
    with torch.no_grad():
        next(weight for weight in model.parameters() if weight.requires_grad).fill_(float("nan"))


@pytest.mark.parametrize(
    ("act", "words"),
    [
        (_spoil, "is no number at step 4 of SFT"),
        (raising(OSError(errno.ENOSPC, "No space left on device")), "could not be saved"),
        (raising(RuntimeError("I/O error: No space left on device (os error 28)")), "could not be saved"),
    ],
    ids=["no number", "full disk", "full disk, wrapped"],
)
def test_stopped_training_goes_on_to_the_same_end(
    model: Path, plain: TrainResult, tmp_path: Path, act: Any, words: str
) -> None:
    with pytest.raises(StoppedTraining, match=words) as error:
        go(tmp_path, short(model), At(3, act))
    assert error.value.exit_code == 3
    assert state(tmp_path)["state"] == "stopped"
    said: list[str] = []
    found = go(tmp_path, short(model), said=said)
    assert any("goes on from step 2" in line for line in said)
    assert found.sft is not None
    assert plain.sft is not None
    assert found.sft.record["adapter_sha256"] == plain.sft.record["adapter_sha256"]
    assert state(tmp_path)["state"] == "done"


def test_other_errors_are_not_swallowed(model: Path, tmp_path: Path) -> None:
    with pytest.raises(KeyError):
        go(tmp_path, short(model), At(1, raising(KeyError("x"))))


@pytest.mark.slow
def test_what_is_done_is_done_and_what_changed_is_done_anew(model: Path, tmp_path: Path) -> None:
    exports.export(tmp_path / "export", train=8, preferred=8, valid=2)
    sft = SftConfig(max_steps=2, batch=2, accumulation=1)
    config = exports.config(model, sft=sft, dpo=DpoConfig(max_steps=1, batch=2, accumulation=1))
    first = go(tmp_path, config)
    said: list[str] = []
    again = go(tmp_path, config, said=said)
    assert again.sft is not None
    assert again.dpo is not None
    assert again.sft.resumed
    assert again.dpo.resumed
    assert sum("done already" in line for line in said) == 2
    said.clear()
    other = config.model_copy(update={"dpo": config.dpo.model_copy(update={"beta": 0.3})})
    third = go(tmp_path, other, said=said)
    assert third.sft is not None
    assert third.dpo is not None
    assert third.sft.resumed
    assert not third.dpo.resumed
    assert any("DPO is begun anew" in line and "dpo.beta" in line for line in said)
    said.clear()
    exports.write(tmp_path / "export/sft.train.jsonl", exports.rows(9))
    fourth = go(tmp_path, other, said=said)
    assert any("SFT is begun anew" in line and "the data" in line for line in said)
    assert any("DPO is begun anew" in line and "the SFT adapter" in line for line in said)
    assert fourth.sft is not None
    assert first.sft is not None
    assert fourth.sft.record["adapter_sha256"] != third.sft.record["adapter_sha256"]
    (tmp_path / "out/adapters/sft/adapter_model.safetensors").write_bytes(b"cut short")
    fifth = go(tmp_path, other)
    assert fifth.sft is not None
    assert not fifth.sft.resumed
    assert fifth.sft.record["adapter_sha256"] == fourth.sft.record["adapter_sha256"]
    (tmp_path / "export/preference.train.jsonl").unlink()
    (tmp_path / "export/preference.valid.jsonl").unlink()
    sixth = go(tmp_path, other)
    assert sixth.dpo is None
    assert "dpo" not in sixth.record["stages"]
    assert not (tmp_path / "out/adapters/dpo").exists()  # nothing takes an old adapter for one of these rows


@pytest.mark.slow
def test_without_resume_all_is_done_anew_with_the_same_result(model: Path, tmp_path: Path) -> None:
    first = go(tmp_path, short(model))
    second = go(tmp_path, short(model), resume=False)
    assert first.sft is not None
    assert second.sft is not None
    assert not second.sft.resumed
    assert first.sft.record["adapter_sha256"] == second.sft.record["adapter_sha256"]


def test_twelve_rows_train_and_say_so(model: Path, tmp_path: Path) -> None:
    said: list[str] = []
    config = TrainConfig(base=str(model))
    found = go(tmp_path, config, said=said)
    assert found.sft is not None
    assert found.dpo is None
    assert found.sft.record["steps"] == 8
    assert any(line.startswith("12 rows are few") for line in said)
    assert any("generator.preference.share" in line for line in said)


def test_the_tiny_base_is_made_and_called_a_toy(tmp_path: Path) -> None:
    said: list[str] = []
    config = short(tmp_path).model_copy(update={"base": "tiny"})
    found = go(tmp_path, config, said=said)
    assert (tmp_path / "out/base/config.json").is_file()
    assert any("toy" in line for line in said)
    assert found.record["config"]["base"] == "tiny"
    before = (tmp_path / "out/base/model.safetensors").stat().st_mtime_ns
    go(tmp_path, config)
    assert (tmp_path / "out/base/model.safetensors").stat().st_mtime_ns == before


def test_rows_longer_than_the_context_are_cut_or_left_out_with_a_word(model: Path, tmp_path: Path) -> None:
    rows = exports.rows(8)
    rows[2]["messages"][1]["content"] = "The lamp is red. " * 200
    rows[5]["messages"][0]["content"] = "What is it? " * 300
    (tmp_path / "export").mkdir()
    exports.write(tmp_path / "export/sft.train.jsonl", rows)
    said: list[str] = []
    found = go(tmp_path, short(model).model_copy(update={"max_length": 100_000}), said=said)
    assert any("takes 256 tokens at most" in line for line in said)
    assert any("1 of 8 rows are longer than 256 tokens" in line for line in said)
    assert any("1 rows are left out, as sft.train.jsonl:6" in line for line in said)
    assert found.sft is not None
    assert [one["place"] for one in found.sft.record["dropped"]] == ["sft.train.jsonl:6"]


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_command_ends_with_model_card_configs_page_and_comparison(tmp_path: Path) -> None:
    exports.export(tmp_path / "export", train=8, preferred=8, valid=2)
    sets = ["max_length=128", *(f"{stage}.{key}" for stage in ("sft", "dpo") for key in ("max_steps=2", "batch=2"))]
    arguments = [str(tmp_path), "--base", "tiny", *(word for one in sets for word in ("--set", one))]
    app = typer.Typer()
    app.command()(command.train)
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 0, done.output
    out = tmp_path / "training"
    assert "SFT " in done.stdout
    assert "DPO " in done.stdout
    assert str(out / "merged") in done.stdout
    for name in ("merged/config.json", "README.md", "Modelfile", "training.html", "compare.html", "compare.json"):
        assert (out / name).is_file(), name
    assert list((out / "configs").iterdir())
    written = json.loads((out / "training.json").read_text(encoding="utf-8"))
    assert written["state"] == "done"
    assert written["merge"]["difference"] < 1e-4
    for stage in written["stages"].values():
        assert stage["estimate_bytes"] > 0
        assert stage["peak_bytes"] == pytest.approx(stage["estimate_bytes"], rel=0.5)  # figures: benchmarks
    again = CliRunner().invoke(app, [*arguments, "--json"])
    assert again.exit_code == 0, again.output
    assert json.loads(again.stdout)["merge"] == written["merge"]


def test_a_dry_run_plans_and_trains_nothing(model: Path, tmp_path: Path) -> None:
    exports.export(tmp_path / "export", train=8, preferred=8, valid=2)
    app = typer.Typer()
    app.command()(command.train)
    done = CliRunner().invoke(app, [str(tmp_path), "--base", str(model), "--dry-run", "--vram", "8GB", "--json"])
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    assert found["limit_bytes"] == 8_000_000_000
    assert found["device"] == "cuda"
    assert set(found["stages"]) == {"sft", "dpo"}
    assert not (tmp_path / "training/adapters").exists()


def test_where_the_output_goes(tmp_path: Path) -> None:
    rows = tmp_path / "rows.jsonl"
    rows.write_text("", encoding="utf-8")
    assert command.default_out(rows) == tmp_path / "rows-training"
    assert command.default_out(tmp_path / "run") == tmp_path / "run/training"
    assert command.default_out(tmp_path / "run/export") == tmp_path / "run/training"


def test_errors_of_training_become_those_of_the_command_line() -> None:
    for error, code in ((TrainingError, 2), (StoppedTraining, 3), (ProofFailed, 1)):
        with pytest.raises(DatagenError) as told, command.spoken():
            raise error("what", "why", "fix")
        assert (told.value.what, told.value.why, told.value.fix) == ("what", "why", "fix")
        assert told.value.exit_code == code


def test_bad_json_names_its_line(model: Path, tmp_path: Path) -> None:
    exports.export(tmp_path / "export", preferred=0)
    file = tmp_path / "export/sft.train.jsonl"
    lines = file.read_text(encoding="utf-8").splitlines()
    lines[6] = lines[6][:-10]
    file.write_text("\n".join(lines), encoding="utf-8")
    with pytest.raises(TrainingError, match="7"):
        go(tmp_path, short(model))


@pytest.mark.parametrize(
    ("name", "words"),
    [("./none", "There is no model at ./none"), ("a b", "There is no model at a b"), ("no/such/model", "no model at")],
)
def test_a_missing_base_is_said_in_a_sentence(tmp_path: Path, name: str, words: str) -> None:
    with pytest.raises(TrainingError, match=words) as error:
        go(tmp_path, TrainConfig(base=name))
    assert "tiny" in error.value.fix


def test_a_base_on_a_hub_that_does_not_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import huggingface_hub.constants

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(TrainingError, match=r"of nobody/nothing could not be had") as error:
        go(tmp_path, TrainConfig(base="nobody/nothing"))
    assert len(error.value.why) < 400


def test_broken_bases(model: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(TrainingError, match="holds no model"):
        base.load_tokenizer(TrainConfig(base=str(tmp_path / "empty")))
    broken = exports.base(tmp_path / "broken")
    weights = broken / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    with pytest.raises(TrainingError, match="cannot be read"):
        base.load_model(TrainConfig(base=str(broken)))
    with pytest.raises(TrainingError, match="finds no place"):
        config = TrainConfig(base=str(model), lora={"targets": ("nowhere",)})
        base.new_adapter(base.load_model(config), config)
    with pytest.raises(TrainingError, match="float16"):
        go(tmp_path, TrainConfig(base=str(model), dtype="float16"))


def test_missing_libraries_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    real = base.importlib.util.find_spec
    monkeypatch.setattr(base.importlib.util, "find_spec", lambda name: None if name == "bitsandbytes" else real(name))
    with pytest.raises(TrainingError, match=r"Missing: bitsandbytes.*datagen\[train\]"):
        base.require(TrainConfig())
    base.require(TrainConfig(method="lora"))


def test_settings_from_the_command_line() -> None:
    found = settings.settle(["sft.learning_rate=2e-4", "lora.targets=[q_proj, v_proj]"], {"base": "x", "vram": None})
    assert found.sft.learning_rate == 2e-4
    assert found.lora.targets == ("q_proj", "v_proj")
    assert found.base == "x"
    for wrong, words in (
        ("sft.lerning_rate=1", r"Did you mean sft.learning_rate"),
        ("sft.epochs=-1", "greater than 0"),
        ("sft.epochs", "section.key=value"),
        ("sft=3", "sft"),
        ("dpo.loss=nice", "sigmoid"),
    ):
        with pytest.raises(TrainingError, match=words):
            settings.settle([wrong])


def test_what_kind_of_trouble_it_is() -> None:
    assert trouble.out_of_memory(RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9"))
    assert trouble.out_of_memory(MemoryError())
    assert not trouble.out_of_memory(RuntimeError("shapes do not match"))
    wrapped = RuntimeError("[enforce fail at inline_container.cc:668] . PytorchStreamWriter failed writing file data/1")
    assert trouble.disk_full(wrapped)
    try:
        try:
            raise OSError(errno.EDQUOT, "quota")
        except OSError as inner:
            raise ValueError("could not save") from inner
    except ValueError as error:
        assert trouble.disk_full(error)
    assert not trouble.disk_full(OSError(errno.EACCES, "no"))


def test_configs_for_several_gpus_load() -> None:
    from accelerate.commands.config.config_args import load_config_from_file

    folder = Path(__file__).resolve().parents[2] / "training/accelerate"
    found = {file.stem: load_config_from_file(str(file)).distributed_type.value for file in folder.glob("*.yaml")}
    assert found == {
        "ddp": "MULTI_GPU",
        "fsdp": "FSDP",
        "deepspeed_zero2": "DEEPSPEED",
        "deepspeed_zero3": "DEEPSPEED",
    }
