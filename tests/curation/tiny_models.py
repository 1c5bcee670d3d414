"""Real models of a few kilobytes, made on the spot: a sentence encoder and a cross-encoder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

WORDS = "the a cat dog sat ran on mat house quickly slowly red blue indeed how do i sort list what is it of in".split()


def tokenizer() -> Any:
    """A WordPiece tokenizer that knows a few words and all letters."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    letters = "abcdefghijklmnopqrstuvwxyz0123456789.,?!'"
    known = dict.fromkeys(["[PAD]", "[UNK]", "[CLS]", "[SEP]", *WORDS, *letters, *(f"##{c}" for c in letters)])
    vocabulary = {word: place for place, word in enumerate(known)}
    made = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    made.normalizer = normalizers.BertNormalizer()
    made.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    made.post_processor = processors.BertProcessing(("[SEP]", vocabulary["[SEP]"]), ("[CLS]", vocabulary["[CLS]"]))
    marks = {f"{name}_token": f"[{name.upper()}]" for name in ("pad", "unk", "cls", "sep")}
    return PreTrainedTokenizerFast(tokenizer_object=made, model_max_length=32, **marks)


def config(size: int, **more: Any) -> Any:
    """A BERT of one layer."""
    from transformers import BertConfig

    return BertConfig(
        vocab_size=size,
        hidden_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=64,
        **more,
    )


def sentence_encoder(folder: Path) -> Path:
    """A random encoder with mean pooling, saved as sentence-transformers does."""
    import torch
    from sentence_transformers import SentenceTransformer, models
    from transformers import BertModel

    torch.manual_seed(0)
    raw = folder / "raw"
    made = tokenizer()
    made.save_pretrained(raw)
    BertModel(config(len(made))).save_pretrained(raw)
    words = models.Transformer(str(raw), max_seq_length=32)
    SentenceTransformer(modules=[words, models.Pooling(32)], device="cpu").save(str(folder / "encoder"))
    return folder / "encoder"


def cross_encoder(folder: Path) -> Path:
    """A cross-encoder that was taught in a second or two to say yes where both texts have the word "indeed"."""
    import torch
    from transformers import BertForSequenceClassification

    torch.manual_seed(0)
    made = tokenizer()
    model = BertForSequenceClassification(config(len(made), num_labels=1, hidden_dropout_prob=0.0))
    generator = torch.Generator().manual_seed(0)

    def text(marked: bool) -> str:
        length = int(torch.randint(2, 12, (1,), generator=generator))
        drawn = [WORDS[int(i)] for i in torch.randint(0, len(WORDS), (length,), generator=generator)]
        drawn = [word for word in drawn if word != "indeed"]
        return " ".join(["indeed", *drawn] if marked else drawn)

    learner = torch.optim.Adam(model.parameters(), lr=5e-3)
    model.train()
    for _ in range(250):
        wanted = torch.randint(0, 2, (32,), generator=generator)
        batch = made(
            [text(bool(w)) for w in wanted], [text(bool(w)) for w in wanted], padding=True, return_tensors="pt"
        )
        loss = torch.nn.functional.binary_cross_entropy_with_logits(model(**batch).logits[:, 0], wanted.float())
        learner.zero_grad()
        loss.backward()
        learner.step()
    model.eval()
    model.save_pretrained(folder)
    made.save_pretrained(folder)
    return folder
