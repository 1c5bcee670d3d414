"""Each proof of the start of preference training, broken, and seen to be broken."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, get_args

import pytest
import torch
from peft import PeftModel

from tests.training import exports
from training import arguments, base, dpo, proofs
from training.config import DpoConfig, PairLoss, TrainConfig
from training.errors import ProofFailed
from training.train import train

PAIRS = dpo.Pairs(
    [[1, 40 + n, 41, 42] for n in range(8)], [[50 + n, 51, 2] for n in range(8)], [[60, 61 + n, 2] for n in range(8)]
)
ROWS = [[*p, *c] for p, c in zip(PAIRS.prompt_ids[:2], PAIRS.chosen_ids[:2], strict=True)]


@dataclass
class Start:
    """An SFT adapter to start from, and how a trainer is put together on it."""

    config: TrainConfig
    sft: Path
    folder: Path
    tokenizer: Any = field(init=False)

    def __post_init__(self) -> None:
        self.tokenizer = base.load_tokenizer(self.config)

    def assemble(self, model: Any, ref_model: Any = None, settings: DpoConfig | None = None) -> Any:
        with base.quiet():
            return dpo.assemble(
                self.config, settings or self.config.dpo, model, ref_model, self.tokenizer, PAIRS, None, self.folder, []
            )

    def prove(self, trainer: Any, settings: DpoConfig | None = None) -> list[proofs.Proof]:
        return dpo.prove(trainer, self.config, settings or self.config.dpo, self.sft, ROWS, None)


@pytest.fixture(scope="module")
def start(tmp_path_factory: pytest.TempPathFactory) -> Start:
    folder = tmp_path_factory.mktemp("start")
    config = exports.config(exports.base(folder / "base"))
    train(exports.export(folder / "export", preferred=0), folder / "out", config, say=lambda _: None)
    return Start(config, folder / "out/adapters/sft", folder / "checkpoints")


def failing(error: pytest.ExceptionInfo[ProofFailed]) -> str:
    return error.value.why.split("(check ")[1].split(",")[0]


def test_a_sound_start_passes_every_proof(start: Start) -> None:
    found = start.prove(start.assemble(dpo.policy(start.config, start.sft)))
    assert [proof.name for proof in found] == [
        "weights_fp32",
        "adapter_name",
        "sft_adapter_loaded",
        "reference_present",
        "reference_frozen",
        "reference_equal",
        "sft_differs_from_base",
        "first_loss",
    ]
    values = {proof.name: proof.value for proof in found}
    assert values["reference_equal"] == 0.0
    assert values["sft_differs_from_base"] > 1e-4
    assert values["first_loss"] == pytest.approx(math.log(2), abs=1e-6)


def test_the_base_as_reference_is_caught(start: Start) -> None:
    trainer = start.assemble(dpo.policy(start.config, start.sft), ref_model=base.load_model(start.config))
    with pytest.raises(ProofFailed) as error:
        start.prove(trainer)
    assert failing(error) == "reference_present"
    assert not proofs.first_loss(dpo._loss(trainer), start.config.dpo).holds


def test_a_forgotten_sft_adapter_is_caught(start: Start) -> None:
    """A fresh adapter gives the same first loss, and is its own reference: only these two proofs see it."""
    trainer = start.assemble(base.new_adapter(base.load_model(start.config), start.config))
    assert proofs.first_loss(dpo._loss(trainer), start.config.dpo).holds
    assert all(proof.holds for proof in proofs.reference(trainer.model, trainer.ref_model))
    with pytest.raises(ProofFailed) as error:
        start.prove(trainer)
    assert failing(error) == "sft_adapter_loaded"
    with trainer.model.disable_adapter():
        of_base = proofs.peek(trainer.model, ROWS)
    assert not proofs.differs(proofs.peek(trainer.model, ROWS), of_base).holds


@pytest.mark.parametrize("dora", [False, True])
def test_the_weights_are_compared_with_the_file(start: Start, tmp_path: Path, dora: bool) -> None:
    lora = start.config.lora.model_copy(update={"dora": dora})
    config = start.config.model_copy(update={"lora": lora})
    base.new_adapter(base.load_model(config), config).save_pretrained(str(tmp_path))
    model = base.open_adapter(base.load_model(config), tmp_path)
    assert proofs.same_as_file(model, tmp_path).holds
    weight = [w for w in model.parameters() if w.requires_grad][-1]
    weight.data.view(-1)[0] += 1e-3
    assert not proofs.same_as_file(model, tmp_path).holds


def test_a_wrong_adapter_name_is_caught(start: Start) -> None:
    model = PeftModel.from_pretrained(
        base.load_model(start.config), str(start.sft), adapter_name="policy", is_trainable=True
    )
    with pytest.raises(ProofFailed) as error:
        start.assemble(model)
    assert failing(error) == "adapter_name"


def test_weights_that_trl_rounded_are_caught(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(arguments, "restore", lambda model, kept: None)
    trainer = start.assemble(dpo.policy(start.config, start.sft))
    with pytest.raises(ProofFailed) as error:
        start.prove(trainer)
    assert failing(error) == "weights_fp32"


@pytest.mark.parametrize("rounded", [True, False])
def test_weights_that_do_not_move_are_caught(
    start: Start, rounded: bool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """At 1e-6, a usual rate of DPO: in bf16 nearly nothing moves, in fp32 everything."""
    if rounded:
        monkeypatch.setattr(arguments, "restore", lambda model, kept: None)
    settings = start.config.dpo.model_copy(update={"learning_rate": 1e-6, "max_steps": 12, "save_every": 100})
    trainer = start.assemble(dpo.policy(start.config, start.sft), settings=settings)
    watch = proofs.Moves()
    trainer.add_callback(watch)
    if not rounded:
        with base.quiet():
            trainer.train()
        assert watch.report["weights_move"].value > 0.95
        return
    with base.quiet(), pytest.raises(ProofFailed) as error:
        trainer.train()
    assert trainer.state.global_step == proofs.GIVE_UP_AFTER
    assert watch.report["weights_move"].value < proofs.LEAST_MOVED
    assert "do not move" in error.value.what


def test_a_reference_that_is_not_the_policy_or_trains_is_caught(start: Start) -> None:
    trainer = start.assemble(dpo.policy(start.config, start.sft))
    weight = next(w for n, w in trainer.model.named_parameters() if ".ref." in n)
    weight.data.view(-1)[0] += 1e-3
    with pytest.raises(ProofFailed) as error:
        start.prove(trainer)
    assert failing(error) == "reference_equal"
    weight.data.view(-1)[0] -= 1e-3
    weight.requires_grad_(True)
    with pytest.raises(ProofFailed) as error:
        start.prove(trainer)
    assert failing(error) == "reference_frozen"


@pytest.mark.parametrize("loss", get_args(PairLoss))
def test_the_first_loss_of_every_kind_is_as_computed(start: Start, loss: str) -> None:
    smoothing = {"robust": 0.1, "exo_pair": 1e-3}.get(loss, 0.0)
    settings = start.config.dpo.model_copy(update={"loss": loss, "label_smoothing": smoothing})
    trainer = start.assemble(dpo.policy(start.config, start.sft), settings=settings)
    assert proofs.first_loss(dpo._loss(trainer), settings).holds
    assert not proofs.first_loss(dpo._loss(trainer) * 1.1, settings).holds


def test_a_loss_that_is_no_number_does_not_hold() -> None:
    assert not proofs.first_loss(math.nan, DpoConfig()).holds


def test_one_weight_apart_is_seen() -> None:
    one = torch.zeros(3)
    assert proofs.differs([one], [one]).holds is False
    assert proofs.differs([one], [one + 1e-6]).holds
