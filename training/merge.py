"""Puts an adapter into its base model, and keeps the result only where it says what the trained model says.

The adapter was trained on the base's 4-bit weights, so it is merged into those weights made whole again
(dequantise, load, merge): into the unquantised base, or into the 4-bit one, it is off by five orders of magnitude
more. The merged model is written to a temporary folder, loaded from there, compared, and only then put in place.
"""

from __future__ import annotations

import math
import shutil
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from training.base import first_sentence
from training.errors import ProofFailed, StoppedTraining, TrainingError
from training.merge_check import (
    PROMPTS,
    Compared,
    Logits,
    compare,
    encode,
    generate,
    keep_or_refuse,
    logits_of,
    refuse,
)
from training.merge_load import ADAPTER, Loaded, adapted, is_adapter, load, place, plain_weights, torch_dtype
from training.portable import portable_template
from training.trouble import out_of_memory

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

Say = Callable[[str], None]
Dtype = Literal["auto", "float32", "bfloat16", "float16"]
TOKENS = 256
"""Of a prompt, at most: enough for every layer and position to take part, short enough for a CPU."""


@dataclass(frozen=True)
class MergeResult:
    """What was merged, and how near it is to the trained model.

    Attributes:
        folder: where the model is.
        difference: greatest distance of any logit from that of the unmerged model, after the file was read back.
        tolerance: what was allowed; 0 where the weights were rounded and ``kl`` decided.
        kl: mean Kullback–Leibler divergence from the unmerged model, in nats a token.
        same_top: share of the positions whose likeliest token is the same.
        changed: greatest distance of any logit of the trained model from the base's; 0: the adapter does nothing, or
            there is none (``"full"``).
        tokens: positions that were compared.
        dtype: that was computed in, ``"float32"`` and so on.
        saved_dtype: of the weights that were written.
        bytes: of the weights that were written.
        generated: what the model said to the first prompt, a few tokens.
        said: the above in a sentence.
    """

    folder: Path
    difference: float
    tolerance: float
    kl: float
    same_top: float
    changed: float
    tokens: int
    dtype: str
    saved_dtype: str
    bytes: int
    generated: str
    said: str

    def as_dict(self) -> dict[str, Any]:
        """For ``training.json``: the folder by its name alone."""
        return {**asdict(self), "folder": self.folder.name}


def merge(
    base: str | Path,
    adapter: Path,
    out: Path,
    *,
    method: Literal["qlora", "lora", "full"] = "qlora",
    dtype: Dtype = "auto",
    save: Dtype = "auto",
    prompts: Sequence[str] = (),
    tokenizer: PreTrainedTokenizerBase | None = None,
    say: Say = lambda _: None,
) -> MergeResult:
    """Merge ``adapter`` into ``base`` and write a model that needs neither.

    Args:
        base: folder or name of the model that was trained on.
        adapter: a peft adapter; with ``method="full"`` the trained model itself.
        out: folder of the merged model. What is there stays until the new one has passed.
        method: how it was trained; ``"qlora"`` quantises the base as in training first.
        dtype: to compute in. ``"auto"``: float32 where the memory holds it, so that the comparison is exact to
            1e-4; else bfloat16, where the outputs of the same model differ by more than that and the divergence
            of the two distributions decides.
        save: of the written weights. ``"auto"``: that of the base.
        prompts: texts to compare on; none: a few of our own.
        tokenizer: to save beside the model, with its chat template; without it the adapter's or the base's.
        say: told what is going on.

    Raises:
        ProofFailed: the merged model differs from the trained one; nothing was replaced.
        TrainingError: no adapter, no base, or one that does not fit the other.
        StoppedTraining: the disk or the memory is full; nothing was replaced.
    """
    _check_adapter(adapter, method)
    spot = place(base if is_adapter(adapter) else adapter, dtype)
    tokenizer = tokenizer if tokenizer is not None else _tokenizer(adapter, base)
    ids = encode(tokenizer, [*prompts][:8] or PROMPTS, TOKENS)
    say(f"Merging in {spot.name} on {spot.device}.")
    held = out.with_name(f".{out.name}.new")
    try:
        shutil.rmtree(held, ignore_errors=True)
        loaded = load(base, method, spot) if is_adapter(adapter) else load(adapter, "full", spot)
        expected, before, merged = _merged(loaded, adapter, ids)
        exact = compare(expected, logits_of(merged, ids))
        effect = compare(expected, before) if before is not None else None
        refuse(exact, spot.name, effect.kl if effect else math.inf)
        saved = _saved_as(save, loaded.stored)
        _write(merged, tokenizer, held, saved)
        del merged, loaded
        back = load(held, "full", spot).model
        found = compare(expected, logits_of(back, ids))
        keep_or_refuse(found, spot.name, saved, effect.kl if effect else math.inf)
        generated = generate(back, tokenizer, ids[0])
        del back
        size = sum(f.stat().st_size for f in held.glob("*.safetensors"))
        _put(held, out)
    except OSError as error:
        raise StoppedTraining(
            "The merged model could not be written.",
            f"{error.strerror or error} ({out.name}).",
            "Make room on the disk and give the same command again; the adapters are as they were.",
        ) from error
    except (MemoryError, RuntimeError) as error:
        if not out_of_memory(error):
            raise
        raise _no_memory(error) from error
    finally:
        shutil.rmtree(held, ignore_errors=True)
    result = _result(out, found, exact, effect, spot.name, saved, size, generated)
    say(result.said)
    return result


