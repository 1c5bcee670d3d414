"""Load the base model and its tokenizer, and put an adapter on it.

Sources: QLoRA (Dettmers et al. 2023, arXiv:2305.14314) for NF4 with double quantisation and an adapter on every
linear layer; the embeddings and the head keep their own precision (``prepare_model_for_kbit_training`` would turn
them into fp32, 3.1 GB more for a model of 14B parameters, and nothing here needs it).
"""

from __future__ import annotations

import contextlib
import importlib.util
import logging
import os
import re
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from training.config import TrainConfig
from training.errors import TrainingError

LIBRARIES = ("torch", "transformers", "trl", "peft", "accelerate", "datasets")
ADAPTER = "default"
"""The name under which TRL looks for the adapter that is trained; the frozen copy is called ``ref``."""
_HUB_NAME = re.compile(r"[\w.-]+(?:/[\w.-]+)?")


def require(config: TrainConfig) -> None:
    """Check that what ``config`` needs is installed, before anything heavy is imported.

    Raises:
        TrainingError: names what is missing and the extra that brings it.
    """
    needed = (*LIBRARIES, "bitsandbytes") if config.method == "qlora" else LIBRARIES
    missing = [name for name in needed if importlib.util.find_spec(name) is None]
    if missing:
        raise TrainingError(
            "Training needs libraries that are not installed.",
            f"Missing: {', '.join(missing)}.",
            'Install them with pip install "datagen[train]".',
        )


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Silence the libraries' own progress bars, notes and warnings; errors still raise."""
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    os.environ.setdefault("BITSANDBYTES_NOWELCOME", "1")
    import datasets  # type: ignore[import-untyped]
    import transformers

    loud = [logging.getLogger(name) for name in ("trl", "peft", "accelerate", "bitsandbytes", "torch", "root")]
    levels = [(logger, logger.level) for logger in loud]
    verbosity = transformers.logging.get_verbosity()
    bars = datasets.are_progress_bars_disabled()
    try:
        for logger in loud:
            logger.setLevel(logging.ERROR)
        transformers.logging.set_verbosity(logging.ERROR)
        transformers.logging.disable_progress_bar()  # type: ignore[no-untyped-call]
        datasets.disable_progress_bars()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in levels:
            logger.setLevel(level)
        transformers.logging.set_verbosity(verbosity)
        if not bars:
            datasets.enable_progress_bars()


def device() -> str:
    """``cuda`` where a GPU answers, else ``cpu``."""
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


def compute_dtype(config: TrainConfig) -> Any:
    """The ``torch.dtype`` of the computation.

    ``auto`` is bf16 on a GPU that has it (fp16 on one that has not) and fp32 on a CPU, where bf16 is about three
    times slower.
    """
    import torch

    if config.dtype != "auto":
        return getattr(torch, config.dtype)
    if device() == "cpu":
        return torch.float32
    return torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float16


def load_tokenizer(config: TrainConfig) -> Any:
    """The base's tokenizer with a padding token, padding on the right; its chat template is left as it is.

    Raises:
        TrainingError: there is none, or it cannot be read.
    """
    from transformers import AutoTokenizer

    _look(config.base)
    try:
        with quiet():
            tokenizer = AutoTokenizer.from_pretrained(config.base, padding_side="right")
    except Exception as error:  # the libraries raise a dozen kinds here, all of them a wrong or broken base
        raise unreadable(config.base, "tokenizer", error) from error
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    return tokenizer


def load_model(config: TrainConfig, folder: str | Path | None = None) -> Any:
    """The model without an adapter: NF4 for ``qlora``, else unquantised, in evaluation mode on its device.

    Args:
        config: names base, method and dtype.
        folder: weights to take in place of ``config.base`` (a fully trained SFT model, for the method ``full``).

    Returns:
        A causal language model. For ``full`` the weights are fp32 (bf16 weights do not move at small learning
        rates), the computation is in the dtype of the configuration all the same.

    Raises:
        TrainingError: no such model, or one that cannot be loaded.
    """
    import torch
    from transformers import AutoModelForCausalLM, BitsAndBytesConfig

    dtype = compute_dtype(config)
    options: dict[str, Any] = {"dtype": torch.float32 if config.method == "full" else dtype}
    if config.method == "qlora":
        options["quantization_config"] = BitsAndBytesConfig(  # type: ignore[no-untyped-call]
            load_in_4bit=True,
            bnb_4bit_quant_type="nf4",
            bnb_4bit_use_double_quant=True,
            bnb_4bit_compute_dtype=dtype,
            bnb_4bit_quant_storage=dtype if _sharded() else torch.uint8,  # FSDP shards tensors of one type
        )
    if not _sharded():
        options["device_map"] = {"": f"cuda:{os.environ.get('LOCAL_RANK', '0')}" if device() == "cuda" else "cpu"}
    options["attn_implementation"] = attention()
    source = str(folder or config.base)
    _look(source)
    try:
        with quiet():
            model = AutoModelForCausalLM.from_pretrained(source, **options)
    except torch.cuda.OutOfMemoryError:
        raise
    except Exception as error:  # as above
        raise unreadable(source, "model", error) from error
    model.config.use_cache = False
    model.train(False)
    return model


