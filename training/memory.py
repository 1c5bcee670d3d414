"""What training takes in memory, item by item, before anything is loaded.

The items are those of the moment at which most is held: while the loss is computed (the logits), or while a layer
goes backward. Both are reckoned and the greater one is shown. Sources: QLoRA (Dettmers et al. 2023, arXiv:2305.14314:
NF4 in blocks of 64, double quantisation in blocks of 256, paged optimizer), 8-bit Adam (arXiv:2110.02861),
activations as Korthikanti et al. (arXiv:2205.05198), recomputation (Chen et al. 2016, arXiv:1604.06174), and the code
of the versions that were measured (transformers 5.23, trl 1.16, peft 0.21, bitsandbytes 0.50). How near it comes to
measured peaks is in ``docs/memory.md``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from training.activations import FLOAT, Part, Work, backward_of_layer, saved_by_layer, targets
from training.config import Stage, TrainConfig
from training.shape import ModelShape

Device = Literal["cpu", "cuda"]

BLOCK = 64
"""Numbers that share a scale in NF4 (QLoRA, section 3; ``bnb_4bit`` of transformers)."""
SECOND_BLOCK = 256
"""Scales that share a scale of their own in double quantisation (QLoRA, section 3)."""
OPTIMIZER_BLOCK = 256
"""Numbers that share a scale in 8-bit Adam (``bitsandbytes/optim/optimizer.py``, 0.50)."""
OFFLOADED = 6
"""Inputs of layers on the card at once while the others wait in main memory (``max_fwd_stash_size`` of
``trl/models/activation_offloading.py`` is 5, and the one at work)."""
TILE_TOKENS = 4096
"""Tokens of a tile of logits (``TOKEN_CHUNK_SIZE`` in ``trl/kernels/chunked_logprob.py``, trl 1.16)."""
TILE_VOCABULARY = 32768
"""Vocabulary of a tile (``_CHUNKED_LOGPROB_CHUNK_SIZE`` in ``trl/trainer/utils.py``); held whole, even for less."""
TORCH_TILE_FORWARD = 13
TORCH_TILE_BACKWARD = 29
"""Bytes a number of the tile where no Triton folds it: what ``_forward_tile`` and ``_backward_tile`` hold at once."""
CONTEXT = 500_000_000
"""CUDA's own: a reserve, no measurement. It depends on the card and the driver; the allocator does not count it."""


@dataclass(frozen=True)
class Item:
    """One entry of the estimate.

    Args:
        name: what takes the memory.
        bytes: how much.
        how: how it was reckoned, in words and figures.
    """

    name: str
    bytes: int
    how: str


@dataclass(frozen=True)
class Estimate:
    """Memory at the fullest moment of a stage.

    Args:
        items: what is held then; they add up to ``total``.
        moment: "the loss", "a layer's backward", "the end of the backward pass", "the embedding's gradient" or "the
            optimizer's step".
    """

    items: tuple[Item, ...]
    moment: str

    @property
    def total(self) -> int:
        """Bytes in all."""
        return sum(item.bytes for item in self.items)

    @property
    def allocated(self) -> int:
        """Bytes that torch's allocator sees: all but CUDA's own. This is what a measured peak is held against."""
        return sum(item.bytes for item in self.items if item.name != "CUDA context")

    def item(self, name: str) -> int:
        """Bytes of the items of a name; 0 where there is none."""
        return sum(item.bytes for item in self.items if item.name == name)


def compute_size(config: TrainConfig, device: Device) -> int:
    """Bytes of a number in the computation: 4 on a CPU and 2 on a GPU unless ``dtype`` says so."""
    if config.dtype == "auto":
        return FLOAT if device == "cpu" else 2
    return FLOAT if config.dtype == "float32" else 2


def checkpoints(config: TrainConfig, device: Device) -> bool:
    """Whether activations are recomputed: as set, else on a GPU."""
    return device == "cuda" if config.checkpointing is None else config.checkpointing


def trained(shape: ModelShape, config: TrainConfig) -> int:
    """Numbers that are trained."""
    if config.method == "full":
        return shape.parameters
    rank = config.lora.rank
    total = sum(rank * (linear.inputs + linear.outputs) * linear.count for linear in targets(shape, config))
    if config.lora.dora:
        total += sum(linear.outputs * linear.count for linear in targets(shape, config))
    return total


