from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from curation.changes import _middle, change, fact_change, kind_of_change
from curation.changes.compare import one_apart
from curation.changes.reading import read

FACTS = [
    ("Wait 3 seconds.", "Wait 4 seconds.", "number"),
    ("Use Python 3.10.", "Use Python 3.1.", "number"),
    ("It costs $5.", "It costs €5.", "unit"),
    ("Take 5 mg a day.", "Take 5 g a day.", "unit"),
    ("Two of them came.", "Three of them came.", "number"),
    ("The third door is open.", "The fourth door is open.", "number"),
    ("It was on March 3, 2020.", "It was on March 4, 2020.", "date"),
    ("We meet at 3 pm.", "We meet at 3 am.", "date"),
    ("It does work.", "It doesn't work.", "negation"),
    ("He left without a word.", "He left with a word.", "negation"),
    ("The value is valid.", "The value is invalid.", "opposites"),
    ("It was a useful idea.", "It was a useless idea.", "opposites"),
    ("Call it before the loop.", "Call it after the loop.", "opposites"),
    ("It takes more memory.", "It takes less memory.", "opposites"),
    ("Prices increased in May.", "Prices decreased in May.", "opposites"),
    ("All users may log in.", "Some users may log in.", "opposites"),
    ("He won the match.", "She won the match.", "opposites"),
    ("Turn left and stop.", "Turn right and stop.", "opposites"),
    ("Yesterday the CEO met Alice Brown.", "Yesterday the CEO met Alice Green.", "name"),
    ("Call `get_value` here.", "Call `set_value` here.", "name"),
    ("Look at https://example.com/a now.", "Look at https://example.com/b now.", "name"),
    ("if a < b then stop", "if a > b then stop", "sign"),
    ("Alice beats Bob at chess.", "Bob beats Alice at chess.", "order of roles"),
    ("A train from New York to Paris.", "A train from Paris to New York.", "order of roles"),
    ("He retired in Oslo, where he died in 1903.", "He died in Oslo, where he retired in 1903.", "order of roles"),
    ("Who built the tower?", "When did they build the tower?", "opposites"),
    ("Only members may vote today.", "Members may vote today.", "quantity"),
]

SAME = [
    ("It has 1,000 rows.", "It has 1000 rows."),
    ("It grew by 3 %.", "It grew by 3%."),
    ("It grew by three percent.", "It grew by 3 per cent."),
    ("It was on March 3, 2020.", "It was on 2020-03-03."),
    ("It was on March 3, 2020.", "It was on 3rd of March 2020."),
    ("It was on 3 March 2020 in Rome.", "It was on March 3rd, 2020 in Rome."),
    ("I have two cats.", "I have 2 cats."),
    ("It is one hundred and five pages long.", "It is 105 pages long."),
    ("About 3.5 million people.", "About 3,500,000 people."),
    ("Run 5km today.", "Run 5 km today."),
    ("Pay 5 dollars.", "Pay $5."),
    ("We meet at 3 pm.", "We meet at 15:00."),
    ("Don't do that.", "Do not do that."),
    ("It can't work.", "It cannot work."),
    ("The colour of honour.", "the color of honor"),
    ("“It’s ﬁne…”", '"It\'s fine"'),
    ("A state-of-the-art tool", "a state of the art tool"),
    ("Wait while it loads.", "Wait whilst it loads."),
    ("The U.S. economy grew.", "The US economy grew."),
    ("The method returns a list.", "A method returns the list."),
    ("Do it because of the rain as well as the wind.", "Do it because the rain and the wind"),
]

TRIVIAL = [
    ("The capital of Australia is big.", "The captial of Australia is big."),
    ("Which method sorts the list?", "Whcih method sorts the list?"),
    ("We cannot see it there.", "We cannto see it there."),
    ("Three video games were sold.", "Three videogames were sold."),
]

REWORDED = [
    ("In 1990, the firm moved to Rome.", "The firm moved to Rome in 1990."),
    ("He was born in Paris in 1962.", "He was born in 1962 in Paris."),
    ("It was made by architects such as Anna Berg, Carl Dahl and Eva Falk.",
     "It was made by architects such as Eva Falk, Anna Berg and Carl Dahl."),
    ("The town is old.", "The city is old."),
]  # fmt: skip


@pytest.mark.parametrize(("a", "b", "kind"), FACTS)
def test_a_changed_fact_is_named(a: str, b: str, kind: str) -> None:
    assert fact_change(a, b).startswith(kind)
    assert fact_change(b, a).startswith(kind)


