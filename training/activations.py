"""Bytes that one decoder layer keeps for its backward pass, tensor by tensor.

The method is Korthikanti et al. 2022 (arXiv:2205.05198, section 4): go through the layer and count what each
operation must save. Their 34 bytes a token and unit of width are GPT-3's in fp16; here it is the block of Llama and
Qwen (RMSNorm, grouped queries, SwiGLU, fused attention that keeps no matrix of length x length) with adapters on its
linear layers, as transformers, peft and bitsandbytes compute it. A frozen linear layer saves nothing of its input; its
adapter does.
"""

from __future__ import annotations

from dataclasses import dataclass

from training.config import TrainConfig
from training.shape import Linear, ModelShape

FLOAT = 4


@dataclass(frozen=True)
class Part:
    """Bytes of something and how they are counted.

    Args:
        bytes: how many.
        how: the sum in words, for a person with a pocket calculator.
    """

    bytes: int
    how: str


@dataclass(frozen=True)
class Work:
    """The tokens that go through at once and how they are computed.

    Args:
        rows: sequences at once (DPO: the chosen and the rejected ones).
        length: tokens of a sequence, padding included.
        size: bytes of a number in the computation (4 or 2).
        masked: sequences are padded or packed, so attention gets a mask and keys are repeated for every head.
        adapter: LoRA on the linear layers; otherwise all weights train.
    """

    rows: int
    length: int
    size: int
    masked: bool
    adapter: bool

    @property
    def tokens(self) -> int:
        """Tokens at once."""
        return self.rows * self.length


def targets(shape: ModelShape, config: TrainConfig) -> tuple[Linear, ...]:
    """The linear layers that get an adapter."""
    wanted = config.lora.targets
    return tuple(linear for linear in shape.linears if not wanted or linear.name in wanted)


def saved_by_layer(shape: ModelShape, config: TrainConfig, work: Work) -> Part:
    """What one layer keeps from its forward to its backward pass.

    Returns:
        Bytes for ``work.tokens`` tokens. Mean over the layers, which differ in no model of this kind.
    """
    hidden, inner = shape.hidden, shape.intermediate
    queries = shape.heads * shape.head_dim
    keys = queries if work.masked else shape.kv_heads * shape.head_dim
    norms = 2 * hidden * FLOAT + (0 if work.adapter else 2 * hidden * work.size)
    inputs = _inputs_of_linears(shape, config, work)
    attention = (2 * queries + 2 * keys) * work.size + shape.heads * FLOAT
    inside = (3 if shape.gated else 1) * inner * work.size
    token = norms + attention + inside + inputs
    mask = work.rows * work.length * work.length * FLOAT if work.masked and work.size == 2 else 0
    total = token * work.tokens + mask
    return Part(
        total,
        f"{work.tokens:,} tokens x {token:,} bytes: two norms in fp32 {norms:,}; queries, keys, values and the output "
        f"of attention {attention:,}; inside the feed-forward block {inside:,}; inputs of what trains {inputs:,}"
        + (f"; and the mask {mask:,}" if mask else ""),
    )


def _inputs_of_linears(shape: ModelShape, config: TrainConfig, work: Work) -> int:
    """Bytes a token: inputs of trained linear layers, once each tensor, and between the halves of the adapters.

    q, k and v read one tensor, gate and up another; the output projection reads what attention has saved already.
    """
    linears = targets(shape, config) if work.adapter else shape.linears
    names = {linear.name for linear in linears}
    total = 0
    for group in _GROUPS:
        if names & group:
            total += next(linear.inputs for linear in linears if linear.name in group) * work.size
    if not any(names & group for group in _GROUPS):  # another family's names: every layer reads a tensor of its own
        total += sum(linear.inputs * linear.count for linear in linears) * work.size // max(1, shape.layers)
    if not work.adapter:
        return total
    for linear in linears:
        each = config.lora.rank * work.size
        if config.lora.dropout > 0:  # a copy of the input and a mask of one byte a number, for each adapter
            each += linear.inputs * (work.size + 1)
        if config.lora.dora:  # the outputs of base and adapter, to scale them
            each += 2 * linear.outputs * work.size
        total += each * linear.count // max(1, shape.layers)
    return total


_GROUPS = (
    frozenset({"q_proj", "k_proj", "v_proj", "qkv_proj", "query_key_value", "c_attn"}),
    frozenset({"gate_proj", "up_proj", "gate_up_proj", "c_fc", "fc1", "fc_in", "dense_h_to_4h"}),
    frozenset({"down_proj", "fc2", "fc_out", "dense_4h_to_h"}),
)
"""Layers that read one and the same tensor, by the names of Llama, Qwen, Mistral, Phi, GPT-2 and GPT-NeoX."""


def backward_of_layer(shape: ModelShape, work: Work, quantised: bool) -> Part:
    """What the backward pass of one layer needs beside what was saved, at its widest point, the feed-forward block.

    Either one weight matrix made whole again from its 4 bits (with its block scales in fp32), the gradient of the
    stream and that of one inner tensor; or the gradients of two inner tensors, where the third has taken the place of
    what was saved for it.
    """
    one = (shape.hidden + shape.intermediate) * work.size * work.tokens
    two = (shape.hidden + 2 * shape.intermediate) * work.size * work.tokens
    widest = max((linear.weights for linear in shape.linears), default=0)
    whole = widest * work.size + widest // 64 * FLOAT
    if quantised and whole + one > two:
        return Part(
            whole + one,
            f"one matrix of {widest:,} numbers made whole from 4 bits, and {work.tokens:,} tokens x "
            f"({shape.hidden:,} + {shape.intermediate:,}) x {work.size} bytes of gradients",
        )
    return Part(
        two,
        f"{work.tokens:,} tokens x ({shape.hidden:,} + 2 x {shape.intermediate:,}) x {work.size} bytes of gradients",
    )
