"""How near the estimate of memory comes to what training takes: the live tensor bytes of real steps, counted.

::

    python -m benchmarks.training_memory [CASE …] [--steps 3]

Each case trains a random Qwen2 model on random rows for a few steps, with the very functions that ``datagen train``
calls, in a process of its own; the peak is what torch's CPU allocator handed out at once (``training.measure.Peak``).
On a machine with a GPU the same cases run there, against its allocator's peak.
"""

from __future__ import annotations

import argparse
import gc
import random
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from training.config import DpoConfig, LoraConfig, Method, SftConfig, Stage, TrainConfig
from training.measure import Peak
from training.memory import Estimate, estimate
from training.shape import ModelShape


@dataclass(frozen=True)
class Case:
    """A model, a method and a batch; ``length`` is that of all rows but every second one in a padded batch."""

    stage: Stage
    method: Method
    length: int
    batch: int
    hidden: int
    layers: int
    vocabulary: int
    checkpointing: bool
    accumulation: int = 1
    rank: int = 16
    padded: bool = False
    dropout: float = 0.0
    dora: bool = False
    preference: str = "dpo"
    tied: bool = True
    dtype: str = "auto"

    def config(self, base: str) -> TrainConfig:
        """The case as the settings of a training."""
        shared: dict[str, Any] = {"batch": self.batch, "accumulation": self.accumulation, "max_steps": 3}
        return TrainConfig(
            base=base,
            method=self.method,
            checkpointing=self.checkpointing,
            dtype=self.dtype,
            max_length=self.length,
            lora=LoraConfig(rank=self.rank, dropout=self.dropout, dora=self.dora),
            sft=SftConfig(**shared, packing=False),
            dpo=DpoConfig(**shared, method=self.preference),
        )


CASES: dict[str, Case] = {
    "sft-qlora": Case("sft", "qlora", 256, 2, 256, 4, 8192, False),
    "sft-qlora-recomputed": Case("sft", "qlora", 256, 1, 1024, 3, 512, True),
    "sft-qlora-long": Case("sft", "qlora", 1024, 1, 256, 4, 8192, True, accumulation=2),
    "sft-qlora-padded": Case("sft", "qlora", 256, 2, 256, 4, 8192, False, padded=True),
    "sft-qlora-dropout": Case("sft", "qlora", 256, 1, 512, 4, 2048, False, dropout=0.1),
    "sft-qlora-dora": Case("sft", "qlora", 256, 1, 512, 4, 2048, False, dora=True),
    "sft-qlora-rank-128": Case("sft", "qlora", 128, 1, 512, 4, 2048, True, rank=128),
    "sft-lora": Case("sft", "lora", 256, 1, 512, 6, 2048, False),
    "sft-lora-untied": Case("sft", "lora", 128, 4, 256, 4, 8192, True, accumulation=2, padded=True, tied=False),
    "sft-full": Case("sft", "full", 128, 2, 256, 4, 8192, True),
    "sft-full-untied": Case("sft", "full", 64, 1, 512, 4, 8192, False, tied=False),
    "sft-full-short": Case("sft", "full", 32, 1, 512, 4, 8192, True),
    "dpo-qlora": Case("dpo", "qlora", 128, 1, 256, 4, 8192, False, accumulation=2),
    "dpo-qlora-recomputed": Case("dpo", "qlora", 256, 1, 1024, 2, 512, True, padded=True),
    "dpo-lora": Case("dpo", "lora", 256, 1, 256, 6, 4096, True, padded=True),
    "dpo-full": Case("dpo", "full", 64, 1, 256, 4, 4096, False),
    "kto-qlora": Case("dpo", "qlora", 128, 2, 256, 4, 4096, False, preference="kto"),
    "sft-qlora-bf16": Case("sft", "qlora", 64, 1, 512, 2, 512, True, dtype="bfloat16"),
    "orpo-qlora": Case("dpo", "qlora", 128, 1, 256, 4, 8192, False, preference="orpo"),
}


@dataclass(frozen=True)
class Outcome:
    """A measured peak in bytes, beside its estimate."""

    peak: int
    estimate: Estimate

    @property
    def ratio(self) -> float:
        """Estimate over peak."""
        return self.estimate.allocated / self.peak