def estimate(shape: ModelShape, config: TrainConfig, stage: Stage, *, length: int, device: Device) -> Estimate:
    """The memory of a stage.

    Args:
        shape: the model's.
        config: what is trained and how.
        stage: "sft" or "dpo".
        length: tokens of the longest sequence of a batch, padding included (DPO: prompt and reply together).
        device: where it runs.
    """
    work = _work(shape, config, stage, length, device)
    held = [*_model(shape, config, work), *_adapters(shape, config, stage, work, device)]
    moments = _moments(shape, config, stage, work, device)
    moment = max(moments, key=lambda name: sum(item.bytes for item in moments[name]))
    items = [*held, *moments[moment]]
    if device == "cuda":
        how = "a reserve for CUDA and its libraries; it differs by card and driver"
        items.append(Item("CUDA context", CONTEXT, how))
    return Estimate(tuple(item for item in items if item.bytes), moment)


def _work(shape: ModelShape, config: TrainConfig, stage: Stage, length: int, device: Device) -> Work:
    """KTO alone trains on single replies; DPO and ORPO on a chosen and a rejected one at once."""
    size = compute_size(config, device)
    adapter = config.method != "full"
    if stage == "sft":
        return Work(config.sft.batch, length, size, config.sft.batch > 1, adapter)
    rows = config.dpo.batch if config.dpo.method == "kto" else 2 * config.dpo.batch
    return Work(rows, length, size, rows > 1, adapter)


