from __future__ import annotations

import json
import pickle
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from curation.toxicity import Toxicity, ToxicityConfig, find, scan, score, status
from curation.toxicity.spell import tokens
from datagen.core.errors import DatagenError, UsageError
from datagen.core.record import AnyRecord, Chunk, Sample, Verdict
from tests.curation.make import sample

ROOT = Path(__file__).resolve().parents[2]
LABELLED = ROOT.parent / "shared" / "data" / "toxicity.jsonl"

# Offensive sentences, written for these tests: what is refused has to be shown.
HATEFUL = [
    "I hate immigrants.",
    "Gay people make me sick.",
    "Women are too stupid to vote.",
    "Refugees are parasites.",
    "Someone should shoot all Muslims.",
    "We must get rid of the Jews.",
    "Kill every last one of these foreigners? Yes. Kill all foreigners.",
    "Deaf people don't deserve to live.",
    "I have no respect for black people.",
    "Asians will never be our equals.",
    "Fuck all Mexicans.",
    "My street is full of refugees. They are vermin.",
    "I know some trans people and I despise every one of them.",
    "Why are Indians so filthy?",
    "Don't you agree that Jews are greedy?",
    "In my opinion women are worthless.",
    "Send the Africans back!",
    "Black people belong in a zoo.",
]
HARMLESS = [
    "I don't hate immigrants.",
    "Nobody should hate gay people.",
    "Women are not stupid.",
    "I love my Muslim neighbours.",
    "Anyone who says that Jews are greedy is a bigot.",
    '"Women are worthless" is the most disgusting thing he ever said.',
    "Calling refugees parasites is wrong.",
    "Stop killing women!",
    "Violence against trans people has to end.",
    "He told me that black people are lazy. What an awful thing to say.",
    "I hate traffic jams.",
    "I despise you, you liar.",
    "All bankers are scum and should be shot.",
    "This is fucking brilliant.",
    "I hate the way women are treated at work.",
    "My sister is a lesbian and lives with two disabled people.",
    "Black lives matter.",
    "Kill all child processes of the parent, then kill the parent.",
    "White rice is worse than brown rice.",
    "The Indian elephant is a large animal.",
    "Disabled people should be allowed to vote.",
]


@pytest.mark.parametrize("text", HATEFUL)
def test_hate_is_found(text: str) -> None:
    assert score([text])[0] >= 0.5


@pytest.mark.parametrize("text", HARMLESS)
def test_what_is_denied_opposed_or_about_others_is_not_hate(text: str) -> None:
    assert score([text])[0] < 0.5


@pytest.mark.parametrize(
    "text",
    [
        "I h4te w0men.",
        "I h a t e women.",
        "Ihatewomen",
        "I haet women.",
        "I hte women.",
        "I hаte wоmen.",  # Cyrillic letters
        "I ha\u200bte wo\u200bmen.",
        "I haaaaate women.",
        "WOMEN ARE SC*M? no: WOMEN ARE SCUM",
    ],
)
def test_a_disguise_does_not_help(text: str) -> None:
    assert score([text])[0] >= 0.5


@pytest.mark.parametrize(
    "text", ["The therapist met the analyst.", "I ate the hat.", "a b c d e f", "assess the class"]
)
def test_harmless_words_hide_nothing(text: str) -> None:
    assert [f for f in find(text) if f.score >= 0.5] == []


@pytest.mark.parametrize(
    ("text", "category"),
    [
        ("Refugees are vermin.", "dehumanisation"),
        ("I hate refugees.", "derogation"),
        ("All refugees should be shot.", "threat"),
        ("What the fuck is this?", "profanity"),
    ],
)
def test_each_kind_has_its_name(text: str, category: str) -> None:
    best = max(find(text), key=lambda f: f.score)
    assert best.category == category


def test_profanity_is_no_hate_and_is_found_at_its_place() -> None:
    text = "  It is a 🚗 load of sh1t."
    (found,) = find(text)
    assert found.category == "profanity"
    assert text[found.start : found.end] == "sh1t"
    assert score([text]) == [0.0]


