"""A tiny model made on the spot (``--base tiny``): random weights, a tokenizer learned from the rows themselves.

It knows nothing, so what it learns it learned from the data: tests and the first minute run the true path with it.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from training.errors import TrainingError

END_OF_TEXT = "<|endoftext|>"
START = "<|im_start|>"
END = "<|im_end|>"
CHATML = (
    "{%- for message in messages %}"
    "{{- '<|im_start|>' + message['role'] + '\\n' }}"
    "{%- if message['role'] == 'assistant' %}"
    "{%- generation %}{{- message['content'] + '<|im_end|>' }}{%- endgeneration %}{{- '\\n' }}"
    "{%- else %}{{- message['content'] + '<|im_end|>\\n' }}{%- endif %}"
    "{%- endfor %}"
    "{%- if add_generation_prompt %}{{- '<|im_start|>assistant\\n' }}{%- endif %}"
)
"""ChatML (OpenAI 2023; the form of Qwen's models, no default system message) with the reply marked for the loss."""

_HEAD = 32  # width of an attention head: engines on a CPU take 32, 64, 80 ...
# Standard deviations of the random weights. An adapter never trains head and embeddings, so theirs must be large enough
# for it to say something with confidence: with the usual 0.02 no logit could reach 3. The layers it does train shall
# not drown it: with 0.035 it learned more in 240 steps than with 0.02 or 0.05.
_OUTER, _LAYERS = 0.1, 0.035
_SEEN = 4_000_000  # characters the tokenizer is learned from, at most


def make(
    folder: Path,
    texts: Iterable[str],
    *,
    seed: int = 0,
    vocabulary: int = 2048,
    hidden: int = 256,
    layers: int = 2,
    context: int = 2048,
) -> Path:
    """Write a random Qwen2 model with a byte-level BPE tokenizer and a ChatML template to ``folder``.

    Args:
        folder: made where it is missing; files of the same names are replaced.
        texts: what the tokenizer is learned from (its first 4 million characters); none gives one token a byte.
        seed: of the weights; the global generator of torch is left as it was.
        vocabulary: tokens at most, at least 259 (256 bytes and 3 special tokens).
        hidden: width of the model, a multiple of 32.
        layers: number of layers.
        context: tokens of a sequence at most.

    Returns:
        ``folder``. The same arguments give the same weights and tokenizer.

    Raises:
        TrainingError: sizes that no model can have, or transformers and torch are not installed.
    """
    _check(vocabulary, hidden, layers, context)
    try:
        import torch
        from transformers import Qwen2Config, Qwen2ForCausalLM
    except ImportError as error:
        raise TrainingError(
            "The tiny model cannot be made.",
            f"{error.name or 'A library'} is not installed.",
            'Install it with pip install "datagen[train]".',
        ) from error
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer = _tokenizer(texts, vocabulary, context)
    heads = hidden // _HEAD
    config = Qwen2Config(
        vocab_size=len(tokenizer),
        hidden_size=hidden,
        intermediate_size=4 * hidden,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        num_key_value_heads=heads // 2 if heads % 2 == 0 else heads,
        max_position_embeddings=context,
        tie_word_embeddings=False,
        initializer_range=_LAYERS,
        bos_token_id=None,
        eos_token_id=tokenizer.convert_tokens_to_ids(END),
        pad_token_id=tokenizer.convert_tokens_to_ids(END_OF_TEXT),
        dtype="float32",
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model: Any = Qwen2ForCausalLM(config)
    with torch.no_grad():
        for outer in (model.get_input_embeddings(), model.get_output_embeddings()):
            outer.weight.mul_(_OUTER / _LAYERS)
    model.save_pretrained(str(folder))
    tokenizer.save_pretrained(str(folder))
    return folder


def _check(vocabulary: int, hidden: int, layers: int, context: int) -> None:
    wrong = ""
    if vocabulary < 259:
        wrong = f"vocabulary is {vocabulary}; 256 bytes and 3 special tokens are 259."
    elif hidden < _HEAD or hidden % _HEAD:
        wrong = f"hidden is {hidden}; it must be a multiple of {_HEAD}."
    elif layers < 1 or context < 1:
        wrong = f"layers is {layers} and context {context}; both must be at least 1."
    if wrong:
        raise TrainingError("The tiny model cannot be made.", wrong, "Give sizes within these limits.")


def _tokenizer(texts: Iterable[str], vocabulary: int, context: int) -> Any:
    """Splits text as Qwen2's own tokenizer does, because that is what reads the file again (it also composes
    characters, NFC); byte-level, so that any text can be encoded."""
    from tokenizers import Tokenizer, pre_tokenizers
    from tokenizers.models import BPE
    from tokenizers.trainers import BpeTrainer
    from transformers import PreTrainedTokenizerFast, Qwen2Tokenizer

    like = Qwen2Tokenizer().backend_tokenizer
    core = Tokenizer(BPE())
    core.normalizer, core.pre_tokenizer, core.decoder = like.normalizer, like.pre_tokenizer, like.decoder
    trainer = BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=[END_OF_TEXT, START, END],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    core.train_from_iterator(_some(texts), trainer)
    tokenizer: Any = PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_object=core,
        eos_token=END,
        pad_token=END_OF_TEXT,
        additional_special_tokens=[START],
        model_max_length=context,
        clean_up_tokenization_spaces=False,
    )
    tokenizer.chat_template = CHATML
    return tokenizer


def _some(texts: Iterable[str]) -> Iterable[str]:
    left = _SEEN
    for text in texts:
        if left <= 0:
            return
        piece = text[:left].encode("utf-8", "replace").decode("utf-8")
        left -= len(piece)
        yield piece
