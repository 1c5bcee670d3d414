"""Names of people, places and organisations without a model, and with one made on the spot."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from curation import pii
from curation.pii import models
from curation.pii.models import stretches
from datagen.core.errors import UsageError

pytest.importorskip("faker")


def found(text: str, **config: object) -> set[tuple[str, str]]:
    return {(s.type, text[s.start : s.end]) for s in pii.find([text], pii.PiiConfig(**config))[0]}  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "kind", "value"),
    [
        ("My name is Ottoline Varga.", "PERSON", "Ottoline Varga"),
        ("Dear Mrs. Qwiznak, thank you.", "PERSON", "Qwiznak"),
        ("From: Henrik Solberg\nTo: all", "PERSON", "Henrik Solberg"),
        ("Best regards,\nAmelia Novak", "PERSON", "Amelia Novak"),
        ("The report is by J. Kowalski.", "PERSON", "J. Kowalski"),
        ("I met Guillaume de la Tour there.", "PERSON", "Guillaume de la Tour"),
        ("please ask katarina novak about it", "PERSON", "katarina novak"),
        ("資料は 恵子 佐々木 まで", "PERSON", "恵子 佐々木"),
        ("She moved to Ljubljana last year.", "LOCATION", "Ljubljana"),
        ("He grew up in Vrbnikovo, by the sea.", "LOCATION", "Vrbnikovo"),
        ("They travelled from Portugal by train.", "LOCATION", "Portugal"),
        ("He works for Northwind Traders.", "ORGANIZATION", "Northwind Traders"),
        ("Blaxton Heavy Industries Ltd. was sold.", "ORGANIZATION", "Blaxton Heavy Industries Ltd."),
    ],
)
def test_finds(text: str, kind: str, value: str) -> None:
    assert (kind, value) in found(text)


@pytest.mark.parametrize(
    "text",
    [
        "The Quick Start shows how to Build and Run the Server.",
        "Will may mark the case in April; Faith and Hope are words, Grace too.",
        "CAN I SPEAK TO A REAL PERSON?!",
        "Java, Ruby, Julia, Pascal and Django are software; so are Jupyter and Jenkins.",
        "In Chapter Four, Table Seven lists Red, Green and Blue.",
    ],
)
def test_capitals_alone_are_no_names(text: str) -> None:
    assert found(text) == set()


def test_a_place_can_be_a_person() -> None:
    assert ("PERSON", "Paris") in found("Dr. Paris will see you now.")
    assert ("LOCATION", "Paris") in found("She lives in Paris.")


def test_a_known_person_is_found_by_the_surname_alone() -> None:
    spans = pii.find(["Ingrid Halvorsen came first. Halvorsen was late."])[0]
    assert [s.type for s in spans] == ["PERSON", "PERSON"]


# A model of two labels whose embedding marks the tokens of one name: real weights, a real tokenizer, a real pipeline.
WORDS = "[PAD] [UNK] [CLS] [SEP] [MASK] the and a to from wrote zorblat quixley home it was . ,".split()


@pytest.fixture(scope="module")
def tagger(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    folder = tmp_path_factory.mktemp("tagger")
    (folder / "vocab.txt").write_text("\n".join(WORDS), encoding="utf-8")
    tokenizer = transformers.BertTokenizerFast(str(folder / "vocab.txt"), model_max_length=64)
    config = transformers.BertConfig(
        vocab_size=len(WORDS), hidden_size=8, num_hidden_layers=1, num_attention_heads=1, intermediate_size=8,
        max_position_embeddings=64, id2label={0: "O", 1: "B-PER"}, label2id={"O": 0, "B-PER": 1},
    )  # fmt: skip
    model: Any = transformers.BertForTokenClassification(config).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.zero_()
        for name in (
            "embeddings.LayerNorm",
            "encoder.layer.0.attention.output.LayerNorm",
            "encoder.layer.0.output.LayerNorm",
        ):
            model.bert.get_submodule(name).weight.fill_(1.0)
        table = model.bert.embeddings.word_embeddings.weight
        table[:, 1] = 4.0
        for word in ("zorblat", "quixley"):
            table[WORDS.index(word)] = torch.tensor([4.0, 0, 0, 0, 0, 0, 0, 0])
        model.classifier.weight[1, 0] = 6.0
        model.classifier.weight[0, 1] = 6.0
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def test_a_transformers_model_finds_names(tagger: Path) -> None:
    text = "The home was zorblat quixley, and it wrote to zorblat."
    assert found(text, model=str(tagger)) == {("PERSON", "zorblat quixley"), ("PERSON", "zorblat")}
    assert pii.status(pii.PiiConfig(model=str(tagger))) == ""


def test_long_texts_are_not_cut_off(tagger: Path) -> None:
    filler = "the home and it was " * 60
    text = f"{filler}zorblat {filler}quixley {filler} zorblat."
    spans = pii.find([text], pii.PiiConfig(model=str(tagger)))[0]
    assert [text[s.start : s.end] for s in spans if s.type == "PERSON"] == ["zorblat", "quixley", "zorblat"]


def test_a_model_that_is_not_there_is_said(tmp_path: Path) -> None:
    pytest.importorskip("transformers")
    models._reader.cache_clear()
    with pytest.raises(UsageError, match="cannot be loaded"):
        pii.find(["text"], pii.PiiConfig(model=str(tmp_path / "none"), model_kind="transformers"))
    with pytest.raises(UsageError, match=r"spacy|No module"):
        pii.find(["text"], pii.PiiConfig(model="xx_no_such_pipeline"))


def test_gliner_and_spacy_are_told_by_their_names() -> None:
    assert models.kind_of(pii.PiiConfig(model="urchade/gliner_multi_pii-v1")) == "gliner"
    assert models.kind_of(pii.PiiConfig(model="en_core_web_lg")) == "spacy"
    assert models.kind_of(pii.PiiConfig(model="dslim/bert-base-NER")) == "transformers"
    assert models.kind_of(pii.PiiConfig(model="dslim/bert-base-NER", model_kind="spacy")) == "spacy"


def test_a_spacy_pipeline_finds_names(monkeypatch: pytest.MonkeyPatch) -> None:
    spacy = pytest.importorskip("spacy")
    pipeline = spacy.blank("en")
    pipeline.add_pipe("entity_ruler").add_patterns([{"label": "PERSON", "pattern": "Zorblat"}])
    monkeypatch.setattr(spacy, "load", lambda name: pipeline)
    models._reader.cache_clear()
    assert found("So said Zorblat.", model="xx_made_up_here") == {("PERSON", "Zorblat")}


def test_gliner_is_asked_for_its_labels(monkeypatch: pytest.MonkeyPatch) -> None:
    class GLiNER:
        config = None

        @staticmethod
        def from_pretrained(name: str) -> GLiNER:
            return GLiNER()

        def predict_entities(self, text: str, labels: list[str], threshold: float) -> list[dict[str, Any]]:
            at = text.find("Zorblat")
            return [] if at < 0 else [{"start": at, "end": at + 7, "label": "person", "score": 0.9}]

    module = type(sys)("gliner")
    module.GLiNER = GLiNER  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "gliner", module)
    models._reader.cache_clear()
    text = "word " * 900 + "So said Zorblat."
    assert found(text, model="somebody/gliner-small") == {("PERSON", "Zorblat")}


@given(st.text(alphabet="ab ", min_size=1, max_size=900), st.integers(20, 300), st.integers(1, 200))
def test_windows_cover_a_text(text: str, size: int, overlap: int) -> None:
    settled = 0
    for start, end, until in stretches(text, size, overlap):
        assert start <= settled < until <= end <= len(text)
        assert end - start <= size
        settled = until
    assert settled == len(text)