def _merged(loaded: Loaded, adapter: Path, ids: list[torch.Tensor]) -> tuple[Logits, Logits | None, PreTrainedModel]:
    """Logits of the trained model, those of its base, and the merged model."""
    if not is_adapter(adapter):
        return logits_of(loaded.model, ids), None, loaded.model
    trained = adapted(loaded.model, adapter)
    expected = logits_of(trained, ids)
    with trained.disable_adapter():
        before = logits_of(trained, ids)
    whole = plain_weights(trained.unload(), loaded.dtype)
    try:
        model = adapted(whole, adapter).merge_and_unload(safe_merge=True)
    except ValueError as error:  # what safe_merge raises where a sum is no number
        raise ProofFailed(
            "The merged model is not the trained one.",
            first_sentence(error),
            "Nothing was replaced. Use the adapter as it is.",
        ) from error
    return expected, before, model


def _check_adapter(adapter: Path, method: str) -> None:
    wanted = "config.json" if method == "full" else ADAPTER
    if not (adapter / wanted).is_file():
        raise TrainingError(
            f"There is nothing to merge in {adapter.name}.",
            f"It has no {wanted}: that stage was not trained, or with another method.",
            "Train it first: datagen train RUN.",
        )


def _tokenizer(adapter: Path, base: str | Path) -> PreTrainedTokenizerBase:
    from transformers import AutoTokenizer

    source = adapter if (adapter / "tokenizer_config.json").is_file() else base
    try:
        return AutoTokenizer.from_pretrained(str(source))
    except (OSError, ValueError) as error:
        raise TrainingError(
            "The tokenizer cannot be loaded.",
            first_sentence(error),
            "Name the base model with --base, a folder or a name on the hub.",
        ) from error


def _saved_as(asked: Dtype, stored: str) -> str:
    return stored if asked == "auto" else asked


def _write(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, folder: Path, dtype: str) -> None:
    """Weights by safetensors, and the tokenizer with a template that engines other than transformers read too."""
    folder.mkdir(parents=True)
    rounded: Any = model
    rounded.to(torch_dtype(dtype))
    rounded.save_pretrained(str(folder))
    template = tokenizer.chat_template
    if isinstance(template, str):
        tokenizer.chat_template = portable_template(template)
    try:
        tokenizer.save_pretrained(str(folder))
    finally:
        tokenizer.chat_template = template


def _put(new: Path, out: Path) -> None:
    """The new folder takes the place of the old one by renaming: at no moment is a half-written one there."""
    old = out.with_name(f".{out.name}.old")
    shutil.rmtree(old, ignore_errors=True)
    if out.exists():
        out.rename(old)
    try:
        new.rename(out)
    except OSError:
        if old.exists():
            old.rename(out)
        raise
    shutil.rmtree(old, ignore_errors=True)


def _no_memory(error: BaseException) -> StoppedTraining:
    return StoppedTraining(
        "The memory does not hold the merged model.",
        first_sentence(error),
        "Merge on a machine with more memory, or use the adapter as it is.",
    )


def _result(
    out: Path,
    found: Compared,
    exact: Compared,
    effect: Compared | None,
    dtype: str,
    saved: str,
    size: int,
    generated: str,
) -> MergeResult:
    said = f"Merged: over {found.tokens} positions no logit is further than {exact.largest:.1e} from the trained model"
    said += f", computed in {dtype}."
    rounded = saved != "float32" or dtype != "float32"
    if rounded:
        said += f" Written as {saved}" + (", which rounds each weight" if saved != "float32" else "")
        said += (
            f": then {found.largest:.1e}, {found.kl:.1e} nats a token, and the same likeliest token at "
            f"{found.same_top:.1%} of the positions."
        )
    if effect is not None and effect.largest == 0.0:
        said += " The adapter changes nothing: the merged model is the base."
    return MergeResult(
        folder=out,
        difference=found.largest,
        tolerance=0.0 if rounded else exact.tolerance,
        kl=found.kl,
        same_top=found.same_top,
        changed=effect.largest if effect is not None else 0.0,
        tokens=found.tokens,
        dtype=dtype,
        saved_dtype=saved,
        bytes=size,
        generated=generated,
        said=said,
    )