def measure(case: Case, steps: int = 3) -> Outcome:
    """Train the case for a few steps and count."""
    import torch

    from training import base

    device = base.device()
    with tempfile.TemporaryDirectory() as name, base.quiet():
        folder = Path(name)
        make_model(case, folder / "base")
        config = case.config(str(folder / "base"))
        shared = {"max_steps": steps}
        config = config.model_copy(
            update={"sft": config.sft.model_copy(update=shared), "dpo": config.dpo.model_copy(update=shared)}
        )
        torch.manual_seed(0)
        peak = Peak(device)
        build = (_sft if case.stage == "sft" else _dpo)(case, config, folder, steps)
        with peak:
            trainer = build()
            gc.collect()
            peak.settle()  # what building has replaced is gone
            trainer.add_callback(_watcher(peak))
            trainer.train()
        shape = ModelShape.of(config.base)
        expected = estimate(shape, config, case.stage, length=case.length, device="cuda" if device == "cuda" else "cpu")
        return Outcome(peak.bytes, expected)


def make_model(case: Case, folder: Path) -> None:
    """A random model of the case's shape with the tiny base's tokenizer (its vocabulary is not the model's)."""
    import torch
    from transformers import Qwen2Config, Qwen2ForCausalLM

    from training import tiny

    tiny.make(folder, ["a few words"], hidden=64, layers=1)
    heads = case.hidden // 32
    torch.manual_seed(0)
    model = Qwen2ForCausalLM(
        Qwen2Config(
            vocab_size=case.vocabulary,
            hidden_size=case.hidden,
            intermediate_size=4 * case.hidden,
            num_hidden_layers=case.layers,
            num_attention_heads=heads,
            num_key_value_heads=heads // 2,
            tie_word_embeddings=case.tied,
            eos_token_id=0,
            pad_token_id=1,
            bos_token_id=None,
        )
    )
    model.save_pretrained(str(folder))
    del model
    gc.collect()


def _watcher(peak: Peak) -> Any:
    from transformers import TrainerCallback

    class Watcher(TrainerCallback):  # type: ignore[misc]
        def on_step_end(self, *_: Any, **__: Any) -> None:
            peak.step()

    return Watcher()


def _rows(case: Case, count: int) -> list[list[int]]:
    draw = random.Random(0)
    cut = case.length - 10 if case.padded else case.length
    return [[draw.randrange(3, case.vocabulary) for _ in range(cut if n % 2 else case.length)] for n in range(count)]


def _sft(case: Case, config: TrainConfig, folder: Path, steps: int) -> Callable[[], Any]:
    from training import base, sft

    rows = _rows(case, case.batch * case.accumulation * steps)
    given = sft.Rows(rows, [[1] * len(row) for row in rows], lambda seed: range(len(rows)))
    tokenizer = base.load_tokenizer(config)
    model = base.load_model(config)
    if case.method != "full":
        model = base.new_adapter(model, config)
    gc.collect()
    return lambda: sft.build(config, config.sft, model, tokenizer, given, None, folder / "out", case.length, [])


def _dpo(case: Case, config: TrainConfig, folder: Path, steps: int) -> Callable[[], Any]:
    from training import base, dpo

    half = case.length // 2
    rows = _rows(replace(case, length=half, padded=False), 3 * case.batch * case.accumulation * steps)
    worse = [row[: half - 10] if case.padded else row for row in rows[2::3]]
    given = dpo.Pairs(rows[::3], rows[1::3], worse)
    adapter = folder / "adapter"
    tokenizer = base.load_tokenizer(config)
    if case.method == "full":
        adapter = folder / "base"
    else:
        base.new_adapter(base.load_model(config), config).save_pretrained(str(adapter))
    policy = dpo.policy(config, adapter)
    reference = None
    if case.method == "full":
        reference = base.load_model(config, adapter)
        reference.requires_grad_(False)
    gc.collect()
    return lambda: dpo.assemble(config, config.dpo, policy, reference, tokenizer, given, None, folder / "out", [])


def main() -> None:
    """Print a table: case, peak, estimate, their ratio and when it was fullest."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("cases", nargs="*", default=list(CASES), help=", ".join(CASES))
    parser.add_argument("--steps", type=int, default=3)
    parser.add_argument("--one", action="store_true", help="only these, in this process")
    options = parser.parse_args()
    if options.one:
        for name in options.cases:
            found = measure(CASES[name], options.steps)
            print(
                f"| {name} | {found.peak / 1e6:.1f} | {found.estimate.allocated / 1e6:.1f} | {found.ratio:.3f} | "
                f"{found.estimate.moment} |",
                flush=True,
            )
        return
    print("| case | measured MB | estimated MB | ratio | fullest at |\n| --- | --- | --- | --- | --- |", flush=True)
    for name in options.cases:
        command = [sys.executable, "-m", "benchmarks.training_memory", "--one", "--steps", str(options.steps), name]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        print(done.stdout.strip() or f"| {name} | failed: {done.stderr.strip().splitlines()[-1:]} |", flush=True)


if __name__ == "__main__":
    main()
