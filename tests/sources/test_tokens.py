"""Counting tokens: the estimate's promises, real tokenizers, and names that cannot be resolved."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer, models, pre_tokenizers, trainers

from datagen.core.errors import UsageError
from datagen.core.record import Document
from datagen.sources.chunk import chunks
from datagen.sources.config import ChunkConfig
from datagen.sources.tokens import MAX_CHARACTERS, counter

TEXT = "Chunks know where they come from: document, heading path, page and span. " * 30


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A byte-level BPE, made on the spot, that also cuts texts at 8 tokens unless told not to."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    tokenizer.train_from_iterator([TEXT], trainers.BpeTrainer(vocab_size=400, initial_alphabet=alphabet))
    tokenizer.enable_truncation(8)
    path = tmp_path_factory.mktemp("model") / "tokenizer.json"
    tokenizer.save(str(path))
    return path


def test_a_real_tokenizer_counts_everything(trained: Path) -> None:
    count = counter(str(trained))
    bare = Tokenizer.from_file(str(trained))
    bare.no_truncation()
    assert count.count(TEXT) == len(bare.encode(TEXT, add_special_tokens=False).ids) > 8
    assert count.count_all(["", "a", TEXT]) == [0, count.count("a"), count.count(TEXT)]
    assert counter(str(trained.parent)).name == count.name
    assert str(trained.parent) not in count.name, "the fingerprint must not depend on where the file lies"


def test_lone_surrogates_count(trained: Path) -> None:
    for name in ("", str(trained)):
        assert counter(name).count("a\ud800b") >= 2


@given(st.text(max_size=2000), st.data())
def test_the_estimate_is_positive_and_never_lower_for_parts(text: str, data: st.DataObject) -> None:
    count = counter("").count
    assert count(text) >= len(text) / MAX_CHARACTERS
    assert (count(text) == 0) == (text == "")
    spaces = [i for i, c in enumerate(text) if c in " \n\t"]
    if spaces:
        at = data.draw(st.sampled_from(spaces))
        assert count(text[:at]) + count(text[at:]) >= count(text)


@pytest.mark.parametrize(
    ("text", "low", "high"),
    [
        ("The quick brown fox jumps over the lazy dog.", 9, 13),
        ("def add(a, b):\n    return a + b\n", 8, 18),
        ("机器学习是人工智能的一个分支。", 12, 22),
        ("Съешь же ещё этих мягких французских булок", 15, 32),
        ("-" * 80, 1, 12),
        (" " * 6400, 100, 1000),
    ],
)
def test_the_estimate_is_of_the_right_size(text: str, low: int, high: int) -> None:
    assert low <= counter("").count(text) <= high


@pytest.mark.parametrize("name", ["no/such-model", "/no/such/tokenizer.json", "a b c", "x/../..", "nothing"])
def test_a_tokenizer_that_is_not_there_is_an_error(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError) as error:
        counter(name)
    assert name in error.value.what
    assert "chunk.tokenizer" in error.value.fix


def test_a_file_that_is_no_tokenizer_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "tokenizer.json"
    path.write_bytes(b"{}")
    with pytest.raises(UsageError, match="could not be loaded"):
        counter(str(path))


def test_a_model_is_found_in_the_local_cache(trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import huggingface_hub.constants
    import huggingface_hub.file_download

    repo = tmp_path / "models--some--model"
    (repo / "refs").mkdir(parents=True)
    (repo / "refs" / "main").write_text("abc")
    (repo / "snapshots" / "abc").mkdir(parents=True)
    (repo / "snapshots" / "abc" / "tokenizer.json").write_bytes(trained.read_bytes())
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(huggingface_hub.file_download, "HF_HUB_CACHE", str(tmp_path), raising=False)
    assert counter("some/model").name.startswith("some/model (")


@given(
    st.lists(st.sampled_from(["a", "Chunks know", " ", "\n\n", "span. ", "漢", "# h\n", "-", "\ud800"]), max_size=300)
)
def test_chunks_hold_their_limit_with_a_real_tokenizer(trained: Path, parts: list[str]) -> None:
    text = "".join(parts)
    count = counter(str(trained)).count
    out = chunks(Document(path="a", sha256="0", kind="k", text=text), ChunkConfig(tokens=32, tokenizer=str(trained)))
    assert all(count(c.text) == c.tokens <= 32 for c in out)
    covered = {i for c in out for i in range(c.start, c.end)}
    assert all(c.isspace() or i in covered for i, c in enumerate(text))
