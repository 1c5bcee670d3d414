"""A BERT encoder in onnxruntime, made from its safetensors file: loads in well under a second, without torch.

The graph is written here, node by node, with the operators onnxruntime has for BERT ("ContribOperators.md" of
onnxruntime: EmbedLayerNormalization, Attention, SkipLayerNormalization, BiasGelu), so that neither an exporter nor
its dependencies are needed. The network is that of J. Devlin et al., "BERT: Pre-training of Deep Bidirectional
Transformers", 2019. Message numbers are those of onnx.proto3 (ONNX IR version 8).
"""

from __future__ import annotations

import json
import os
import struct
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

Matrix = npt.NDArray[np.float32]

_FLOAT, _INT32 = 1, 6  # TensorProto.DataType
_MASKED = 0  # id that fills a batch up; the mask hides it


class OnnxBert:
    """Token ids to mean-pooled unit vectors.

    Args:
        folder: with ``config.json`` and ``model.safetensors`` of a BERT with absolute positions and GELU.

    Raises:
        ValueError: the folder holds another kind of network.
        OSError, KeyError, ImportError: a file, a weight or onnxruntime is missing.
    """

    def __init__(self, folder: Path) -> None:
        import onnxruntime  # type: ignore[import-untyped]

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = int(os.environ.get("OMP_NUM_THREADS", "0") or 0)
        options.log_severity_level = 3
        model, self.dimension = bert_graph(folder)
        self._session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])

    def run(self, batch: Sequence[Sequence[int]]) -> Matrix:
        """Unit vectors (n, d) of n lists of token ids, none of them empty, mean over their tokens."""
        longest = max(map(len, batch))
        ids = np.full((len(batch), longest), _MASKED, np.int32)
        mask = np.zeros((len(batch), longest), np.int32)
        for row, found in enumerate(batch):
            ids[row, : len(found)] = found
            mask[row, : len(found)] = 1
        hidden: Matrix = self._session.run(None, {"ids": ids, "mask": mask})[0]
        pooled: Matrix = np.einsum("bsd,bs->bd", hidden, mask.astype(np.float32))
        pooled /= np.maximum(np.linalg.norm(pooled, axis=1, keepdims=True), 1e-12)
        return pooled


def bert_graph(folder: Path) -> tuple[bytes, int]:
    """A BERT encoder as the bytes of an ONNX model, and the length of its vectors.

    Inputs ``ids`` and ``mask``, (batch, length) int32; output ``hidden``, (batch, length, d) float32.
    """
    config = json.loads((folder / "config.json").read_text("utf-8"))
    kind = (config.get("model_type"), config.get("hidden_act"), config.get("position_embedding_type", "absolute"))
    if kind != ("bert", "gelu", "absolute"):
        raise ValueError(f"not a BERT encoder with absolute positions and GELU: {kind}")
    weights = _safetensors(folder / "model.safetensors")
    heads, layers = int(config["num_attention_heads"]), int(config["num_hidden_layers"])
    epsilon = float(config["layer_norm_eps"])
    held: list[bytes] = []
    nodes: list[bytes] = []

    def give(name: str, value: Matrix) -> str:
        held.append(_tensor(name, value))
        return name

    def weight(name: str) -> str:
        return give(name, weights[name])

    def linear(name: str) -> str:
        return give(f"{name}.weight", weights[f"{name}.weight"].T)

    def node(kind: str, ins: Sequence[str], outs: Sequence[str], own: bool = True, **attributes: float) -> str:
        nodes.append(_node(kind, ins, outs, "com.microsoft" if own else "", attributes))
        return outs[0]

    embeddings = [weight(f"embeddings.{part}_embeddings.weight") for part in ("word", "position", "token_type")]
    norm = [weight(f"embeddings.LayerNorm.{part}") for part in ("weight", "bias")]
    at = node("EmbedLayerNormalization", ["ids", "", *embeddings, *norm, "mask"], ["at", "counts"], epsilon=epsilon)
    for number in range(layers):
        layer = f"encoder.layer.{number}"
        parts = [f"{layer}.attention.self.{part}" for part in ("query", "key", "value")]
        joined = np.concatenate([weights[f"{part}.weight"] for part in parts])
        inner = [
            give(f"{layer}.qkv.weight", joined.T),
            give(f"{layer}.qkv.bias", np.concatenate([weights[f"{part}.bias"] for part in parts])),
        ]
        seen = node("Attention", [at, *inner, "mask"], [f"{layer}.seen"], num_heads=heads)
        for name, source in ((f"{layer}.attention.output", seen), (f"{layer}.output", "")):
            if not source:
                up = f"{layer}.intermediate.dense"
                wide = node("MatMul", [at, linear(up)], [f"{up}.out"], own=False)
                source = node("BiasGelu", [wide, weight(f"{up}.bias")], [f"{up}.active"])
            flat = node("MatMul", [source, linear(f"{name}.dense")], [f"{name}.flat"], own=False)
            scale = [weight(f"{name}.LayerNorm.weight"), weight(f"{name}.LayerNorm.bias"), weight(f"{name}.dense.bias")]
            at = node("SkipLayerNormalization", [flat, at, *scale], [f"{name}.at"], epsilon=epsilon)
    node("Identity", [at], ["hidden"], own=False)
    dimension = int(weights["embeddings.LayerNorm.bias"].shape[0])
    graph = [
        *(_bytes(1, n) for n in nodes),
        _bytes(2, b"bert"),
        *(_bytes(5, t) for t in held),
        *(_bytes(11, _value(name, _INT32, ["batch", "length"])) for name in ("ids", "mask")),
        _bytes(12, _value("hidden", _FLOAT, ["batch", "length", dimension])),
    ]
    operators = [_bytes(1, domain) + _number(2, version) for domain, version in ((b"", 17), (b"com.microsoft", 1))]
    model = [_number(1, 8), _bytes(7, b"".join(graph)), *(_bytes(8, one) for one in operators)]
    return b"".join(model), dimension


