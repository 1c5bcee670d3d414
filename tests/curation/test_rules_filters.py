from __future__ import annotations

import pickle
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from curation import readability, repetition, topics
from curation.automaton import Automaton
from curation.filters import count_tokens
from curation.rules import Rules, check
from curation.rules_config import QualityConfig, ReadabilityConfig, RulesConfig, TopicsConfig
from datagen.core.errors import DatagenError, UsageError
from datagen.core.record import Sample
from tests.curation.make import sample
from tests.curation.test_toxicity import tiny

WORDS = TopicsConfig(semantic=False)


def reasons(text: str, **config: object) -> list[str]:
    (found,) = check([text], RulesConfig(**config))  # type: ignore[arg-type]
    assert all(problem.evidence for problem in found)
    return [problem.reason for problem in found]


def test_nothing_is_filtered_by_default() -> None:
    assert check(["", "x", "word " * 5000]) == [[], [], []]


@pytest.mark.parametrize(
    ("text", "config", "wanted"),
    [
        ("A pump moves water.", {"include": ("pump", "valve")}, []),
        ("A Pump\n  House stands here.", {"include": ("pump house",)}, []),
        ("A pumpkin grows.", {"include": ("pump",)}, ["not_included"]),
        ("A pump moves water.", {"exclude": ("WATER",)}, ["excluded"]),
        ("C++ is a language.", {"exclude": ("C++",)}, ["excluded"]),
        ("Order 66-1234.", {"include_patterns": (r"\d{2}-\d{4}",)}, []),
        ("Order.", {"include_patterns": (r"\d{2}-\d{4}",), "include": ("sale",)}, ["not_included"]),
        ("See ticket AB-12.", {"exclude_patterns": (r"\b[A-Z]{2}-\d+\b",)}, ["excluded"]),
        ("word " * 30, {"min_tokens": 100}, ["too_few_tokens"]),
        ("word " * 300, {"max_tokens": 100}, ["too_many_tokens"]),
        ("The same line is here again.\n" * 20, {"gopher": True}, ["repetition"]),
        ("The cat sat. The dog ran. It was fun.", {"readability": ReadabilityConfig(min_grade=5)}, ["too_easy"]),
        (
            "Institutional considerations necessitate comprehensive organisational reconfiguration initiatives.",
            {"readability": ReadabilityConfig(max_grade=12)},
            ["too_hard"],
        ),
        ("Boil the pasta and fry an onion.", {"include_topics": ("how to repair a bicycle",)}, ["off_topic"]),
        ("Boil the pasta and fry an onion.", {"exclude_topics": ("boil pasta, fry onion",)}, ["excluded_topic"]),
    ],
)
def test_each_filter(text: str, config: dict[str, object], wanted: list[str]) -> None:
    assert reasons(text, topics=WORDS, **config) == wanted


def test_topics_by_meaning_where_a_model_is_at_hand() -> None:
    if topics.method() != "embeddings":
        pytest.skip("no embedding model is at hand")
    texts = ["Simmer the tomatoes with garlic and serve them on spaghetti.", "The court rejected the appeal."]
    cooking, law = zip(*topics.score(texts, ["cooking recipes", "legal proceedings"]), strict=True)
    assert cooking[0] > cooking[1]
    assert law[1] > law[0]
    assert topics.threshold() == TopicsConfig().threshold
    found = check(
        texts, RulesConfig(include_topics=("cooking recipes",), topics=TopicsConfig(threshold=cooking[0] - 0.01))
    )
    assert [[p.reason for p in one] for one in found] == [[], ["off_topic"]]
    assert "embeddings" in found[1][0].evidence


def test_topics_by_words_say_so() -> None:
    assert topics.method(WORDS) == "words"
    assert topics.score(["Growing vegetables", ""], ["grow vegetable"], WORDS) == [[pytest.approx(1)], [0]]
    assert topics.score([], ["x"], WORDS) == []


