"""Make a tiny random model with a real tokenizer, to be run with the Python of the vLLM environment.

``python tiny_model.py FOLDER [LAYERS HIDDEN]``: a Qwen2 of 2 layers and 128 dimensions (1.6 MB) unless said
otherwise, a byte-level BPE trained on this project's pages, a ChatML template; and under ``FOLDER/adapter`` a random
LoRA adapter for it.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
CONTEXT = 4096
LORA_RANK = 8
STRONG = 10.0  # length of what is added to each hidden state: about all that the last norm then sees
LEANING = {'"': 4.5, ",": 3.5, ":": 3.5, "{": 3.5, "}": 4.5, "[": 3.5, "]": 4.5}
"""What is added to the logits of some tokens. Random weights alone would hardly ever end a string or a list, so that
most replies would reach the length limit; with these a string has about twenty tokens."""


def tokenizer(pages: list[str], folder: Path) -> Any:
    """A byte-level BPE of 1,024 tokens, so that text of every kind can be said."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    raw = Tokenizer(models.BPE())
    raw.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    raw.decoder = decoders.ByteLevel()
    special = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    raw.train_from_iterator(
        pages, trainers.BpeTrainer(vocab_size=1024, special_tokens=special, initial_alphabet=alphabet)
    )
    made = PreTrainedTokenizerFast(
        tokenizer_object=raw, eos_token="<|im_end|>", pad_token="<|endoftext|>", model_max_length=CONTEXT
    )
    made.chat_template = TEMPLATE
    made.save_pretrained(folder)
    return made


def lean(model: Any, words: Any) -> None:
    """Let it prefer the tokens of :data:`LEANING`.

    The last layer's value bias adds the same to every hidden state; the rows of those tokens in the output matrix look
    that way, all others do not.
    """
    import torch

    with torch.no_grad():
        attention, head = model.model.layers[-1].self_attn, model.lm_head.weight
        spread = model.config.num_attention_heads // model.config.num_key_value_heads
        attention.v_proj.bias.fill_(1.0)
        way = attention.o_proj(attention.v_proj.bias.reshape(-1, 32).repeat_interleave(spread, 0).reshape(-1))
        attention.v_proj.bias.mul_(STRONG / way.norm())
        way = way / way.norm()
        head -= (head @ way)[:, None] * way
        for text, logit in LEANING.items():
            head[words.convert_tokens_to_ids(text)] += way * logit / head.shape[1] ** 0.5


def main() -> None:
    """Write everything."""
    import torch
    from safetensors.torch import save_file
    from transformers import Qwen2Config, Qwen2ForCausalLM

    folder = Path(sys.argv[1])
    layers, hidden = map(int, sys.argv[2:4] or (2, 128))
    root = Path(__file__).parents[2]
    pages = [page.read_text(encoding="utf-8") for page in sorted((root / "docs").rglob("*.md"))]
    words = tokenizer(pages, folder)
    torch.manual_seed(0)
    heads = hidden // 32  # of 32 dimensions: the CPU attention takes 32, 64, 80 and more
    config = Qwen2Config(
        vocab_size=len(words),
        hidden_size=hidden,
        intermediate_size=2 * hidden,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        num_key_value_heads=heads // 2,
        max_position_embeddings=CONTEXT,
        tie_word_embeddings=False,
        bos_token_id=None,
        eos_token_id=words.eos_token_id,
        pad_token_id=words.pad_token_id,
    )
    model = Qwen2ForCausalLM(config)
    lean(model, words)
    model.save_pretrained(folder)
    # A model's own habits, which must not change what is asked: see generation_config in docs/providers/vllm.md.
    habits = {"eos_token_id": words.eos_token_id, "do_sample": True, "temperature": 0.01, "top_k": 1}
    (folder / "generation_config.json").write_text(json.dumps(habits))
    adapter = folder / "adapter"
    adapter.mkdir(exist_ok=True)
    told = {"peft_type": "LORA", "task_type": "CAUSAL_LM", "r": LORA_RANK, "lora_alpha": 2 * LORA_RANK,
            "target_modules": ["q_proj"], "base_model_name_or_path": str(folder), "bias": "none"}  # fmt: skip
    (adapter / "adapter_config.json").write_text(json.dumps(told))
    weights = {}
    for layer in range(layers):
        name = f"base_model.model.model.layers.{layer}.self_attn.q_proj.lora"
        weights[f"{name}_A.weight"] = torch.randn(LORA_RANK, hidden) * 0.3
        weights[f"{name}_B.weight"] = torch.randn(hidden, LORA_RANK) * 0.3
    save_file(weights, adapter / "adapter_model.safetensors")


if __name__ == "__main__":
    main()