def attention() -> str:
    """``flash_attention_2`` where its kernels and a GPU are there, else PyTorch's own (``sdpa``)."""
    there = device() == "cuda" and importlib.util.find_spec("flash_attn") is not None
    return "flash_attention_2" if there else "sdpa"


def keeps_apart(model: Any) -> bool:
    """Whether rows packed into one sequence cannot see each other: with the varlen kernels of flash attention."""
    return str(getattr(model.config, "_attn_implementation", "")).startswith("flash_attention")


def new_adapter(model: Any, config: TrainConfig) -> Any:
    """A fresh LoRA adapter named ``default`` on ``model``; its weights depend on ``config.seed`` alone.

    Raises:
        TrainingError: ``lora.targets`` names layers the model does not have, or the model has none.
    """
    import torch
    from peft import LoraConfig, get_peft_model

    lora = config.lora
    settings = LoraConfig(
        r=lora.rank,
        lora_alpha=lora.alpha,
        lora_dropout=lora.dropout,
        target_modules=list(lora.targets) or "all-linear",
        use_rslora=lora.rslora,
        use_dora=lora.dora,
        bias="none",
        task_type="CAUSAL_LM",
    )
    torch.manual_seed(config.seed)
    try:
        with quiet():
            return get_peft_model(model, settings, adapter_name=ADAPTER)
    except ValueError as error:
        named = ", ".join(lora.targets) or "every linear layer"
        raise TrainingError(
            f"The adapter finds no place in {config.base}.",
            f"lora.targets is {named}, and peft says: {first_sentence(error)}",
            "Name layers that the model has with --set lora.targets, or leave it empty.",
        ) from error


def open_adapter(model: Any, folder: Path, *, trainable: bool = True) -> Any:
    """A saved adapter on ``model``, under the name ``default`` (the one TRL copies to ``ref``).

    Raises:
        TrainingError: it cannot be read, or is for another model.
    """
    from peft import PeftModel

    try:
        with quiet():
            return PeftModel.from_pretrained(model, str(folder), adapter_name=ADAPTER, is_trainable=trainable)
    except Exception as error:
        raise TrainingError(
            f"The adapter {folder.name} cannot be loaded.",
            f"peft says: {first_sentence(error)}",
            "Delete its folder and run the same command again: its stage is done anew.",
        ) from error


def first_sentence(error: BaseException) -> str:
    """What an error says, in one line of at most 300 characters."""
    text = " ".join(str(error).split()) or type(error).__name__
    sentence = re.split(r"(?<=[.!?])\s", text, maxsplit=1)[0]
    return sentence if len(sentence) <= 300 else sentence[:299] + "…"


def _sharded() -> bool:
    """Whether FSDP or DeepSpeed places the weights, as told by ``accelerate launch``."""
    return any(os.environ.get(name) == "true" for name in ("ACCELERATE_USE_FSDP", "ACCELERATE_USE_DEEPSPEED"))


def _look(base: str) -> None:
    """Say at once what cannot be: a path that is not there must not be asked for at the hub."""
    folder = Path(base).expanduser()
    if folder.is_dir():
        if not (folder / "config.json").is_file():
            raise TrainingError(
                f"{base} holds no model.",
                "It has no config.json.",
                "Give --base the folder that save_pretrained wrote.",
            )
    elif not _HUB_NAME.fullmatch(base) or base.startswith("."):
        raise TrainingError(
            f"There is no model at {base}.",
            "No such folder exists, and a model on the hub is named like Qwen/Qwen2.5-0.5B-Instruct.",
            "Give --base a folder with a model, a name on the hub, or `tiny` to try the machine.",
        )


def unreadable(base: str, part: str, error: BaseException) -> TrainingError:
    """A base that a library could not load, in three parts; ``part`` is what was asked for."""
    if Path(base).is_dir():
        return TrainingError(
            f"The {part} in {base} cannot be read.",
            f"The library says: {first_sentence(error)}",
            "Check that its files are whole, or choose another base with --base.",
        )
    return TrainingError(
        f"The {part} of {base} could not be had.",
        f"It is no folder here, and the model hub did not give it: {first_sentence(error)}",
        "Check the name and the network, give --base a folder with a model, or `--base tiny` to try the machine.",
    )