def test_a_disguised_word_keeps_its_offsets() -> None:
    text = "👍🏽 x\n\nYou know: I h.a.t.e wо\u200bmen!"
    found = max(find(text), key=lambda f: f.score)
    assert text[found.start : found.end].endswith("wо\u200bmen")
    assert text[found.start : found.end].startswith("h.a.t.e")


def test_who_they_are_is_remembered_for_two_sentences_and_not_longer() -> None:
    assert score(["Muslims live here. They are vermin."])[0] >= 0.5
    assert score(["The bankers live here. They are vermin."])[0] < 0.5
    assert score(["Muslims live here. " + "The sun shines. " * 4 + "They are vermin."])[0] < 0.5


def stage(config: ToxicityConfig, record: AnyRecord, produces: str = "sample") -> AnyRecord:
    (out,) = Toxicity(config, produces).run([record])  # type: ignore[arg-type]
    return out


def test_the_stage_rejects_and_shows_masked_words() -> None:
    out = stage(ToxicityConfig(), sample("What about refugees?", "Refugees are vermin."))
    assert isinstance(out, Sample)
    assert out.verdict is not None
    assert (out.verdict.stage, out.verdict.reason) == ("toxicity", "toxic")
    assert "dehumanisation" in out.verdict.evidence
    assert "vermin" not in out.verdict.evidence + out.audits[0].example
    assert out.audits[0].action == "reject"


def test_audit_only_counts() -> None:
    record = sample("What about refugees?", "Refugees are vermin. Shit!")
    out = stage(ToxicityConfig(action="audit"), record)
    assert isinstance(out, Sample)
    assert out.verdict is None
    assert {a.kind: a.action for a in out.audits} == {"dehumanisation": "none", "profanity": "none"}
    assert out.messages == record.messages


def test_profanity_passes_unless_it_has_a_threshold() -> None:
    record = sample("How was it?", "It was a fucking good day.")
    passed, out = stage(ToxicityConfig(), record), stage(ToxicityConfig(profanity=0.5), record)
    assert isinstance(passed, Sample)
    assert isinstance(out, Sample)
    assert passed.verdict is None
    assert passed.audits[0].kind == "profanity"
    assert out.verdict is not None


def test_chunks_gold_and_rejected_records() -> None:
    chunk = Chunk(id="c", path="a.md", sha256="0", start=0, end=20, text="Refugees are vermin.")
    out = stage(ToxicityConfig(), chunk, "chunk")
    assert isinstance(out, Chunk)
    assert out.verdict is not None
    assert stage(ToxicityConfig(where=("samples",)), chunk, "chunk") == chunk
    assert stage(ToxicityConfig(), chunk) == chunk
    bad = sample("What about refugees?", "Refugees are vermin.")
    for kept in (
        bad.model_copy(update={"recipe": "gold"}),
        bad.model_copy(update={"verdict": Verdict(stage="x", reason="y")}),
    ):
        assert stage(ToxicityConfig(), kept) == kept
    assert stage(ToxicityConfig(enabled=False), bad) == bad


def test_the_fingerprint_holds_what_shapes_the_output_and_the_stage_pickles() -> None:
    one = Toxicity(ToxicityConfig())
    assert pickle.loads(pickle.dumps(one)).fingerprint() == one.fingerprint()
    assert one.fingerprint() == Toxicity(ToxicityConfig(batch_size=2)).fingerprint()
    for other in (
        Toxicity(ToxicityConfig(slur=0.9)),
        Toxicity(ToxicityConfig(model="m")),
        Toxicity(ToxicityConfig(), "chunk"),
    ):
        assert other.fingerprint() != one.fingerprint()


@given(st.lists(st.text(max_size=300) | st.text("Ihate wmn.,!?\"'“”4@*fuck they()\n", max_size=200), max_size=3))
def test_any_text_gets_findings_that_lie_in_it(texts: list[str]) -> None:
    for text, found in zip(texts, scan(texts), strict=True):
        assert found == find(text)
        for f in found:
            assert 0 <= f.start < f.end <= len(text)
            assert 0 <= f.score <= 1
    assert all(0 <= s <= 1 for s in score(texts))


