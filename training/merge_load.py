"""Loads a model for merging: where and in which precision the memory allows, quantised as it was in training."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from training.base import first_sentence, quiet
from training.errors import TrainingError

if TYPE_CHECKING:
    import torch
    from peft import PeftModel
    from transformers import PreTrainedModel

ADAPTER = "adapter_config.json"
_ROOM = 1.3
"""Times the weights: what is dequantised layer by layer, the activations of one prompt, the reader's buffers."""


@dataclass(frozen=True)
class Place:
    """Where to compute, and in what: ``device`` ``"cpu"`` or ``"cuda"``, ``name`` as in ``"float32"``."""

    device: str
    name: str


@dataclass(frozen=True)
class Loaded:
    """A model, what it computes in, and the type its base is stored in."""

    model: PreTrainedModel
    dtype: torch.dtype
    stored: str


def is_adapter(folder: Path) -> bool:
    """Does a folder hold an adapter (or else a whole model)?"""
    return (folder / ADAPTER).is_file()


def torch_dtype(name: str) -> torch.dtype:
    """The type of that name."""
    import torch

    found: torch.dtype = getattr(torch, name)
    return found


def place(base: str | Path, dtype: str) -> Place:
    """Float32 on the fastest device that holds it, so that a comparison is exact; else bfloat16.

    Raises:
        TrainingError: no model of that name.
    """
    import torch

    gpu = torch.cuda.is_available()
    if dtype != "auto":
        need = parameters(base) * torch_dtype(dtype).itemsize * _ROOM
        return Place("cuda" if gpu and free_bytes("cuda") >= need else "cpu", dtype)
    weights = parameters(base)
    for name in ("float32", "bfloat16"):
        need = weights * torch_dtype(name).itemsize * _ROOM
        for device in ("cuda", "cpu") if gpu else ("cpu",):
            if free_bytes(device) >= need:
                return Place(device, name)
    return Place("cpu", "bfloat16")


def free_bytes(device: str) -> int:
    """Memory that is free, in bytes; of a CPU no more than the control group allows (cgroup v2, memory.max)."""
    import psutil  # type: ignore[import-untyped]
    import torch

    if device == "cuda":
        return int(torch.cuda.mem_get_info()[0])
    free = int(psutil.virtual_memory().available)
    group = Path("/sys/fs/cgroup")
    try:
        most = (group / "memory.max").read_text().strip()
        used = int((group / "memory.current").read_text())
    except (OSError, ValueError):
        return free
    return min(free, int(most) - used) if most.isdigit() else free


def parameters(base: str | Path) -> int:
    """Number of weights, from the configuration alone.

    Raises:
        TrainingError: no model of that name.
    """
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    try:
        config = AutoConfig.from_pretrained(str(base))
        with torch.device("meta"):
            model = AutoModelForCausalLM.from_config(config)  # type: ignore[no-untyped-call]
    except (OSError, ValueError) as error:
        raise _missing(base, error) from error
    return sum(p.numel() for p in model.parameters())


def load(base: str | Path, method: Literal["qlora", "lora", "full"], spot: Place) -> Loaded:
    """The model of a folder or name; with ``"qlora"`` in NF4 with double quantisation (arXiv:2305.14314).

    Raises:
        TrainingError: no model of that name, or bitsandbytes is not installed.
    """
    from transformers import AutoConfig, AutoModelForCausalLM

    dtype = torch_dtype(spot.name)
    options: dict[str, Any] = {"dtype": dtype, "device_map": {"": spot.device}}
    if method == "qlora":
        options["quantization_config"] = _nf4(dtype)
    try:
        with quiet():
            stored = AutoConfig.from_pretrained(str(base)).dtype
            model: Any = AutoModelForCausalLM.from_pretrained(str(base), **options)
    except ImportError as error:
        raise TrainingError(
            "The 4-bit base cannot be loaded.",
            f"{error.name or 'bitsandbytes'} is not installed.",
            'Install it with pip install "datagen[train]".',
        ) from error
    except (OSError, ValueError) as error:
        raise _missing(base, error) from error
    model.eval()
    return Loaded(model, dtype, str(stored or dtype).removeprefix("torch."))


def _nf4(dtype: torch.dtype) -> Any:
    from transformers import BitsAndBytesConfig

    return BitsAndBytesConfig(  # type: ignore[no-untyped-call]
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=dtype,
    )


def adapted(model: PreTrainedModel, adapter: Path) -> PeftModel:
    """The model with an adapter on it, for inference. Raises TrainingError where the two do not fit."""
    from peft import PeftModel

    try:
        with quiet():
            found: PeftModel = PeftModel.from_pretrained(model, str(adapter), torch_device=str(model.device))
    except (ValueError, KeyError, RuntimeError) as error:
        raise TrainingError(
            "The adapter does not fit the base model.",
            first_sentence(error),
            "Name the base that was trained on with --base.",
        ) from error
    found.eval()
    return found


def plain_weights(model: Any, dtype: torch.dtype) -> PreTrainedModel:
    """4-bit weights as numbers again: the very ones that the adapter was trained beside."""
    if getattr(model, "is_quantized", False):
        with quiet():
            model = model.dequantize(dtype=dtype)
    found: PreTrainedModel = model.to(dtype)
    return found


def _missing(base: str | Path, error: Exception) -> TrainingError:
    return TrainingError(
        f"The base model {Path(str(base)).name} cannot be loaded.",
        first_sentence(error),
        "Name a folder with a model, or a name on the hub where one can be reached, with --base.",
    )
