"""Near-duplicates against brute force: nothing true is missed, nothing false is dropped."""

from __future__ import annotations

import itertools
import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curation.dedupe import MAX_GROUPS, DropDuplicates, cluster
from curation.dedupe_config import DedupeConfig
from curation.sketch import Sketch, compared_text
from curation.words import normalise, tokens, word
from datagen.core.record import AnyRecord, Chunk, Failure, Sample, Verdict
from tests.curation.make import of_family, sample

PLAIN = DedupeConfig(guard=False)
WORDS = [
    f"{a}{b}"
    for a in ("re", "con", "de", "in", "ex", "pro")
    for b in ("tract", "form", "port", "duct", "cede", "spect", "voke")
]


def shingles(text: str, n: int = 3) -> frozenset[tuple[str, ...]]:
    found = [w for t in tokens(normalise(text)) if (w := word(t))]
    return frozenset(tuple(found[i : i + n]) for i in range(len(found) - n + 1)) or frozenset([tuple(found)])


def exact(a: str, b: str) -> float:
    x, y = shingles(a), shingles(b)
    return len(x & y) / len(x | y)


def chunk(text: str, i: int) -> Chunk:
    return Chunk(id=f"id{i}", path="a", sha256="0", start=i, end=i + 1, text=text)


def dropped(texts: list[str], cut: int = 10**9, threshold: float = 0.8, guard: bool = False) -> list[AnyRecord]:
    stage = DropDuplicates(threshold, guard=guard, name="screen")
    records = Sketch(3, 128, "chunk").run([chunk(text, i) for i, text in enumerate(texts)])
    stage.begin()
    out: list[AnyRecord] = []
    for i in range(0, len(records), cut):
        shard = records[i : i + cut]
        stage.see(shard)
        out += stage.emit(shard)
    return out


def edited(text: str, rng: random.Random, edits: int) -> str:
    found = text.split()
    for _ in range(edits):
        at = rng.randrange(len(found))
        if rng.random() < 0.5:
            found[at] = rng.choice(WORDS)
        else:
            del found[at]
    return " ".join(found)


def collection(count: int, seed: int) -> list[str]:
    """Random texts, half of them with a few edited copies, in random order."""
    rng = random.Random(seed)
    out: list[str] = []
    while len(out) < count:
        text = " ".join(rng.choices(WORDS, k=rng.randint(15, 120)))
        out.append(text)
        if rng.random() < 0.5:
            out += [edited(text, rng, rng.choice((0, 1, 1, 2, 3, 5, 8))) for _ in range(rng.randint(1, 4))]
    rng.shuffle(out)
    return out


def true_pairs(texts: list[str], threshold: float) -> dict[tuple[int, int], float]:
    """All pairs at or over the threshold, by an index of shingles and exact sets of words."""
    sets = [shingles(text) for text in texts]
    holders: dict[tuple[str, ...], list[int]] = {}
    out: dict[tuple[int, int], float] = {}
    for j, found in enumerate(sets):
        common: dict[int, int] = {}
        for gram in found:
            for i in holders.setdefault(gram, []):
                common[i] = common.get(i, 0) + 1
            holders[gram].append(j)
        for i, n in common.items():
            similarity = n / (len(found) + len(sets[i]) - n)
            if similarity >= threshold:
                out[i, j] = similarity
    return out


@pytest.mark.parametrize("mode", ["greedy", "chained"])
@pytest.mark.parametrize("keep", ["first", "longest"])
def test_what_a_barrier_kept_in_an_earlier_round_stays_and_comes_first(mode: str, keep: str) -> None:
    stage = DropDuplicates(0.7, clusters=mode, keep=keep)  # type: ignore[arg-type]
    text = "the pump moves water from the lower tank to the upper tank until the float switch opens again at night"
    rounds = [[text, "a valve"], [f"{text} or day", f"{text} or", "a lamp"], [text, "a lamp"]]
    out: list[list[bool]] = []
    for number, texts in enumerate(rounds):
        made = [sample(t, "x").model_copy(update={"id": f"{number}/{i}"}) for i, t in enumerate(texts)]
        shard = Sketch(3, 128).run(made)
        stage.see(shard)
        out.append([r.verdict is None for r in stage.emit(shard) if isinstance(r, Sample)])
    assert out == [[True, True], [False, False, True], [False, False]]


