"""Qwen2.5-14B's exact shape, random weights, 4 bits, 2,048 tokens: peak memory and tokens a second of SFT and DPO.

::

    python -m benchmarks.training_14b [--folder DIR] [--length 2048] [--steps 4] [--small]

The weights are drawn and quantised to NF4 one layer at a time and written to a folder (10 GB), so that the model is
never whole in 16 bits and nothing is downloaded. Each run is a process of its own: ours as it comes, ours with what
saves memory, TRL with its defaults but one row at once, TRL as it comes (eight rows), and Unsloth where it is
installed. It needs a GPU; without one it prints what the estimate says, and ``--small`` tries the machine on a CPU.
"""

from __future__ import annotations

import argparse
import gc
import importlib.util
import json
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Literal

from training.config import DpoConfig, SftConfig, Stage, TrainConfig
from training.measure import Peak, living
from training.memory import Device, estimate
from training.plan_text import size
from training.shape import ModelShape

CONFIG: dict[str, Any] = {
    "vocab_size": 152064,
    "hidden_size": 5120,
    "intermediate_size": 13824,
    "num_hidden_layers": 48,
    "num_attention_heads": 40,
    "num_key_value_heads": 8,
    "max_position_embeddings": 32768,
    "rms_norm_eps": 1e-6,
    "rope_parameters": {"rope_type": "default", "rope_theta": 1e6},
    "tie_word_embeddings": False,
}
"""Of the model's own config.json."""
SMALL: dict[str, Any] = {
    **CONFIG,
    "vocab_size": 2048,
    "hidden_size": 128,
    "intermediate_size": 352,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
}
Arm = Literal["ours", "ours, sparing", "trl", "trl as it comes", "unsloth"]
ARMS: tuple[Arm, ...] = ("ours", "ours, sparing", "trl", "trl as it comes", "unsloth")
STAGES: tuple[Stage, ...] = ("sft", "dpo")
NO_GPU = "There is no GPU here: nothing was measured. These are the estimates; run the same on a machine with one."
_DEVIATION = 0.02


def make(folder: Path, shape: dict[str, Any], device: str) -> Path:
    """Write a random NF4 model with the tiny base's tokenizer; at no time is more than one layer in 16 bits."""
    import torch
    from safetensors.torch import save_file
    from transformers import AutoModelForCausalLM, Qwen2Config

    from training import tiny

    tiny.make(folder, ["a few words"], hidden=64, layers=1)
    (folder / "model.safetensors").unlink()
    dtype = torch.bfloat16 if device == "cuda" else torch.float32
    config = Qwen2Config(**shape, eos_token_id=0, pad_token_id=1, bos_token_id=None, dtype=dtype)
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(config)
    linears = {f"{name}.weight" for name, module in model.named_modules() if isinstance(module, torch.nn.Linear)}
    linears.discard("lm_head.weight")
    where: dict[str, str] = {}
    written = 0
    for number, (_, names) in enumerate(_by_layer(model)):
        tensors: dict[str, Any] = {}
        for name, like in names:
            tensors.update(_random(name, torch.empty(like.shape, dtype=dtype, device=device), name in linears))
        file = f"model-{number:05}.safetensors"
        save_file(tensors, str(folder / file), metadata={"format": "pt"})
        where.update(dict.fromkeys(tensors, file))
        written += sum(tensor.nbytes for tensor in tensors.values())
    index = {"metadata": {"total_size": written}, "weight_map": where}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index), encoding="utf-8")
    said = {**config.to_dict(), "architectures": ["Qwen2ForCausalLM"], "quantization_config": _quantisation(dtype)}
    (folder / "config.json").write_text(json.dumps(said), encoding="utf-8")
    return folder


def _by_layer(model: Any) -> Iterator[tuple[str, list[tuple[str, Any]]]]:
    """The parameters of each layer together, then each other one alone."""
    groups: dict[str, list[tuple[str, Any]]] = {}
    for name, weight in model.named_parameters():
        parts = name.split(".")
        groups.setdefault(".".join(parts[:3]) if "layers" in parts else name, []).append((name, weight))
    yield from groups.items()


def _random(name: str, whole: Any, linear: bool) -> dict[str, Any]:
    """What is written for one parameter; ``whole`` is filled with its numbers."""
    from bitsandbytes.functional import quantize_4bit

    if name.endswith("norm.weight"):
        return {name: whole.fill_(1).cpu()}
    if name.endswith("bias"):
        return {name: whole.zero_().cpu()}
    whole.normal_(std=_DEVIATION)
    if not linear:
        return {name: whole.cpu()}
    packed, state = quantize_4bit(whole, blocksize=64, compress_statistics=True, quant_type="nf4")
    more = {f"{name}.{key}": value.cpu().contiguous() for key, value in state.as_dict(packed=True).items()}
    return {name: packed.cpu(), **more}


