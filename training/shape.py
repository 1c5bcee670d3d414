"""What a model is made of, from its configuration alone: no weight is read and none is made.

The model is built on torch's *meta* device, where tensors have a shape and no content, so that what counts as a
linear layer, what is tied and what has a bias is asked of the real model class instead of guessed from its name.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from training.errors import TrainingError

if TYPE_CHECKING:
    from transformers import PretrainedConfig


@dataclass(frozen=True)
class Linear:
    """Linear layers of one name and size.

    Args:
        name: last part of the module's name, as in ``q_proj``.
        inputs: width of what goes in.
        outputs: width of what comes out.
        count: how many there are in the model.
        bias: numbers in the bias of one of them.
    """

    name: str
    inputs: int
    outputs: int
    count: int
    bias: int = 0

    @property
    def weights(self) -> int:
        """Numbers in one of them, without the bias."""
        return self.inputs * self.outputs


@dataclass(frozen=True)
class ModelShape:
    """Sizes of a causal language model; all are counts of numbers, not bytes.

    Args:
        name: what it was asked as.
        kind: the model type of transformers, as in ``qwen2``.
        hidden: width of the stream between the layers.
        layers: number of decoder layers.
        heads: attention heads.
        kv_heads: heads of keys and values (fewer than ``heads`` with grouped queries, arXiv:2305.13245).
        head_dim: width of a head.
        intermediate: width inside the feed-forward block.
        vocabulary: rows of the embedding.
        context: tokens of a sequence at most.
        tied: the output head is the embedding.
        linears: every linear layer but the head: what is quantised, and what gets an adapter.
        embedding: numbers in the input embedding.
        head: numbers in the output head, 0 where it is tied.
        other: numbers in everything else (norms, biases).
    """

    name: str
    kind: str
    hidden: int
    layers: int
    heads: int
    kv_heads: int
    head_dim: int
    intermediate: int
    vocabulary: int
    context: int
    tied: bool
    linears: tuple[Linear, ...]
    embedding: int
    head: int
    other: int

    @property
    def quantised(self) -> int:
        """Numbers in the linear layers, without their biases."""
        return sum(linear.weights * linear.count for linear in self.linears)

    @property
    def parameters(self) -> int:
        """Numbers in the whole model."""
        return self.quantised + self.embedding + self.head + self.other

    @property
    def gated(self) -> bool:
        """Whether the feed-forward block multiplies two projections (SwiGLU, arXiv:2002.05202)."""
        return any("gate" in linear.name for linear in self.linears)

    @classmethod
    def of(cls, name_or_folder: str | Path) -> ModelShape:
        """The shape of a model folder or of a name on the hub; reads its ``config.json`` alone.

        Raises:
            TrainingError: nothing there, or not a causal language model that transformers knows.
        """
        config = _config(str(name_or_folder))
        return cls.of_config(config, str(name_or_folder))

    @classmethod
    def of_config(cls, config: PretrainedConfig, name: str = "") -> ModelShape:
        """The shape that a transformers configuration describes.

        Raises:
            TrainingError: transformers has no causal language model of this kind.
        """
        import torch
        from transformers import AutoModelForCausalLM

        try:
            with torch.device("meta"):
                model: Any = AutoModelForCausalLM.from_config(config)  # type: ignore[no-untyped-call]
        except (ValueError, KeyError, AttributeError, TypeError) as error:
            raise TrainingError(
                f"{name or 'This model'} is not a causal language model that can be trained here.",
                f"transformers says: {str(error).splitlines()[0][:200] if str(error) else type(error).__name__}.",
                "Name a model that writes text, such as --base Qwen/Qwen2.5-0.5B-Instruct.",
            ) from error
        return _read(model, name)


def _config(name: str) -> Any:
    from transformers import AutoConfig

    try:
        return AutoConfig.from_pretrained(name)
    except (OSError, ValueError, KeyError) as error:
        folder = Path(name)
        if folder.is_dir():
            why = "The folder has no config.json that transformers can read."
            fix = "Name the folder that has config.json, or a model on the hub."
        else:
            why = "No such folder is here, and the model hub did not give one of that name."
            fix = "Check the name and the connection, or give the folder of a model with --base."
        raise TrainingError(f"The model {name} was not found.", why, fix) from error


def _read(model: Any, name: str) -> ModelShape:
    import torch

    text = model.config.get_text_config()
    head, embedding = model.get_output_embeddings(), model.get_input_embeddings()
    tied = head is not None and (head.weight is embedding.weight or bool(text.tie_word_embeddings))
    found: dict[tuple[str, int, int, int], int] = {}
    for path, module in model.named_modules():
        if module is head:
            continue
        size = _linear(module, torch)
        if size is not None:
            key = (path.rsplit(".", 1)[-1], *size)
            found[key] = found.get(key, 0) + 1
    linears = tuple(Linear(key[0], key[1], key[2], count, key[3]) for key, count in found.items())
    unique = sum({id(weight): weight.numel() for weight in model.parameters()}.values())
    in_head = 0 if head is None or tied else head.weight.numel()
    if tied and head.weight is not embedding.weight:
        unique -= head.weight.numel()  # tied only when weights are loaded
    quantised = sum(linear.weights * linear.count for linear in linears)
    heads = int(text.num_attention_heads)
    return ModelShape(
        name=name,
        kind=str(text.model_type),
        hidden=int(text.hidden_size),
        layers=int(text.num_hidden_layers),
        heads=heads,
        kv_heads=int(getattr(text, "num_key_value_heads", None) or heads),
        head_dim=int(getattr(text, "head_dim", None) or text.hidden_size // heads),
        intermediate=_intermediate(text, linears),
        vocabulary=int(embedding.weight.shape[0]),
        context=int(getattr(text, "max_position_embeddings", None) or 0),
        tied=tied,
        linears=linears,
        embedding=int(embedding.weight.numel()),
        head=int(in_head),
        other=int(unique - quantised - embedding.weight.numel() - in_head),
    )


def _linear(module: Any, torch: Any) -> tuple[int, int, int] | None:
    """Inputs, outputs and numbers in the bias, where the module is a linear layer that bitsandbytes would quantise."""
    from transformers.pytorch_utils import Conv1D

    bias = getattr(module, "bias", None)
    if isinstance(module, torch.nn.Linear):
        return int(module.in_features), int(module.out_features), 0 if bias is None else int(bias.numel())
    if isinstance(module, Conv1D):  # GPT-2's linear layer, stored the other way round
        return int(module.weight.shape[0]), int(module.weight.shape[1]), 0 if bias is None else int(bias.numel())
    return None


def _intermediate(text: Any, linears: tuple[Linear, ...]) -> int:
    """Width of the feed-forward block: as configured, else the widest linear layer's (GPT-2 leaves it out)."""
    said = getattr(text, "intermediate_size", None) or getattr(text, "n_inner", None)
    return int(said) if said else max((linear.outputs for linear in linears), default=0)