def _safetensors(path: Path) -> dict[str, Matrix]:
    """The float tensors of a safetensors file (format: huggingface/safetensors README), mapped, not read."""
    with path.open("rb") as file:
        size = struct.unpack("<Q", file.read(8))[0]
        header: dict[str, Any] = json.loads(file.read(size))
    data = np.memmap(path, np.uint8, "r", offset=8 + size)
    out: dict[str, Matrix] = {}
    for name, found in header.items():
        if name == "__metadata__" or found["dtype"] not in ("F32", "F16"):
            continue
        begin, end = found["data_offsets"]
        kind = "<f4" if found["dtype"] == "F32" else "<f2"
        value = np.frombuffer(data[begin:end], kind).reshape(found["shape"]).astype(np.float32, copy=False)
        out[name.removeprefix("bert.")] = value
    return out


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def _number(field: int, value: int) -> bytes:
    return _varint(field << 3) + _varint(value)


def _bytes(field: int, value: bytes) -> bytes:
    return _varint(field << 3 | 2) + _varint(len(value)) + value


def _tensor(name: str, value: Matrix) -> bytes:
    """TensorProto: dims 1, data_type 2, name 8, raw_data 9."""
    dims = b"".join(_number(1, size) for size in value.shape)
    return dims + _number(2, _FLOAT) + _bytes(8, name.encode()) + _bytes(9, np.ascontiguousarray(value).tobytes())


def _node(kind: str, ins: Iterable[str], outs: Iterable[str], domain: str, attributes: dict[str, float]) -> bytes:
    """NodeProto: input 1, output 2, op_type 4, attribute 5 (name 1, f 2, i 3, type 20: 1 float, 2 int), domain 7."""
    parts = [_bytes(1, name.encode()) for name in ins] + [_bytes(2, name.encode()) for name in outs]
    parts.append(_bytes(4, kind.encode()))
    for name, value in attributes.items():
        if isinstance(value, int):
            parts.append(_bytes(5, _bytes(1, name.encode()) + _number(3, value) + _number(20, 2)))
        else:
            held = _varint(2 << 3 | 5) + struct.pack("<f", value)
            parts.append(_bytes(5, _bytes(1, name.encode()) + held + _number(20, 1)))
    if domain:
        parts.append(_bytes(7, domain.encode()))
    return b"".join(parts)


def _value(name: str, kind: int, shape: Iterable[int | str]) -> bytes:
    """ValueInfoProto: name 1, type 2 (tensor_type 1: elem_type 1, shape 2: dim 1: dim_value 1 or dim_param 2)."""
    dims = b"".join(_bytes(1, _number(1, s) if isinstance(s, int) else _bytes(2, s.encode())) for s in shape)
    return _bytes(1, name.encode()) + _bytes(2, _bytes(1, _number(1, kind) + _bytes(2, dims)))