def _quantisation(dtype: Any) -> dict[str, Any]:
    from transformers import BitsAndBytesConfig

    settings = BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=dtype,
    )
    return dict(settings.to_dict())


def settings(arm: Arm, folder: Path, length: int, steps: int) -> TrainConfig:
    """Ours as it comes but for one batch a step, so that steps are short; or with what saves memory."""
    sparing = {"optimizer": "paged_adamw_8bit", "offload": True} if arm == "ours, sparing" else {}
    shared: dict[str, Any] = {"batch": 1, "accumulation": 1, "max_steps": steps}
    return TrainConfig(
        base=str(folder),
        max_length=length,
        sft=SftConfig(**shared, packing=False),
        dpo=DpoConfig(**shared),
        **sparing,  # type: ignore[arg-type]
    )


def rows(count: int, length: int, vocabulary: int) -> list[list[int]]:
    """Random tokens, all rows of the same length."""
    draw = random.Random(0)
    return [[draw.randrange(3, vocabulary) for _ in range(length)] for _ in range(count)]


def run(arm: Arm, stage: Stage, folder: Path, length: int, steps: int) -> dict[str, Any]:
    """One arm and stage in this process: peak in bytes from loading on, and tokens a second without the first step."""
    from training import base

    device = base.device()
    shape = ModelShape.of(folder)
    batch = 8 if arm == "trl as it comes" else 1
    given = rows(2 * batch * steps, length, shape.vocabulary)
    gc.collect()
    before = living() if device == "cpu" else 0  # of others in this process; a GPU's allocator begins anew
    peak, clock = Peak(device), _Clock()
    with base.quiet():
        if device == "cuda":
            with peak:
                _trainer(arm, stage, folder, length, steps, given)(clock).train()
        else:  # loading is in threads that the counting does not see
            prepared = _trainer(arm, stage, folder, length, steps, given)
            with peak:
                prepared(clock).train()
    tokens = batch * length * (2 if stage == "dpo" else 1)
    rate = tokens * (len(clock.times) - 1) / max(clock.times[-1] - clock.times[0], 1e-9)
    return {"peak": peak.bytes - before, "rate": rate}


class _Clock:
    def __init__(self) -> None:
        self.times: list[float] = []

    def callback(self) -> Any:
        """Notes the time at the end of each step."""
        from transformers import TrainerCallback

        times = self.times

        class Watch(TrainerCallback):  # type: ignore[misc]
            def on_step_end(self, *_: Any, **__: Any) -> None:
                times.append(time.perf_counter())

        return Watch()


def _trainer(
    arm: Arm, stage: Stage, folder: Path, length: int, steps: int, given: list[list[int]]
) -> Callable[[_Clock], Any]:
    """Load what the arm loads; the rest, from building the trainer on, is what is returned."""
    if arm in ("ours", "ours, sparing"):
        return _ours(settings(arm, folder, length, steps), stage, folder, length, given)
    return _theirs(arm, stage, folder, length, steps, given)


def _ours(
    config: TrainConfig, stage: Stage, folder: Path, length: int, given: list[list[int]]
) -> Callable[[_Clock], Any]:
    from training import base, dpo, sft

    tokenizer, model = base.load_tokenizer(config), base.new_adapter(base.load_model(config), config)
    out = folder / "out"
    if stage == "sft":
        data = sft.Rows(given, [[1] * len(row) for row in given], lambda seed: range(len(given)))
        return lambda clock: sft.build(
            config, config.sft, model, tokenizer, data, None, out, length, [clock.callback()]
        )
    pairs = dpo.Pairs(*_pairs(given, length))
    return lambda clock: dpo.assemble(config, config.dpo, model, None, tokenizer, pairs, None, out, [clock.callback()])


def _pairs(given: list[list[int]], length: int) -> tuple[list[list[int]], list[list[int]], list[list[int]]]:
    """A prompt of half the length and two replies that fill it up."""
    half = length // 2
    first, second = given[::2], given[1::2]
    return [row[:half] for row in first], [row[half:] for row in first], [row[half:] for row in second]


