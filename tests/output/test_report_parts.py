"""What the report's page is made of: packed samples, rows of exports, clusters of copies, answers in words."""

from __future__ import annotations

import base64
import json
import zlib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from curation.dedupe import DropDuplicates
from curation.sketch import Sketch
from datagen.core.record import Audit, Chunk, Claim, Judged, Lineage, Message, Quote, Sample, Verdict
from datagen.output.export import write_exports
from datagen.output.report_answers import health
from datagen.output.report_body import PASSAGE, body, units
from datagen.output.report_clusters import Clusters, read
from datagen.output.report_data import ReportBuilder
from datagen.output.report_judging import Judging
from datagen.output.report_rows import find_rows
from datagen.output.report_shelf import PAGE_SAMPLES, Packed, Shelf
from tests.output import made
from tests.output.made import a_sample

WORDS = st.text(st.characters(), max_size=60)


def unpacked(text: str) -> Any:
    return json.loads(zlib.decompress(base64.urlsafe_b64decode(text)))


def bodies(packed: Packed) -> list[dict[str, Any]]:
    """The samples as the page puts them together."""
    out = []
    for page in map(unpacked, packed.pages):
        assert len(page["samples"]) == len(page["rests"]) <= PAGE_SAMPLES
        out += [{**s, "passage": page["passages"][p]} for s, p in zip(page["samples"], page["rests"], strict=True)]
    return out


def shelf_of(samples: list[Sample], listed: int = 1000) -> Shelf:
    shelf = Shelf(listed)
    for sample in samples:
        shelf.sample(sample)
    return shelf


@pytest.fixture(scope="module")
def samples() -> list[Sample]:
    return [r for r in made.run(700, model=True) if isinstance(r, Sample)]


class TestShelf:
    def test_everything_that_fits_is_there_whole_and_in_order(self, samples: list[Sample]) -> None:
        packed = shelf_of(samples).pack()
        columns, found = unpacked(packed.columns), bodies(packed)
        assert packed.chosen == packed.listed == len(samples)
        assert columns["packed"] == list(range(len(samples)))
        for i, (sample, told) in enumerate(zip(samples, found, strict=True)):
            assert told["id"] == sample.id
            assert told["id"].startswith(columns["id"][i])
            assert [turn[1] for turn in told["turns"]] == [m.content for m in sample.messages]
            assert told["passage"][0] == sample.source
            (start, end) = told["source"][0][0]
            assert told["passage"][0][start:end] == sample.lineage.quotes[0].text
            assert columns["names"]["path"][columns["path"][i]] == sample.lineage.path
            outcome = sample.verdict.reason if sample.verdict else "kept"
            assert columns["names"]["outcome"][columns["outcome"][i]] == outcome
            assert columns["score"][i] == (-1 if sample.score is None else round(100 * sample.score))

    @pytest.mark.parametrize("most", [0, 3_000, 20_000, 60_000])
    def test_too_many_texts_are_chosen_fairly_within_the_size(self, samples: list[Sample], most: int) -> None:
        packed = shelf_of(samples).pack(most=most)
        assert sum(map(len, packed.pages)) <= most
        columns, found = unpacked(packed.columns), bodies(packed)
        assert packed.listed == len(samples)
        assert packed.chosen == len(found) < len(samples)
        places = [i for i, at in enumerate(columns["packed"]) if at >= 0]
        assert [columns["packed"][i] for i in places] == list(range(len(found)))
        assert [samples[i].id for i in places] == [told["id"] for told in found]
        if most >= 20_000:
            outcomes = {columns["outcome"][i] for i in places}
            assert outcomes == set(columns["outcome"]), "no reason is left out"
            assert sum(map(len, packed.pages)) > most / 2

    def test_of_more_than_can_be_listed_a_part_drawn_by_id_is(self, samples: list[Sample]) -> None:
        forth, back = shelf_of(samples, listed=100), shelf_of(samples[::-1], listed=100)
        packed = forth.pack()
        back.pack()
        assert packed.listed == 100
        assert forth.seen == len(samples)
        assert set(forth.ids) == set(back.ids), "the same whatever the order"

    @given(texts=st.lists(st.tuples(WORDS, WORDS, WORDS), min_size=1, max_size=6))
    def test_any_text_comes_back(self, texts: list[tuple[str, str, str]]) -> None:
        held = [a_sample(q, a, source=s).model_copy(update={"id": f"{i}{q}"}) for i, (q, a, s) in enumerate(texts)]
        found = bodies(shelf_of(held).pack())

        def clean(text: str) -> str:
            return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")

        for sample, told in zip(held, found, strict=True):
            assert clean(sample.source) == told["passage"][0]
            assert len(told["turns"]) == 2

    @given(text=st.text("a😀\u0301\n", max_size=40), a=st.integers(0, 40), n=st.integers(0, 40))
    def test_spans_count_as_javascript_does(self, text: str, a: int, n: int) -> None:
        start, end = min(a, len(text)), min(a + n, len(text))
        ((u, v),) = units(text, [(start, end)])
        assert text.encode("utf-16-le")[2 * u : 2 * v].decode("utf-16-le") == text[start:end]

    def test_a_long_passage_is_cut_around_its_quote_and_says_so(self) -> None:
        source = "x" * 20_000 + "THE QUOTE" + "y" * 20_000
        lineage = a_sample().lineage.model_copy(
            update={"start": 0, "end": len(source), "quotes": (Quote(text="THE QUOTE", start=20_000, end=20_009),)}
        )
        told, (text, _) = body(a_sample(source=source, lineage=lineage))
        ((start, end),), before, after = told["source"]
        assert text[start:end] == "THE QUOTE"
        assert len(text) == PASSAGE
        assert before + len(text) + after == len(source)

    def test_judgements_claims_and_lineage_are_told(self) -> None:
        judged = tuple(
            Judged(
                model=name, mode="expected", scores={"clarity": 4.25}, score=4.25, variance={"clarity": 0.1}, mass={}
            )
            for name in ("one", "two")
        )
        claims = (Claim(text="It holds.", supported=True, quote="holds", start=3), Claim(text="No.", supported=False))
        lineage = Lineage(
            path="a.md", sha256="f" * 64, chunk="c", start=0, end=9, model="m", prompt="p.md.j2", call="k",
            params={"temperature": 0.7}, index=2, earlier=("e",), related=(("b.md", "c2", 4, 8),),
        )  # fmt: skip
        told, _ = body(
            a_sample(judgements=judged, claims=claims, faithfulness=0.5, spread=1.5, rubric="r@1", lineage=lineage)
        )
        assert [j["model"] for j in told["judges"]] == ["one", "two"]
        assert told["claims"] == [["It holds.", True, "holds", True], ["No.", False, "", False]]
        assert told["from"]["related"] == [["b.md", 4, 8]]
        assert told["from"]["call"] == "k"