@pytest.mark.parametrize("pattern", ["(", r"(a)\1", "(?=a)b", "a{1,100000}", "(a{90}){90}", "x" * 2000, "(?P<n", "a*+"])
def test_a_pattern_that_cannot_be_used_is_named(pattern: str) -> None:
    with pytest.raises(UsageError) as error:
        Rules(RulesConfig(exclude_patterns=(pattern,)))
    assert pattern[:20] in error.value.what.replace("\\\\", "\\")


PATTERNS = [
    "a+b", r"(a|b)*c\b", r"\bab\s+c\b", "^a.*b", "[a-c]{2,4}d?", "(?m)^ab$", "a*?b", "(?:ab|ba){2}", "", r"\d{3}-\d",
    "[^a]b", r"\Bb", ".\n?a", r"\w+@\w+\.c", "a|", "ß", "Ä[^b]", r"[\d\sa]c", "(a*)*b", "(a|a?)+",
]  # fmt: skip


@given(st.sampled_from(PATTERNS), st.text("abcd 12-3\n@.Ää_ß", max_size=20))
def test_patterns_match_where_python_finds_a_match(pattern: str, text: str) -> None:
    wanted = re.search(pattern, text, re.IGNORECASE)
    found = Automaton(pattern).search(text)
    assert (found is None) == (wanted is None)
    if found is not None:
        start, end = found
        assert 0 <= start <= end <= len(text)
        # What is shown is itself a match, in its place.
        assert re.compile(pattern, re.IGNORECASE).match(text, start) is not None


@pytest.mark.parametrize("pattern", [r"(a+)+$", r"(a|a)*b", r"(.*)*x$", r"a*a*a*a*a*a*b", r"(\w+\s?)+!"])
def test_no_pattern_backtracks(pattern: str) -> None:
    assert Automaton(pattern).search("a" * 100_000 + "é ") is None  # Python's engine would not come back


def test_automata_pickle() -> None:
    assert pickle.loads(pickle.dumps(Automaton(r"a\d"))).search("xa1") == (1, 3)