@pytest.mark.parametrize(("threshold", "seed"), [(0.8, 1), (0.7, 2), (0.9, 3), (0.5, 4)])
def test_recall_and_precision_against_brute_force(threshold: float, seed: int) -> None:
    texts = list(dict.fromkeys(collection(2500, seed)))
    truth = true_pairs(texts, threshold)
    found = {(i, j): s for i, j, s, _ in cluster(texts, PLAIN.model_copy(update={"threshold": threshold})).pairs}
    assert len(truth) > 300
    assert set(found) <= set(truth), "a false pair"
    assert all(found[pair] == pytest.approx(truth[pair]) for pair in found)
    assert len(found) >= 0.999 * len(truth)


def test_greedy_screening_against_brute_force() -> None:
    texts = collection(1500, 5)
    truth = true_pairs(texts, 0.8)
    partners: dict[int, list[int]] = {}
    for i, j in truth:
        partners.setdefault(j, []).append(i)
    kept: set[int] = set()
    for j in range(len(texts)):
        if not any(i in kept for i in partners.get(j, [])):
            kept.add(j)
    got = {i for i, record in enumerate(dropped(texts)) if isinstance(record, Chunk) and record.verdict is None}
    wrong = got ^ kept
    assert len(wrong) <= 0.001 * len(texts)
    for i in set(range(len(texts))) - got:
        assert any(j in got for j in partners.get(i, [])), "dropped without a kept text like it"


SMALL = st.lists(
    st.one_of(
        st.lists(st.sampled_from(["a", "b", "c", "not", "7"]), max_size=8).map(" ".join),
        st.text(max_size=20),
        st.sampled_from(["", "...", "?!", "x", "The same text here.", "the SAME text,  here"]),
    ),
    max_size=30,
)


@given(SMALL, st.integers(1, 7), st.sampled_from([0.3, 0.8, 1.0]), st.booleans())
@settings(max_examples=80)
def test_the_cut_into_shards_does_not_matter_and_twice_is_once(
    texts: list[str], cut: int, threshold: float, guard: bool
) -> None:
    whole = dropped(texts, threshold=threshold, guard=guard)
    assert dropped(texts, cut, threshold, guard) == whole
    kept = [r.text for r in whole if isinstance(r, Chunk) and r.verdict is None]
    assert all(r.verdict is None for r in dropped(kept, 3, threshold, guard) if isinstance(r, Chunk))


@given(SMALL)
@settings(max_examples=100)
def test_small_collections_lose_nothing_false(texts: list[str]) -> None:
    result = cluster(texts, PLAIN)
    for i, j, similarity, method in result.pairs:
        if method == "exact":
            assert normalise(texts[i]) == normalise(texts[j])
        else:
            assert exact(texts[i], texts[j]) == pytest.approx(similarity)
            assert similarity >= 0.8
    for i, j in itertools.combinations(range(len(texts)), 2):
        if normalise(texts[i]) == normalise(texts[j]):
            assert result.labels[i] == result.labels[j]
    assert result.kept.sum() == len(set(result.labels.tolist()))
    firsts = {label: i for i, label in reversed(list(enumerate(result.labels.tolist())))}
    assert sorted(firsts.values()) == np.flatnonzero(result.kept).tolist()
    assert list(firsts) == sorted(firsts, reverse=True) or sorted(firsts, key=firsts.__getitem__) == sorted(firsts)


def test_cluster_has_the_promised_shape() -> None:
    long = "the quick brown fox jumps over the lazy dog while the cat looks on from the old garden wall again"
    texts = [long, "something else entirely", long.upper() + "  ", long.replace("again", "today")]
    result = cluster(texts)
    assert result.labels.tolist() == [0, 1, 0, 0]
    assert result.kept.tolist() == [True, True, False, False]
    assert [(i, j, m) for i, j, _, m in result.pairs] == [(0, 2, "exact"), (0, 3, "minhash")]
    empty = cluster([])
    assert (empty.labels.shape, empty.kept.shape, empty.pairs) == ((0,), (0,), [])