@pytest.mark.parametrize(("a", "b"), SAME)
def test_other_ways_to_write_the_same(a: str, b: str) -> None:
    assert kind_of_change(a, b) == kind_of_change(b, a) == "same", change(a, b)


@pytest.mark.parametrize(("a", "b"), TRIVIAL)
def test_a_typo_or_a_function_word_is_a_trifle(a: str, b: str) -> None:
    assert kind_of_change(a, b) == kind_of_change(b, a) == "trivial", change(a, b)


@pytest.mark.parametrize(("a", "b"), REWORDED)
def test_another_order_may_say_the_same(a: str, b: str) -> None:
    assert kind_of_change(a, b) == kind_of_change(b, a) == "rewording", change(a, b)


def test_a_list_of_pairs_must_stay_paired() -> None:
    a = "He spoke in Toronto, in 1932 in Zurich and in Oslo in 1936."
    assert fact_change(a, "He spoke in Toronto, in Oslo in 1932 and in Zurich in 1936.")
    assert fact_change("Sold in Peru (1990) and Chile (2001).", "Sold in Peru (2001) and Chile (1990).")


def test_a_known_word_is_no_typo_of_another() -> None:
    words = {"form", "farm"}
    assert change("Fill in the form.", "Fill in the farm.", words.__contains__).kind == "rewording"
    assert change("Fill in the form.", "Fill in the fxrm.", words.__contains__).kind == "trivial"


def test_a_fact_far_into_long_texts_is_found() -> None:
    body = "This sentence says nothing new. " * 400
    assert fact_change(f"{body}It took 3 days. {body}", f"{body}It took 4 days. {body}").startswith("number")
    assert fact_change(f"{body}Then Anna met Bert. {body}", f"{body}Then Bert met Anna. {body}")
    assert kind_of_change(f"{body}The end. {body}", f"{body}THE  END! {body}") == "same"


def test_sentences_may_change_places() -> None:
    assert not fact_change("Anna is here. Bert is there.", "Bert is there. Anna is here.")


@given(st.text(), st.text())
def test_any_text_can_be_compared(a: str, b: str) -> None:
    there, back = change(a, b), change(b, a)
    assert bool(there.fact) == bool(back.fact)
    assert (there.fact != "") == (there.kind == "fact")
    assert change(a, a).kind == "same"


words = st.sampled_from(
    "the a cat dog not no 3 4 three in to from Alice Bob km and or beats of 2020 March first more x_y , . (".split()
)


@given(st.lists(words, max_size=14), st.lists(words, max_size=14))
def test_order_of_the_two_makes_no_difference(a: list[str], b: list[str]) -> None:
    there, back = change(" ".join(a), " ".join(b)), change(" ".join(b), " ".join(a))
    assert there.kind == back.kind


@given(st.lists(words, max_size=14))
def test_case_and_white_space_are_nothing(found: list[str]) -> None:
    text = " ".join(found)
    assert kind_of_change(text, text.upper()) == "same"
    assert kind_of_change(text, "\n ".join(found) + "\t") == "same"


@given(st.text("ab. \n", max_size=60), st.text("ab. \n", max_size=60), st.text("ab. \n", max_size=60))
def test_what_is_left_out_is_shared(begin: str, middle: str, end: str) -> None:
    a, b = begin + middle + end, begin + "x" + end
    x, y = _middle(a, b)
    at = a.find(x) if x else 0
    assert len(a) - len(x) == len(b) - len(y)
    assert x in a
    assert y in b
    assert "x" in y
    assert at >= 0


@pytest.mark.parametrize(
    "text",
    [
        "a" * 1_000_000,
        "hundred million " * 60_000,
        "1," * 400_000,
        "a_" * 400_000,
        "'" * 1_000_000,
        "n't " * 200_000,
        "\x00\ud800\udfff" * 100_000,
        "\u202eשלום 👩‍👩‍👧 " * 50_000,
        "(" * 500_000,
        "as well as " * 80_000,
    ],
    ids=range(10),
)
def test_hostile_text_takes_no_long_time(text: str) -> None:
    fact_change(text, text[: len(text) // 2] + " not 3 " + text[len(text) // 2 :])


def test_items_are_bounded_by_the_text() -> None:
    assert len(read("x" * 10_000)) == 1


@pytest.mark.parametrize(
    ("a", "b", "near"),
    [
        ("form", "from", True),
        ("form", "for", True),
        ("form", "farm", True),
        ("form", "mofr", False),
        ("a", "abc", False),
    ],
)
def test_one_letter_apart(a: str, b: str, near: bool) -> None:
    assert one_apart(a, b) is near
    assert one_apart(b, a) is near