def _model(shape: ModelShape, config: TrainConfig, work: Work) -> list[Item]:
    size = FLOAT if config.method == "full" else work.size
    kind = "fp32" if size == FLOAT else "16 bit"
    if config.method == "qlora":
        scales = shape.quantised // BLOCK
        second = scales // SECOND_BLOCK * FLOAT
        tensors = sum(linear.count for linear in shape.linears)
        weights = [
            Item("4-bit weights", shape.quantised // 2, f"{shape.quantised:,} numbers of the linear layers / 2"),
            Item(
                "quantisation state",
                scales + second + tensors * (16 + SECOND_BLOCK + 1) * FLOAT,
                f"a byte for each {BLOCK} numbers, 4 for each {BLOCK} x {SECOND_BLOCK}, tables for {tensors} layers",
            ),
        ]
    else:
        weights = [Item("weights", shape.quantised * size, f"{shape.quantised:,} numbers in {kind}")]
    return [
        *weights,
        Item("embeddings", shape.embedding * size, f"{shape.embedding:,} numbers in {kind}"),
        Item("output head", shape.head * size, f"{shape.head:,} numbers in {kind}; never quantised"),
        Item("norms and biases", shape.other * size, f"{shape.other:,} numbers in {kind}"),
    ]


def _adapters(shape: ModelShape, config: TrainConfig, stage: Stage, work: Work, device: Device) -> list[Item]:
    count = trained(shape, config)
    items: list[Item] = []
    if config.method != "full":
        items.append(Item("adapter", count * FLOAT, f"{count:,} numbers of LoRA at rank {config.lora.rank}, in fp32"))
    if work.size == 2:
        items.append(Item("16-bit copies", count * 2, f"{count:,} trained numbers, cast once a pass by autocast"))
    if stage == "dpo" and config.dpo.method != "orpo":
        if config.method == "full":
            items.append(Item("reference model", shape.parameters * FLOAT, "a frozen copy of all weights in fp32"))
        else:
            items.append(Item("reference adapter", count * FLOAT, "a frozen copy of the adapter in fp32"))
    if config.optimizer == "adamw" or device == "cpu":
        items.append(Item("optimizer", count * 2 * FLOAT, "two moments in fp32 for each trained number"))
    else:
        scales = 2 * count // OPTIMIZER_BLOCK * FLOAT
        how = "two moments of 8 bits with scales, paged out to main memory when the card is full"
        items.append(Item("optimizer", count * 2 + scales, how))
    return items


def _moments(shape: ModelShape, config: TrainConfig, stage: Stage, work: Work, device: Device) -> dict[str, list[Item]]:
    """The items that come and go, for each moment that can be the fullest."""
    layer = saved_by_layer(shape, config, work)
    backward = backward_of_layer(shape, work, config.method == "qlora")
    section = config.sft if stage == "sft" else config.dpo
    gradients = trained(shape, config) * FLOAT
    # Between two steps gradients are freed; with accumulation they live on from the first batch to the last.
    early = gradients if section.accumulation > 1 else 0
    grads = "as many fp32 numbers as are trained"
    if checkpoints(config, device):
        stream = work.tokens * shape.hidden * work.size
        count = shape.layers + 1
        how = f"{work.tokens:,} tokens x {shape.hidden:,} x {work.size} bytes, before {shape.layers} layers and after"
        if config.offload and device == "cuda" and (stage == "sft" or config.dpo.method != "orpo"):
            count = min(count, OFFLOADED)
            how += f", of which {OFFLOADED} are on the card at once"
        kept = Part(count * stream, how)
        # In fp32 the first norm keeps the layer's own input, which is counted already.
        shared = stream if work.size == FLOAT else 0
        again = [Item("recomputed layer", layer.bytes - shared, layer.how)]
        last = Part(stream, "the input of the first layer")
    else:
        kept = Part(layer.bytes * shape.layers, f"{shape.layers} layers x ({layer.how})")
        again = []
        last = layer
    logits = _logits(shape, config, stage, work, device)
    head = shape.vocabulary * shape.hidden * FLOAT if config.method == "full" else 0
    # A tied embedding gets a gradient as head and one as embedding, which are added up.
    embedding = shape.embedding * FLOAT if config.method == "full" and shape.tied else 0
    note = ", and the embedding's a second time, as head and as input" if embedding else ""
    step = _step(shape, config, device)
    final = _final(shape, work)
    return {
        "the loss": [
            Item("activations", kept.bytes + final, kept.how),
            Item("gradients", early, grads + " so far"),
            Item("logits", logits.bytes, logits.how),
        ],
        "a layer's backward": [
            Item("activations", kept.bytes, kept.how),
            *again,
            Item("gradients", early or head, grads + " so far"),
            Item("backward of a layer", backward.bytes, backward.how),
        ],
        "the end of the backward pass": [
            Item("activations", last.bytes, last.how),
            *again,
            Item("gradients", gradients, grads),
            Item("backward of a layer", backward.bytes, backward.how),
        ],
        "the embedding's gradient": [Item("gradients", gradients + embedding, grads + note)],
        "the optimizer's step": [
            Item("gradients", gradients, grads),
            Item("step of the optimizer", step.bytes, step.how),
        ],
    }


def _step(shape: ModelShape, config: TrainConfig, device: Device) -> Part:
    """What AdamW needs for itself: on a GPU its fused kernel needs nothing, on a CPU it is counted as unfused."""
    if device == "cuda":
        return Part(0, "")
    if config.method == "full":
        largest = max(shape.embedding, max((linear.weights for linear in shape.linears), default=0))
    else:
        largest = config.lora.rank * max((max(one.inputs, one.outputs) for one in targets(shape, config)), default=0)
    return Part(2 * largest * FLOAT, f"twice the largest trained tensor, {largest:,} numbers in fp32")


def _final(shape: ModelShape, work: Work) -> int:
    """The last norm keeps its input in fp32 and gives the head its own tensor; cut to the labels, it is copied."""
    return work.tokens * shape.hidden * (FLOAT + work.size * (2 if work.rows > 1 else 1))


def _logits(shape: ModelShape, config: TrainConfig, stage: Stage, work: Work, device: Device) -> Part:
    """trl 1.16 computes the loss of SFT, DPO and KTO in tiles and never holds the logits; ORPO's trainer does."""
    tokens = work.tokens
    if stage == "dpo" and config.dpo.method == "orpo":
        width = work.size + 2 * FLOAT
        total = tokens * shape.vocabulary * width
        return Part(total, f"{tokens:,} tokens x {shape.vocabulary:,} x {width} bytes: whole, with their softmax")
    rows = min(tokens, TILE_TOKENS)
    tile = rows * TILE_VOCABULARY * work.size
    gradient = tokens * shape.hidden * FLOAT
    head = shape.vocabulary * shape.hidden * FLOAT if config.method == "full" else 0
    how = f"a tile of {rows:,} tokens x {TILE_VOCABULARY:,} of the vocabulary x {work.size} bytes"
    if device == "cuda":  # Triton folds the tile where it lies
        return Part(tile + gradient + head, how + ", and the gradient of the last layer's output in fp32")
    width = min(shape.vocabulary, TILE_VOCABULARY)
    folded = rows * width * TORCH_TILE_BACKWARD
    return Part(
        tile + folded + gradient + head,
        f"{how}, {rows:,} x {width:,} x {TORCH_TILE_BACKWARD} bytes to take it apart, and the gradient in fp32",
    )