LONG = " ".join(WORDS[:30])


@pytest.mark.parametrize(
    ("a", "b"),
    [
        (f"{LONG} version 3 of it", f"{LONG} version 4 of it"),
        (f"{LONG} and it is safe", f"{LONG} and it isn't safe"),
        (f"{LONG} ist ein Fehler", f"{LONG} ist kein Fehler"),
    ],
)
def test_the_guard_keeps_texts_that_differ_in_a_number_or_a_negation(a: str, b: str) -> None:
    config = DedupeConfig(threshold=0.7)
    assert not cluster([a, b], config.model_copy(update={"guard": False})).kept[1]
    assert cluster([a, b], config).kept[1]
    assert not cluster([a, a.replace("it", "the thing")], config).kept[1]


def test_verdicts_say_of_what_and_how_alike() -> None:
    text = " ".join(WORDS[:30])
    first = chunk(text, 0)
    records: list[AnyRecord] = [
        first,
        chunk(text.upper(), 1),
        chunk(text + " more", 2),
        chunk("quite another text here", 3),
    ]
    judged = chunk(text, 4).model_copy(update={"verdict": Verdict(stage="x", reason="y"), "sketch": b"kept as it is"})
    failure = Failure(call="c", recipe="qa", chunk="1", samples=1, reason="r", attempts=1, raw="")
    stage = DropDuplicates(0.8, name="screen")
    out = stage.emit(Sketch(3, 128, "chunk").run([*records, judged, failure]))
    assert out[0] == first
    assert out[3] == records[3]
    assert out[4] is judged
    assert out[5] is failure
    verdicts = [r.verdict for r in out[1:3] if isinstance(r, Chunk)]
    assert [v.reason for v in verdicts if v] == ["duplicate", "near_duplicate"]
    assert {v.stage for v in verdicts if v} == {"screen"}
    assert [v.evidence for v in verdicts if v] == [
        "the same text as id0",
        "near-copy of id0 (similarity 0.97, minhash)",
    ]
    stage.begin()
    again = stage.emit(Sketch(3, 128, "chunk").run(records[1:2]))
    assert isinstance(again[0], Chunk)
    assert again[0].verdict is None, "begin() did not forget"
    assert stage.name == "screen" != DropDuplicates.name


def decided(records: list[Sample], stage: DropDuplicates | None = None) -> list[str | None]:
    """Of each sample the reason of its verdict."""
    stage = stage or DropDuplicates(0.8, guard=True)
    named = [record.model_copy(update={"id": f"s{i}"}) for i, record in enumerate(records)]
    out = stage.emit(Sketch(3, 128).run(named))
    return [r.verdict.reason if r.verdict else None for r in out if isinstance(r, Sample)]


def test_tasks_over_one_passage_are_compared_within_their_family_and_form() -> None:
    asked = f"Do something with this.\n\n{LONG}"
    records = [
        of_family("summarisation", asked, "x", LONG, form="one sentence"),
        of_family("continuation", asked, "x", LONG, form="Go on."),
        of_family("translation", asked, "x", LONG, form="German"),
        of_family("translation", asked, "y", LONG, form="French"),
        sample(asked, "x", LONG),
        of_family("summarisation", asked, "y", LONG, form="one sentence"),
        of_family("continuation", asked, "x", LONG, form="Complete it."),
        of_family("of somebody's own", asked, "x", LONG),
    ]
    assert decided(records) == [None, None, None, None, None, "duplicate", "duplicate", "duplicate"]


