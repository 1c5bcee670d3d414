"""Checks that a stage trains what it says, made before the first step and after the first few.

Preference training goes wrong in silence: with the base as reference, with a fresh adapter in place of the SFT one,
or with weights that rounding holds in place, the loss curve looks as usual. Each proof says what it looked at and
what it found; one that does not hold ends the stage with :class:`training.errors.ProofFailed`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from transformers import TrainerCallback

from training.base import ADAPTER
from training.config import DpoConfig
from training.errors import ProofFailed

REFERENCE = "ref"
_PEEK = 128  # tokens of a row whose logits are compared: enough to tell models apart, small for any vocabulary
_SAMPLE = 4096  # elements of each weight that are watched for movement
_MAGNITUDE = f".{ADAPTER}.weight"  # peft leaves this off the names of DoRA's magnitudes when it saves them
LOOK_AFTER, GIVE_UP_AFTER = 5, 10
LEAST_MOVED = 0.5
"""Share of the watched elements that must have changed; of bf16 weights 0.004 did in 20 steps at 1e-6, of fp32 all."""


@dataclass(frozen=True)
class Proof:
    """One check.

    Attributes:
        name: short, as in ``reference_present``.
        holds: whether it does.
        value: the figure it rests on.
        said: one sentence.
    """

    name: str
    holds: bool
    value: float
    said: str

    def as_dict(self) -> dict[str, Any]:
        """For ``training.json``."""
        return asdict(self)


def demand(found: Iterable[Proof]) -> list[Proof]:
    """The proofs, all of which hold.

    Raises:
        ProofFailed: with the first that does not.
    """
    proofs = list(found)
    for proof in proofs:
        if not proof.holds:
            raise ProofFailed(
                "Training was not begun: it would not do what it says.",
                f"{proof.said} (check {proof.name}, value {proof.value:.6g})",
                "Delete the folder adapters/sft, so that it is made anew, run it again, and report this if it stays.",
            )
    return proofs


def named(model: Any) -> Proof:
    """The adapter has the name under which TRL copies it; made before the trainer is built."""
    names = sorted(getattr(model, "peft_config", {}))
    holds = ADAPTER in names and list(getattr(model, "active_adapters", [])) == [ADAPTER]
    listed = ", ".join(names) or "none"
    return Proof("adapter_name", holds, float(len(names)), f"The adapter to train is called {ADAPTER}; there: {listed}")


def same_as_file(model: Any, folder: Path) -> Proof:
    """The trainable weights are those of the SFT adapter on disk."""
    from safetensors.torch import load_file

    saved = {}
    for file in sorted(folder.glob("*.safetensors")):
        saved.update(load_file(str(file)))
    wrong, seen = 0.0, 0
    for name, weight in model.named_parameters():
        if f".{ADAPTER}" not in name:
            continue
        keys = (name.replace(f".{ADAPTER}.", "."), name.removesuffix(f".{ADAPTER}"), name.removesuffix(_MAGNITUDE))
        other = next((saved[key] for key in keys if key in saved), None)
        if other is None or other.shape != weight.shape:
            wrong = math.inf
            continue
        seen += 1
        wrong = max(wrong, _apart(weight, other.to(weight.device)))
    wrong = wrong if seen else math.inf
    return Proof(
        "sft_adapter_loaded", wrong == 0.0, _finite(wrong), f"The policy's {seen} weights equal the SFT adapter's file"
    )


def reference(model: Any, ref_model: Any | None) -> list[Proof]:
    """The reference of a model with adapters is a frozen copy of the adapter, weight by weight the same."""
    weights = dict(model.named_parameters())
    pairs = [
        (weight, weights.get(name.replace(f".{ADAPTER}.", f".{REFERENCE}.")))
        for name, weight in weights.items()
        if f".{ADAPTER}." in name
    ]
    there = bool(pairs) and all(other is not None for _, other in pairs)
    holds = REFERENCE in getattr(model, "peft_config", {}) and there and ref_model is None
    said = "The reference is the adapter copied when the stage began, and no other model"
    proofs = [Proof("reference_present", holds, float(len(pairs)), said)]
    if holds:
        thawed = sum(other.requires_grad for _, other in pairs if other is not None)
        proofs.append(Proof("reference_frozen", thawed == 0, float(thawed), f"{thawed} weights of the reference train"))
        apart = max(_apart(weight, other) for weight, other in pairs if other is not None)
        proofs.append(
            Proof("reference_equal", apart == 0.0, _finite(apart), "Policy and reference differ nowhere at the start")
        )
    return proofs


def reference_model(policy: Any, ref_model: Any | None) -> list[Proof]:
    """The same for a fully trained model: a second, frozen copy of the SFT model."""
    holds = ref_model is not None
    proofs = [Proof("reference_present", holds, float(holds), "A second copy of the SFT model is the reference")]
    if ref_model is not None:
        thawed = sum(weight.requires_grad for weight in ref_model.parameters())
        proofs.append(Proof("reference_frozen", thawed == 0, float(thawed), f"{thawed} weights of the reference train"))
        others = dict(ref_model.named_parameters())
        apart = max(
            _apart(weight, others[name]) if name in others else math.inf for name, weight in policy.named_parameters()
        )
        proofs.append(
            Proof("reference_equal", apart == 0.0, _finite(apart), "Policy and reference differ nowhere at the start")
        )
    return proofs


def differs(logits: Sequence[Any], base_logits: Sequence[Any]) -> Proof:
    """The SFT policy is not the base: an adapter that was never trained adds exact zeros."""
    apart = max((_apart(ours, theirs) for ours, theirs in zip(logits, base_logits, strict=True)), default=0.0)
    return Proof("sft_differs_from_base", apart > 0.0, _finite(apart), "The SFT policy's logits differ from the base's")


def fp32(model: Any) -> Proof:
    """Every trainable weight is fp32, and there is one."""
    trained = [weight for weight in model.parameters() if weight.requires_grad]
    other = sum(weight.dtype != torch.float32 for weight in trained)
    said = f"{len(trained)} weights train, {other} of them not in fp32"
    return Proof("weights_fp32", bool(trained) and other == 0, float(other), said)


def first_loss(loss: float, config: DpoConfig) -> Proof:
    """With policy and reference equal, the loss is a known number: ln 2 for DPO's own."""
    expected = expected_loss(config)
    apart = abs(loss - expected)
    holds = math.isfinite(loss) and apart <= 1e-3 * max(1.0, abs(expected))
    return Proof("first_loss", holds, _finite(loss), f"The first loss is {loss:.6f}, as it must be {expected:.6f}")