@pytest.mark.parametrize("form", ["messages", "parquet", "alpaca"])
def test_rows_of_exports_are_found_as_they_were_written(tmp_path: Path, samples: list[Sample], form: str) -> None:
    counts = write_exports(iter(samples), {form: tmp_path / "export"}, shard_rows=100)[form]
    found = find_rows([s.id for s in samples], {"export": tmp_path / "export"})
    for name, n in counts.items():
        at = found.get(f"export/{name}", [])
        assert sum(many for _, many in at) == n
        assert sorted(first for first, many in at if many) == list(range(1, n + 1))
    train = next(iter(name for name in found if "sft" in name))
    if form != "parquet":
        lines = (tmp_path / train).read_text().splitlines()
        for sample, (first, many) in zip(samples, found[train], strict=True):
            assert not many or json.loads(lines[first - 1])["id"] == sample.id
    assert not any(many for s, (_, many) in zip(samples, found[train], strict=True) if s.verdict)


def test_rows_without_an_id_and_broken_rows_are_passed_over(tmp_path: Path) -> None:
    (tmp_path / "sft.train.jsonl").write_text('{"a": 1}\n[]\nnot json\n{"x": 1, "id": "two"}\n{"id": "one"}\n')
    assert find_rows(["one", "two", "three"], {"e": tmp_path}) == {"e/sft.train.jsonl": [(5, 1), (4, 1), (0, 0)]}