def test_questions_about_one_passage_are_told_apart_and_so_are_passages_asked_the_same() -> None:
    other = " ".join(reversed(WORDS))
    wrapped = LONG.replace(" ", "  ", 3)
    records = [
        of_family("in_context_qa", f"Which word is the first of all? Copy it.\n\n{LONG}", "retract", LONG),
        of_family("in_context_qa", f"Which word is the last of all? Copy it.\n\n{LONG}", "provoke", LONG),
        of_family("in_context_qa", f"Which word is the first of all? Copy it.\n\n{other}", "provoke it", other),
        of_family("in_context_qa", f"{wrapped}\n\nWhich word is the first of all? Copy it.", "retract", LONG),
    ]
    assert decided(records) == [None, None, None, "duplicate"]
    assert compared_text(records[0]) == "Which word is the first of all? Copy it.\n\nretract"


def test_what_is_like_a_protected_text_was_copied() -> None:
    gold = f"What is to be said of {LONG}?"
    stage = DropDuplicates(0.8, guard=True, protected={"gold 7": gold, "example 1": "How do you resume a run?"})
    records = [
        sample(gold.replace("What", "Which"), "x"),
        of_family("topic", "How do you resume a RUN?", "x"),
        sample("Something else entirely, is it not so?", "x"),
        sample("Something else entirely, is it not so?", "x"),
    ]
    wanted = ["copied_example", "copied_example", None, "duplicate"]
    assert decided(records, stage) == wanted
    stage.begin()
    assert decided(records, stage) == wanted, "begin() forgot what is protected"
    out = stage.emit(Sketch(3, 128).run(records[1:2]))
    assert isinstance(out[0], Sample)
    assert out[0].verdict is not None
    assert "example 1" in out[0].verdict.evidence
    assert stage.fingerprint() != DropDuplicates(0.8, guard=True).fingerprint()
    assert stage.fingerprint() != DropDuplicates(0.8, guard=True, protected={"gold 7": gold}).fingerprint()


def test_gold_samples_are_never_duplicates() -> None:
    gold = sample("How do you resume a run?", "x").model_copy(update={"recipe": "gold"})
    assert decided([sample("How do you resume a run?", "x"), gold, gold]) == [None, None, None]


def test_groups_are_bounded() -> None:
    stage = DropDuplicates(0.8)
    forms = [
        of_family("translation", f"Translate this. {LONG}", "x", LONG, form=f"f{i}") for i in range(MAX_GROUPS + 3)
    ]
    assert decided(forms, stage)[:-2] == [None] * (MAX_GROUPS + 1)
    assert decided(forms, DropDuplicates(0.8))[-2:] == ["duplicate", "duplicate"]


def config(**update: object) -> DedupeConfig:
    return DedupeConfig.model_validate({"guard": False, **update})


CHAIN = [" ".join(WORDS[k : k + 30]) for k in (0, 2, 4)]  # each like the next, the first unlike the last


def test_chained_and_greedy() -> None:
    assert exact(CHAIN[0], CHAIN[1]) >= 0.8 > exact(CHAIN[0], CHAIN[2])
    chained = cluster(CHAIN, config(clusters="chained"))
    assert (chained.labels.tolist(), chained.kept.tolist()) == ([0, 0, 0], [True, False, False])
    greedy = cluster(CHAIN, config(clusters="greedy"))
    assert (greedy.labels.tolist(), greedy.kept.tolist()) == ([0, 0, 1], [True, False, True])
    middle = cluster(CHAIN, config(clusters="greedy", keep="score"), scores=[1, 2, 1])
    assert (middle.labels.tolist(), middle.kept.tolist()) == ([0, 0, 0], [False, True, False])
    assert middle.owners().tolist() == [1, 1, 1]


def test_a_copy_of_what_is_dropped_is_dropped_too() -> None:
    for mode in ("chained", "greedy"):
        result = cluster([CHAIN[0], CHAIN[1], CHAIN[1].upper()], config(clusters=mode))
        assert result.kept.tolist() == [True, False, False]
        assert result.labels.tolist() == [0, 0, 0]


def test_which_one_is_kept() -> None:
    texts = [CHAIN[0], CHAIN[0] + " and more", CHAIN[0] + " and less"]
    assert cluster(texts, config(keep="longest")).kept.tolist() == [False, True, False]
    assert cluster(texts, config(keep="score"), [1.0, 2.0, 3.0]).kept.tolist() == [False, False, True]
    assert cluster(texts, config(keep="score"), [1.0, float("nan"), 1.0]).kept.tolist() == [True, False, False]
    with pytest.raises(ValueError, match="score"):
        cluster(texts, config(keep="score"))