def expected_loss(config: DpoConfig) -> float:
    """The loss of a pair whose replies policy and reference like equally well.

    Sources: DPO arXiv:2305.18290 eq. 7 (sigmoid), IPO arXiv:2310.12036 eq. 17, robust DPO arXiv:2403.00409 eq. 12,
    EXO arXiv:2402.00856 eq. 16, APO arXiv:2408.06266 eq. 7 and 8, KTO arXiv:2402.01306 eq. 8, hinge: SLiC-HF
    arXiv:2305.10425, each at a difference of zero.
    """
    if config.method == "kto":
        return 0.5
    if config.loss == "ipo":
        return 1.0 / (2.0 * config.beta) ** 2
    if config.loss == "exo_pair":
        share = config.label_smoothing
        return -math.log(2.0) - 0.5 * (math.log1p(-share) + math.log(share))
    return {"hinge": 1.0, "apo_zero": 1.0, "apo_down": 1.0}.get(config.loss, math.log(2.0))


def peek(model: Any, rows: Iterable[Sequence[int]]) -> list[Any]:
    """Logits of the first tokens of each row: a list of tensors (tokens, vocabulary) on the CPU."""
    found = []
    where = next(model.parameters()).device
    was_training = model.training
    model.eval()
    with torch.no_grad():
        for ids in rows:
            batch = torch.tensor([list(ids[:_PEEK])], device=where)
            found.append(model(input_ids=batch, attention_mask=torch.ones_like(batch)).logits[0].float().cpu())
    model.train(was_training)
    return found


class Moves(TrainerCallback):
    """Sees after a few steps whether the weights have moved at all, and ends training if they have not.

    The embeddings and the head of a fully trained model are left out: a token no row holds has no gradient.
    """

    def __init__(self, report: dict[str, Proof] | None = None) -> None:
        self.report: dict[str, Proof] = {} if report is None else report
        self._before: dict[str, Any] = {}
        self._from = 0

    def on_train_begin(self, args: Any, state: Any, control: Any, model: Any = None, **_: Any) -> None:
        """Remember the first elements of each weight."""
        self._from = state.global_step
        tables = {id(layer.weight) for layer in _tables(model)}
        self._before = {
            name: weight.detach().flatten()[:_SAMPLE].clone()
            for name, weight in model.named_parameters()
            if weight.requires_grad and id(weight) not in tables
        }

    def on_step_end(self, args: Any, state: Any, control: Any, model: Any = None, **_: Any) -> None:
        """Look after five steps, and again until ten; a stage that is shorter is looked at when it ends."""
        done = state.global_step - self._from
        ends = state.global_step >= state.max_steps
        if not self._before or (done < LOOK_AFTER and not ends):
            return
        share = self.share(model)
        moved = share >= LEAST_MOVED
        if not moved and done < GIVE_UP_AFTER and not ends:
            return
        enough = done >= LOOK_AFTER  # one or two steps of a rate that still rises prove nothing
        said = f"{share:.1%} of the trained weights moved in {done} step{'' if done == 1 else 's'}"
        self._before = {}
        self.report["weights_move"] = Proof("weights_move", moved or not enough, share, said)
        if enough and not moved:
            raise ProofFailed(
                "Training was ended: the weights do not move.",
                f"{said}: rounding holds them where they are, or the learning rate is next to nothing.",
                f"Keep the trained weights in fp32 and raise the rate (it is {args.learning_rate:g}).",
            )

    def share(self, model: Any) -> float:
        """Share of the watched elements that are not what they were."""
        weights: Mapping[str, Any] = dict(model.named_parameters())
        changed = sum(int((weights[n].detach().flatten()[:_SAMPLE] != old).sum()) for n, old in self._before.items())
        return float(changed / max(1, sum(old.numel() for old in self._before.values())))


def _tables(model: Any) -> list[Any]:
    found = (model.get_input_embeddings(), model.get_output_embeddings())
    return [layer for layer in found if layer is not None and hasattr(layer, "weight")]


def _apart(one: Any, other: Any) -> float:
    difference = (one.detach().float() - other.detach().float().to(one.device)).abs().max()
    value: float = float(difference)
    return value if math.isfinite(value) else math.inf


def _finite(value: float) -> float:
    return value if math.isfinite(value) else 1e30  # JSON has no infinity