class TestClusters:
    def test_what_the_stage_drops_is_grouped_under_what_it_keeps(self) -> None:
        base = "how does the write ahead log of the harbour server keep every change safe after a sudden crash at night"
        texts = [base, base, base.replace("sudden", "second"), "what is a completely different question about tanks"]
        chunks = [
            Chunk(id=f"c{i}", path=f"{i}.md", sha256="0", start=0, end=len(t), text=t, tokens=5)
            for i, t in enumerate(texts)
        ]
        stage = DropDuplicates(0.6, name="screen")
        stage.begin()
        out = stage.emit(Sketch(3, 128).run(chunks))
        clusters = Clusters()
        for record in out:
            assert isinstance(record, Chunk)
            clusters.chunk(record)
        found = clusters.finish()
        assert found["clusters"] == 1
        assert found["dropped"] == 2
        (shown,) = found["shown"]
        assert shown["kept"] == {"id": "c0", "path": "0.md", "text": base, "rejected": ""}
        assert {m["id"] for m in shown["dropped"]} == {"c1", "c2"}
        assert {m["method"] for m in shown["dropped"]} == {"exact", "minhash"}
        assert all(0.6 <= m["similarity"] <= 1 for m in shown["dropped"])

    def test_the_evidence_of_every_stage_is_read(self) -> None:
        same = read("the same text as a1; of their cluster b2 is kept")
        assert same is not None
        assert (same.like, same.similar, same.method, same.kept) == ("a1", 1.0, "exact", "b2")
        near = read("near-copy of a1 (similarity 0.86, minhash); of their cluster b2 is kept")
        assert near is not None
        assert (near.like, near.similar, near.method, near.kept) == ("a1", 0.86, "minhash", "b2")
        says = read("says what a1 says (similarity 0.93, cosine of embeddings)")
        assert says is not None
        assert (says.kept, says.method) == ("a1", "cosine of embeddings")
        assert read("like gold 3, which the user gave") is None

    @given(evidence=st.text(max_size=80))
    def test_no_evidence_is_too_odd(self, evidence: str) -> None:
        clusters = Clusters()
        clusters.sample(a_sample(verdict=Verdict(stage="dedupe", reason="near_duplicate", evidence=evidence)))
        clusters.finish()


def test_figures_of_the_judge_are_those_of_the_samples() -> None:
    judging = Judging()
    panel = tuple(Judged(model=m, mode="integer", scores={}, score=s) for m, s in (("a", 3.0), ("b", 5.0)))
    claims = (Claim(text="x", supported=True), Claim(text="y", supported=False))
    undetermined = Audit(stage="faithfulness", kind="undetermined", action="none", count=1)
    for sample in (
        a_sample(score=4.0, judgements=panel, spread=2.0, rubric="r@1", claims=claims, faithfulness=0.5),
        a_sample(score=5.0, audits=(undetermined,)),
        a_sample(score=3.0),
        a_sample(verdict=Verdict(stage="select", reason="unscored")),
    ):
        judging.sample(sample)
    found = judging.finish()
    assert found["unscored"] == 1
    assert found["panel"] == {"samples": 1, "mean_spread": 2.0, "disagree": 1}
    assert found["faithfulness"] == {
        "samples": 1, "claims": 2, "supported": 1, "undetermined": 1, "tenths": {"0.5": 1},
    }  # fmt: skip
    assert found["recipes"][0]["mean"] == 4.0
    assert found["recipes"][0]["bins"] == [0, 0, 0, 0, 1, 0, 1, 0, 1]
    assert found["documents"][0]["scored"] == 3


@given(
    given=st.none()
    | st.dictionaries(
        st.sampled_from(["sentences", "figures", "other"]),
        st.lists(st.dictionaries(st.sampled_from(["severity", "text"]), st.text(max_size=9)), max_size=3)
        | st.dictionaries(st.text(max_size=4), st.floats() | st.integers() | st.none() | st.lists(st.integers())),
    )
)
def test_health_of_any_form_is_shown_or_left_out(given: Any) -> None:
    found = health(given)
    assert all(s["severity"] in ("ok", "note", "warn") and isinstance(s["text"], str) for s in found["sentences"])
    assert all(len(f) == 2 and isinstance(f[1], str) for f in found["figures"])


def test_warnings_of_the_judge_stand_at_the_top() -> None:
    builder = ReportBuilder()
    builder.sample(a_sample(score=4.0, scored_by="judge:m", scores={"clarity": 4.0}))
    told = {
        "sentences": [{"severity": "warn", "text": "One family."}, {"severity": "ok", "text": "Orders agree."}],
        "figures": {"kappa": {"clarity": 0.71234}, "flip_rate": None, "same_family": True},
    }
    data = builder.finish({"judge_health": told})
    assert {"severity": "warn", "text": "One family."} in data["answers"]
    assert "Orders agree." not in str(data["answers"])
    assert data["judge_health"]["figures"] == [
        ["kappa: clarity", "0.712"], ["flip rate", "unknown"], ["same family", "yes"],
    ]  # fmt: skip


def test_the_answers_say_what_is_wrong() -> None:
    builder = ReportBuilder()
    for i in range(4):
        builder.sample(
            Sample(
                id=f"{i}", recipe="qa", messages=(Message(role="assistant", content="x"),),
                lineage=a_sample().lineage, verdict=Verdict(stage="rules", reason="too_short"),
            )
        )  # fmt: skip
    told = builder.finish({})["answers"]
    assert any(a["severity"] == "warn" and "Nothing was kept" in a["text"] for a in told)
    assert any("too short 4" in a["text"] for a in told)