@pytest.mark.parametrize(
    "text",
    [
        "a" * 300_000,
        "h a t e " * 40_000,
        "f*" * 100_000,
        "women are " * 20_000,
        '"' * 200_000,
        "\x00\ud800\u202e🏳️‍🌈" * 20_000,
        "I hate " * 30_000 + "women",
        "they " * 50_000,
        "1337" * 50_000,
        "-".join("hate" for _ in range(50_000)),
    ],
    ids=range(10),
)
def test_long_and_hostile_texts_are_read(text: str) -> None:
    assert all(f.end <= len(text) for f in find(text))


def test_tokens_cover_the_words_they_stand_for() -> None:
    text = "Ihateallwomen and th3y"
    for token in tokens(text):
        assert text[token.start : token.end].strip() == text[token.start : token.end]


def tiny(folder: Path, labels: dict[int, str], **config: object) -> str:
    """A random classifier, made on the spot."""
    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    tokenizers = pytest.importorskip("tokenizers")
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "women", "are", "kind", "scum", "the", "."]
    model = tokenizers.models.WordPiece({w: i for i, w in enumerate(words)}, unk_token="[UNK]")
    fast = tokenizers.Tokenizer(model)
    fast.pre_tokenizer = tokenizers.pre_tokenizers.BertPreTokenizer()
    wrapped = transformers.PreTrainedTokenizerFast(
        tokenizer_object=fast, pad_token="[PAD]", unk_token="[UNK]", cls_token="[CLS]", sep_token="[SEP]",
        model_max_length=64,
    )  # fmt: skip
    torch.manual_seed(1)
    made = transformers.BertForSequenceClassification(
        transformers.BertConfig(
            vocab_size=len(words), hidden_size=32, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32,
            max_position_embeddings=64, id2label=labels, label2id={v: k for k, v in labels.items()}, **config,
        )
    )  # fmt: skip
    made.save_pretrained(folder)
    wrapped.save_pretrained(folder)
    return str(folder)


def test_a_classifier_by_name_is_asked(tmp_path: Path) -> None:
    name = tiny(tmp_path, {0: "normal", 1: "hateful"})
    both, alone = ToxicityConfig(model=name), ToxicityConfig(model=name, combine="model")
    texts = ["women are kind .", "women are scum .", "", "the " * 500, "\ud800"]
    rules, model, together = score(texts), score(texts, alone), score(texts, both)
    assert rules[1] >= 0.5
    assert together == [max(pair) for pair in zip(rules, model, strict=True)]
    assert any(0 < value < 1 for value in model)
    assert score([texts[0]], alone) == pytest.approx([model[0]], abs=2e-3)  # whatever else is in the batch
    assert any(f.rule == "model" for f in scan(texts, alone)[0])
    assert status(both).model == name
    assert not status(alone).rules
    swapped = ToxicityConfig(model=name, combine="model", labels=("normal",))
    assert score(texts[:1], swapped)[0] == pytest.approx(1 - model[0], abs=2e-3)


def test_a_classifier_that_cannot_be_used_is_an_error(tmp_path: Path) -> None:
    assert status().model == ""
    with pytest.raises(DatagenError, match="could not be loaded"):
        score(["x"], ToxicityConfig(model=str(tmp_path / "none")))
    name = tiny(tmp_path, {0: "a", 1: "b"})
    with pytest.raises(UsageError, match="Its labels are a, b"):
        score(["x"], ToxicityConfig(model=name))
    with pytest.raises(UsageError, match="no label 'c'"):
        score(["x"], ToxicityConfig(model=name, labels=("c",)))


@pytest.mark.skipif(not LABELLED.is_file(), reason="needs the labelled data beside the project")
def test_on_labelled_sentences_few_harmless_ones_are_flagged() -> None:
    rows = [json.loads(line) for line in LABELLED.read_text(encoding="utf-8").splitlines()]
    flagged = [s >= 0.5 for s in score([row["text"] for row in rows])]
    hate = [f for f, row in zip(flagged, rows, strict=True) if row["hateful"]]
    others = [f for f, row in zip(flagged, rows, strict=True) if not row["hateful"]]
    assert sum(hate) / len(hate) >= 0.7
    assert sum(others) / len(others) <= 0.15