def test_a_spared_pair_is_shown_and_joins_nothing() -> None:
    result = cluster([f"{LONG} version 3 of it", f"{LONG} version 4 of it"], DedupeConfig(threshold=0.7))
    assert result.kept.tolist() == [True, True]
    assert [(i, j, method) for i, j, _, method in result.pairs] == [(0, 1, "distinct_facts")]


@pytest.mark.parametrize("method", ["minhash", "exact", "datasketch"])
def test_every_method_gives_clusters(method: str) -> None:
    if method == "datasketch":
        pytest.importorskip("datasketch")
    texts = [CHAIN[0], "something else", CHAIN[0].upper(), CHAIN[0] + " more"]
    result = cluster(texts, config(method=method))
    assert result.labels.tolist() == [0, 1, 0, 0]
    assert result.pairs[1][3] == {"minhash": "minhash", "exact": "shingles", "datasketch": "datasketch"}[method]


def barred(records: list[Sample], cut: int, **how: object) -> list[Verdict | None]:
    stage = DropDuplicates(0.8, **how)  # type: ignore[arg-type]
    named = [record.model_copy(update={"id": f"s{i}"}) for i, record in enumerate(records)]
    sketched = Sketch(3, 128).run(named)
    shards = [sketched[i : i + cut] for i in range(0, len(sketched), cut)]
    for _ in range(2):
        stage.begin()
        assert stage.barrier
        for shard in shards:
            stage.see(shard)
        out = [record for shard in shards for record in stage.emit(shard)]
    return [record.verdict for record in out if isinstance(record, Sample)]


@pytest.mark.parametrize("cut", [1, 2, 9])
def test_a_barrier_keeps_the_best_and_says_so(cut: int) -> None:
    scores = [1.0, 3.0, 2.0, None]
    records = [
        sample(text, "x").model_copy(update={"score": score})
        for text, score in zip([*CHAIN, CHAIN[2].upper()], scores, strict=True)
    ]
    first, best, third, copy = barred(records, cut, keep="score")
    assert best is None
    assert first is not None
    assert third is not None
    assert copy is not None
    assert first.evidence.startswith("near-copy of s1 (similarity 0.8")
    assert third.evidence.startswith("near-copy of s1")
    assert copy.evidence == "the same text as s2; of their cluster s1 is kept" or copy.reason == "near_duplicate"
    chained = barred(records, cut, clusters="chained", keep="first")
    assert chained[0] is None
    assert all(chained[1:])
    protected = barred(records, cut, clusters="chained", protected={"gold": CHAIN[1]})
    assert [verdict.reason for verdict in protected if verdict] == ["copied_example"] * 4


@given(SMALL, st.integers(1, 7), st.sampled_from(["chained", "greedy"]), st.sampled_from(["first", "longest"]))
@settings(max_examples=60)
def test_a_barrier_decides_as_cluster_does(texts: list[str], cut: int, mode: str, keep: str) -> None:
    if (mode, keep) != ("greedy", "first"):
        verdicts = barred([sample(text, "") for text in texts], cut, clusters=mode, keep=keep)
        wanted = cluster(texts, config(clusters=mode, keep=keep)).kept.tolist()
        assert [verdict is None for verdict in verdicts] == wanted


def test_what_is_compared_can_be_chosen() -> None:
    one = sample("What is it?", CHAIN[0])
    other = sample("Say what it is, please.", CHAIN[0])
    assert compared_text(one, "answer") == CHAIN[0]
    assert compared_text(one, "all") == f"What is it?\n{CHAIN[0]}"
    for compare, dropped_too in (("instruction", False), ("answer", True)):
        shard = Sketch(3, 128, compare=compare).run([one, other])  # type: ignore[arg-type]
        out = DropDuplicates(0.8, guard=True, compare=compare).emit(shard)  # type: ignore[arg-type]
        assert (getattr(out[1], "verdict", None) is not None) is dropped_too