def test_a_state_table_that_is_full_is_begun_anew() -> None:
    text = "".join("ab"[(i * i // 7) % 2] for i in range(6000)) + "c"
    pattern = "a[ab]{12}c"
    wanted = re.search(pattern, text)
    found = Automaton(pattern).search(text)
    assert (found is None) == (wanted is None)


def test_tokens_by_a_tokenizer_file(tmp_path: Path) -> None:
    tokenizers = pytest.importorskip("tokenizers")
    made = tokenizers.Tokenizer(tokenizers.models.WordLevel({"[UNK]": 0}, unk_token="[UNK]"))
    made.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    path = tmp_path / "tokenizer.json"
    made.save(str(path))
    assert count_tokens("three words here", str(path)) == 3
    assert count_tokens("\ud800 x", str(tmp_path)) == 2
    assert count_tokens("abcde") == 2
    assert reasons("three words here", tokenizer=str(path), max_tokens=2) == ["too_many_tokens"]
    with pytest.raises(UsageError, match="could not be loaded"):
        Rules(RulesConfig(tokenizer=str(tmp_path / "none.json")))


@pytest.mark.parametrize(
    ("word", "count"),
    [
        ("cat", 1), ("table", 2), ("makes", 1), ("boxes", 2), ("walked", 1), ("wanted", 2), ("beautiful", 3),
        ("nation", 2), ("idea", 3), ("people", 2), ("reading", 2), ("trying", 2), ("through", 1), ("computer", 3),
        ("area", 3), ("something", 2), ("the", 1), ("simple", 2), ("language", 2), ("information", 4),
    ],
)  # fmt: skip
def test_syllables(word: str, count: int) -> None:
    assert abs(readability.syllables(word) - count) <= (1 if word in ("something", "area", "idea") else 0)


def test_grades_rise_with_difficulty_and_code_does_not_count() -> None:
    easy = readability.grade("The cat sat on the mat. The dog ran to the tree.")
    hard = readability.grade(
        "Notwithstanding considerable institutional opposition, parliament ratified constitutional "
        "amendments establishing proportional representation throughout the federation."
    )
    assert easy is not None
    assert hard is not None
    assert easy < 3 < 15 < hard
    assert readability.grade("``` \ncode\n```") is None
    assert readability.grade("") is None


def test_gopher_measures() -> None:
    assert repetition.shares("too short") == {}
    varied = " ".join(f"word{i}" for i in range(100))
    assert repetition.excess(varied) is None
    over = repetition.excess("one two three four five six seven eight nine ten " * 10)
    assert over is not None
    assert over[1] > over[2]
    assert set(repetition.shares(varied)) == set(repetition.LIMITS)


def test_a_quality_model_by_name(tmp_path: Path) -> None:
    name = tiny(tmp_path / "one", {0: "score"}, problem_type="regression")
    texts = ["women are kind .", "the the the", "", "the " * 300]
    config = QualityConfig(model=name, min_score=-100)
    assert check(texts, RulesConfig(quality=config)) == [[], [], [], []]
    high = check(texts, RulesConfig(quality=config.model_copy(update={"min_score": 100})))
    assert [[p.reason for p in found] for found in high] == [["low_quality"]] * 4
    two = tiny(tmp_path / "two", {0: "bad", 1: "good"})
    shown = check(texts[:1], RulesConfig(quality=QualityConfig(model=two, min_score=2)))
    assert shown[0][0].reason == "low_quality"
    with pytest.raises(UsageError, match="no label"):
        check(texts, RulesConfig(quality=QualityConfig(model=two, label="none")))
    with pytest.raises(DatagenError, match="could not be loaded"):
        check(texts, RulesConfig(quality=QualityConfig(model=str(tmp_path / "nothing"))))


def test_the_stage_applies_filters_to_samples_and_spares_gold() -> None:
    bad = sample("Which pump is the best one?", "The centrifugal pump is the best one of them all.")
    good = sample("Which valve is the best one?", "The ball valve moves least and lasts for many years.")
    gold = bad.model_copy(update={"recipe": "gold"})
    out = Rules(RulesConfig(exclude=("pump",), language_check=False)).run([bad, good, gold])
    verdicts = [r.verdict.reason if isinstance(r, Sample) and r.verdict else None for r in out]
    assert verdicts == ["excluded", None, None]


def test_the_fingerprint_changes_with_the_filters() -> None:
    one = Rules(RulesConfig()).fingerprint()
    assert Rules(RulesConfig(exclude=("x",))).fingerprint() != one
    assert Rules(RulesConfig(exclude_topics=("x",))).fingerprint()["topics"]
    assert Rules(RulesConfig(quality=QualityConfig(batch_size=2))).fingerprint() == one


HOSTILE = ["a" * 200_000, "\x00\ud800\u202e🏳️‍🌈" * 5_000, "\n" * 100_000, "`" * 50_000, "x. " * 50_000, "‏שלום " * 20_000]


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_texts(text: str) -> None:
    config = RulesConfig(
        include=("x y",), exclude=("zzz",), exclude_patterns=(r"(a+)+$",), gopher=True, min_tokens=1, max_tokens=10,
        exclude_topics=("cooking",), topics=WORDS, readability=ReadabilityConfig(min_grade=1, max_grade=5),
    )  # fmt: skip
    check([text], config)


@given(st.text(max_size=200))
def test_any_text_passes_through_all_filters(text: str) -> None:
    config = RulesConfig(
        include=("a",), exclude=("b c",), include_patterns=("d+",), exclude_patterns=(r"\be",), gopher=True,
        include_topics=("f",), topics=WORDS, readability=ReadabilityConfig(max_grade=20), max_tokens=40,
    )  # fmt: skip
    (found,) = check([text], config)
    assert len({p.reason for p in found}) == len(found)
