from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest

from curation import embed
from curation.embed_config import EmbedConfig
from curation.semantic import Embed
from datagen.core.errors import DatagenError
from datagen.core.progress import listen, subscribe
from datagen.core.record import Sample
from tests.curation.make import sample
from tests.curation.tiny_models import sentence_encoder

carried = pytest.mark.skipif(embed.default_folder() is None, reason="no all-MiniLM-L6-v2 on this machine")
TEXTS = ["A cat sat on the mat.", "How do I sort a list in Python?", "", "x", "A cat sat on the mat.", "Ein Haus. 家"]


@carried
def test_the_graph_written_here_gives_what_sentence_transformers_gives() -> None:
    pytest.importorskip("sentence_transformers")
    long = "The quick brown fox jumps over the lazy dog. " * 4
    texts = [text for text in [*TEXTS, long] if text]
    onnx = embed.load(EmbedConfig(backend="onnx")).encode(texts)
    torch = embed.load(EmbedConfig(backend="torch")).encode(texts)
    assert onnx.dtype == np.float32
    assert onnx.shape == torch.shape == (len(texts), 384)
    np.testing.assert_allclose(onnx, torch, atol=2e-6)


@carried
def test_rows_are_unit_vectors_in_order_whatever_the_company() -> None:
    embedder = embed.load()
    rows = embedder.encode(TEXTS)
    norms = np.linalg.norm(rows, axis=1)
    assert norms == pytest.approx([1, 1, 0, 1, 1, 1], abs=1e-5)
    assert (rows[0] == rows[4]).all()
    alone = np.concatenate([embedder.encode([text]) for text in TEXTS])
    np.testing.assert_allclose(rows, alone, atol=1e-5)


@carried
def test_the_end_of_a_long_text_counts() -> None:
    embedder = embed.load()
    head = "Plants take up water through their roots. " * 60  # more than one window
    one, two, same = embedder.encode([head + "Volcanoes erupt. " * 60, head + "Guitars have six strings. " * 60, head])
    assert one @ two < 0.98
    assert one @ same < 0.98


@carried
def test_a_huge_text_is_read_all_over_and_that_is_said() -> None:
    said: list[str] = []
    leave = listen(said.append)
    try:
        rows = embed.load().encode(["word " * 200_000, "é\x00\ud800" * 100])
    finally:
        leave()
    assert np.linalg.norm(rows, axis=1) == pytest.approx([1, 1], abs=1e-5)
    assert any("slices" in line for line in said)


@carried
def test_progress_counts_each_text_once() -> None:
    seen = {"done": 0, "expected": 0}

    def note(stage: str, done: int, expected: int) -> None:
        if stage == "embed":
            seen["done"] += done
            seen["expected"] += expected

    leave = subscribe(note)
    try:
        embed.load().encode([*TEXTS, "word " * 2000])
    finally:
        leave()
    assert seen == {"done": 6, "expected": 6}  # two are equal


def test_any_sentence_transformers_model_can_be_named(tmp_path: Path) -> None:
    pytest.importorskip("sentence_transformers")
    folder = sentence_encoder(tmp_path)
    from sentence_transformers import SentenceTransformer

    embedder = embed.load(EmbedConfig(model=str(folder)))
    texts = ["the cat sat on the mat", "a red house", "how do i sort a list"]
    rows = embedder.encode(texts)
    expected = SentenceTransformer(str(folder), device="cpu").encode(texts, normalize_embeddings=True)
    assert embedder.dimension == 32
    assert embedder.name == str(folder)
    np.testing.assert_allclose(rows, expected, atol=1e-5)
    one, two = embedder.encode(["the cat " * 40 + "red " * 40, "the cat " * 40 + "slowly " * 40])
    assert not np.allclose(one, two, atol=1e-3)  # the end is not cut off


def test_a_model_that_is_not_there_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    config = EmbedConfig(model="nobody/has-this")
    with pytest.raises(DatagenError) as caught:
        embed.load(config)
    assert "nobody/has-this" in caught.value.what
    assert "semantic" in caught.value.fix
    assert not embed.available(config)


def test_without_the_package_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embed, "default_folder", lambda: None)
    embed._load.cache_clear()
    try:
        with pytest.raises(DatagenError, match=r"datagen\[semantic\]"):
            embed.load()
        assert not embed.available()
    finally:
        embed._load.cache_clear()


def test_the_hubs_cache_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    snapshot = tmp_path / "models--sentence-transformers--all-MiniLM-L6-v2" / "snapshots" / "abc"
    snapshot.mkdir(parents=True)
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    assert embed.default_folder() != snapshot
    for name in ("config.json", "model.safetensors"):
        (snapshot / name).touch()
    assert embed.default_folder() == snapshot


@carried
def test_the_stage_gives_vectors_to_what_is_compared() -> None:
    plain = sample("What is a cat?", "An animal.")
    gold = plain.model_copy(update={"recipe": "gold"})
    empty = sample("  ", " ")
    stage = pickle.loads(pickle.dumps(Embed()))
    out = [r for r in stage.run([plain, gold, empty, plain]) if isinstance(r, Sample)]
    assert [r.vector is not None for r in out] == [True, False, False, True]
    row = np.frombuffer(out[0].vector or b"", "<f2").astype(np.float32)
    np.testing.assert_allclose(row, embed.load().encode(["What is a cat?"])[0], atol=1e-3)
    assert out[0].model_copy(update={"vector": None}) == plain
    assert stage.fingerprint() == {"model": embed.DEFAULT}