def _theirs(
    arm: Arm, stage: Stage, folder: Path, length: int, steps: int, given: list[list[int]]
) -> Callable[[_Clock], Any]:
    from datasets import Dataset
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM, AutoTokenizer
    from trl.trainer.dpo_config import DPOConfig
    from trl.trainer.dpo_trainer import DPOTrainer
    from trl.trainer.sft_config import SFTConfig
    from trl.trainer.sft_trainer import SFTTrainer

    from training import base, dpo

    tokenizer = AutoTokenizer.from_pretrained(str(folder))
    if arm == "unsloth":
        from unsloth import FastLanguageModel  # type: ignore[import-not-found]

        model, _ = FastLanguageModel.from_pretrained(str(folder), max_seq_length=length, load_in_4bit=True)
        model = FastLanguageModel.get_peft_model(model, r=16, lora_alpha=32, use_gradient_checkpointing="unsloth")
    else:
        model = AutoModelForCausalLM.from_pretrained(str(folder), device_map={"": base.device()})
        model = get_peft_model(model, LoraConfig(r=16, lora_alpha=32, target_modules="all-linear"))
    shared: dict[str, Any] = {
        "output_dir": str(folder / "out"),
        "max_steps": steps,
        "report_to": "none",
        "save_strategy": "no",
        "use_cpu": base.device() == "cpu",
        "bf16": base.device() == "cuda",
        "disable_tqdm": True,
        "max_length": length,
        **({} if arm == "trl as it comes" else {"per_device_train_batch_size": 1}),
    }
    if stage == "sft":
        data = Dataset.from_dict({"input_ids": given, "labels": given})
        return lambda clock: SFTTrainer(
            model=model,
            args=SFTConfig(**shared),
            train_dataset=data,
            processing_class=tokenizer,
            callbacks=[clock.callback()],
        )
    pairs = dpo.Pairs(*_pairs(given, length)).dataset()

    class Tokenised(DPOTrainer):  # type: ignore[misc]
        def _prepare_dataset(self, dataset: Any, *_: Any, **__: Any) -> Any:
            return dataset

    return lambda clock: Tokenised(
        model=model,
        args=DPOConfig(**shared),
        train_dataset=pairs,
        processing_class=tokenizer,
        callbacks=[clock.callback()],
    )


def expected(shape: ModelShape, length: int, device: Device) -> list[str]:
    """The headline: the estimates of both stages, item by item."""
    lines = []
    for arm in ("ours", "ours, sparing"):
        for stage in STAGES:
            found = estimate(shape, settings(arm, Path(), length, 1), stage, length=length, device=device)  # type: ignore[arg-type]
            lines.append(
                f"{stage.upper()}, {arm}: {size(found.total)} (torch's allocator: {size(found.allocated)}), at "
                f"{found.moment}"
            )
            lines += [f"    {item.name:<20}{size(item.bytes):>9}  {item.how}" for item in found.items]
    return lines


def main() -> None:
    """Print the estimates, and where there is a GPU (or with ``--small``) a table of what was measured."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--folder", type=Path, help="where the model is made, or is from an earlier time")
    parser.add_argument("--length", type=int, default=2048)
    parser.add_argument("--steps", type=int, default=4)
    parser.add_argument("--small", action="store_true", help="a small model of the same kind, on a CPU too")
    parser.add_argument("--one", nargs=2, metavar=("ARM", "STAGE"), help="only that, in this process")
    options = parser.parse_args()
    if options.one:
        arm, stage = options.one
        print(json.dumps(run(arm, stage, options.folder, options.length, options.steps)))
        return
    import torch
    from transformers import Qwen2Config

    gpu = torch.cuda.is_available()
    chosen = SMALL if options.small else CONFIG
    shape = ModelShape.of_config(Qwen2Config(**chosen), "Qwen2.5-14B's shape" if not options.small else "small")
    print("\n".join(expected(shape, options.length, "cpu" if options.small and not gpu else "cuda")), flush=True)
    if not gpu and not options.small:
        print(NO_GPU)
        return
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.folder or Path(temporary)
        if not (folder / "model.safetensors.index.json").exists():
            make(folder, chosen, "cuda" if gpu else "cpu")
        table(shape, folder, options.length, options.steps, gpu)


def table(shape: ModelShape, folder: Path, length: int, steps: int, gpu: bool) -> None:
    """Run every arm and stage in a process of its own and print a row for each."""
    print("| stage | run | peak | estimate | tokens/s |\n| --- | --- | --- | --- | --- |", flush=True)
    for stage in STAGES:
        for arm in ARMS:
            if arm == "unsloth" and importlib.util.find_spec("unsloth") is None:
                print(f"| {stage} | unsloth | not installed, skipped | | |", flush=True)
                continue
            command = [sys.executable, "-m", "benchmarks.training_14b", "--folder", str(folder), "--one", arm, stage]
            command += ["--length", str(length), "--steps", str(steps)]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode:
                said = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
                print(f"| {stage} | {arm} | failed: {said[:120]} | | |", flush=True)
                continue
            found = json.loads(done.stdout.strip().splitlines()[-1])
            reckoned = ""
            if arm in ("ours", "ours, sparing"):
                config = settings(arm, folder, length, steps)
                device: Device = "cuda" if gpu else "cpu"
                reckoned = size(estimate(shape, config, stage, length=length, device=device).allocated)
            print(f"| {stage} | {arm} | {size(found['peak'])} | {reckoned} | {found['rate']:,.0f} |", flush=True)


if __name__ == "__main__":
    main()
