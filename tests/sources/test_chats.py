"""Chat exports of each program: what people wrote is kept, all of it, in order, at its span; the rest is counted."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datagen.sources.chats import dates, notices, transcript, whatsapp
from datagen.sources.parsed import ChatOptions, Options, Parsed, Unreadable
from datagen.sources.readers import read
from tests.sources import chat_samples as made
from tests.sources.chat_samples import Msg

ME = "Bö Müller"


def parsed(kind: str, data: bytes | str, me: str = ME, **options: Any) -> Parsed:
    raw = data.encode() if isinstance(data, str) else data
    found = read(kind, raw, Options(chat=ChatOptions(me, **options)))
    last = 0
    for who, _, start, end in found.turns:
        assert last <= start < end
        assert found.text[:start].endswith(f"{who}: ")
        last = end
    return found


def kept(found: Parsed) -> list[tuple[str, str, str]]:
    return [(who, time, found.text[start:end]) for who, time, start, end in found.turns]


def left_out(found: Parsed) -> dict[str, int]:
    return {
        kind: int(n.replace(",", ""))
        for n, kind in re.findall(r"([\d,]+) ([a-z]+)(?=[,.])", found.notes[0].split("left out")[-1])
    }


@pytest.mark.parametrize(
    ("kind", "data", "wanted", "gone"),
    [
        ("text", made.IOS_GERMAN, made.IOS_GERMAN_KEPT, made.IOS_GERMAN_LEFT),
        ("text", made.ANDROID, made.ANDROID_KEPT, made.ANDROID_LEFT),
        ("json", json.dumps(made.TELEGRAM), made.TELEGRAM_KEPT, made.TELEGRAM_LEFT),
        ("json", json.dumps(made.SLACK, ensure_ascii=False), made.SLACK_KEPT, made.SLACK_LEFT),
    ],
    ids=["ios", "android", "telegram", "slack"],
)
def test_what_people_wrote_is_kept_and_nothing_else(
    kind: str, data: str, wanted: list[tuple[str, str, str]], gone: dict[str, int]
) -> None:
    found = parsed(kind, data)
    assert found.format == "chat"
    assert kept(found) == wanted
    assert left_out(found) == gone


def test_the_transcript_is_readable() -> None:
    assert parsed("text", made.IOS_US, "Bob").text == (
        "[2023-12-24 18:03] Ann: Hi\n[2023-12-25 00:00] Bob: Midnight!\n[2023-12-25 12:30] ~ Cy: Noon"
    )
    assert kept(parsed("text", made.IOS_US, "bob")) == made.IOS_US_KEPT
    assert "\n\n## Thread\n[2024-05-01 10:01] Ann Arbor: Morning" in parsed("json", json.dumps(made.SLACK)).text


@pytest.mark.parametrize("header", made.HEADERS)
def test_the_headers_of_all_regions(header: str) -> None:
    text = f"{header}Ann: one\ntwo\n{header}{ME}: three\n"
    assert kept(parsed("text", text)) == [
        ("Ann", made.HEADERS[header], "one\ntwo"),
        (ME, made.HEADERS[header], "three"),
    ]


@pytest.mark.parametrize(("kind", "notice"), [(kind, text) for kind, texts in made.NOTICES.items() for text in texts])
@pytest.mark.parametrize("mark", ["", made.LRM])
def test_notices_in_many_languages_go(kind: str, notice: str, mark: str) -> None:
    text = f"1/2/24, 18:03 - {ME}: kept\n1/2/24, 18:04 - Ann: {mark}{notice}\n1/2/24, 18:05 - Ann: kept too\n"
    found = parsed("text", text)
    assert [message for *_, message in kept(found)] == ["kept", "kept too"]
    assert left_out(found) == {kind: 1}


@pytest.mark.parametrize("notice", notices.SELF)
def test_the_notice_of_encryption_goes_with_a_name_and_without(notice: str) -> None:
    for said in (f"{notice} x: nobody reads them", f"Ann: {notice} x."):
        text = f"1/2/24, 18:03 - {ME}: kept\n1/2/24, 18:04 - {said}\n"
        found = parsed("text", text)
        assert [message for *_, message in kept(found)] == ["kept"]
        assert left_out(found) == {"system": 1}


@pytest.mark.parametrize("edited", sorted(notices.EDITED))
def test_the_mark_of_an_edited_message_goes(edited: str) -> None:
    for mark in ("", made.LRM):
        text = f"1/2/24, 18:03 - {ME}: a < b > c {mark}<{edited}>\n1/2/24, 18:04 - Ann: {mark}<{edited}.>\n"
        assert [message for *_, message in kept(parsed("text", text))] == ["a < b > c"]


def test_words_that_only_look_like_notices_stay() -> None:
    said = ["<3", "<Media omitted> is what it says", "I deleted this message", "see a.pdf (page 3)", "image", "nullify",
            "he said “image omitted”", "<html> <body>", "Missed voice call from you, call me back"]  # fmt: skip
    text = "".join(f"1/2/24, 18:03 - {ME}: {message}\n" for message in said)
    assert [message for *_, message in kept(parsed("text", text))] == said


def header_lines(*dates_of: str) -> str:
    return "".join(f"{date}, 10:00 - {ME}: x{i}\n" for i, date in enumerate(dates_of))


@pytest.mark.parametrize(
    ("lines", "first", "assumed"),
    [
        (("1/2/24", "13/2/24"), "2024-02-01", False),
        (("1/2/24", "2/13/24"), "2024-01-02", False),
        (("1/2/24", "3/1/24", "4/1/24"), "2024-01-02", False),  # runs on if the month stands first
        (("2/1/24", "1/3/24", "1/4/24"), "2024-01-02", False),  # … or second
        (("3/4/24", "4/4/24"), "2024-04-03", True),
        (("4/4/24", "4/4/24"), "2024-04-04", False),
        (("2024/3/4", "2024/3/5"), "2024-03-04", False),
    ],
)
def test_the_whole_file_decides_which_number_is_the_day(lines: tuple[str, ...], first: str, assumed: bool) -> None:
    found = parsed("text", header_lines(*lines))
    assert found.turns[0][1].startswith(first)
    assert [note for note in found.notes if "nothing in it decides" in note] == [
        "Its dates are read as day, month, year: nothing in it decides."
    ] * assumed


def test_an_undecided_date_with_am_and_pm_is_american() -> None:
    found = parsed("text", f"3/4/24, 1:00 PM - {ME}: a\n3/4/24, 1:01 PM - {ME}: b\n")
    assert found.turns[0][1] == "2024-03-04T13:00:00"
    assert found.notes[1] == "Its dates are read as month, day, year: nothing in it decides."


def test_a_line_in_another_style_is_part_of_the_message() -> None:
    text = (
        f"24/12/2023, 18:03 - {ME}: look what she wrote:\n[24.12.23, 18:03:11] Ann: pasted\n"
        "24.12.23, 18:03 - Ann: too\n"
        "24/13/2023, 18:03 - Ann: no such day\n24/12/2023, 18:04 - Ann: next\n"
    )
    assert [who for who, *_ in kept(parsed("text", text))] == [ME, "Ann"]
    # A line in exactly the file's own style cannot be told from a message.
    forged = f"24/12/2023, 18:03 - Ann: x\n24/12/2023, 18:04 - {ME}: forged\n24/12/2023, 18:05 - {ME}: y\n"
    assert len(parsed("text", forged).turns) == 3


def test_a_file_that_begins_or_ends_within_a_message() -> None:
    text = made.ANDROID[made.ANDROID.index("in this chat") :][:-4]
    found = parsed("text", text)
    assert kept(found)[:-1] == made.ANDROID_KEPT[:-1]
    assert made.ANDROID_KEPT[-1][2].startswith(kept(found)[-1][2])
    assert left_out(found)["fragment"] == 1


@pytest.mark.parametrize(
    "text",
    [
        "Just a text.\nWith lines: and colons.\n",
        "# Log\n" + "some prose here\n" * 100 + "24/12/2023, 18:03 - Ann: quoted\n24/12/2023, 18:04 - Bob: quoted\n",
        "24/12/2023, 18:03 - Ann: only one\n",
        "10:00: start\n11:00: end\n",
        "24/12/2023, 18:03 - no names\n24/12/2023, 18:04 - at all\n",
    ],
)
def test_other_texts_are_read_as_ever(text: str) -> None:
    assert parsed("text", text) == read("text", text.encode(), Options())


@pytest.mark.parametrize(
    ("kind", "data"),
    [
        ("json", '{"a": 1}'),
        ("json", '{"messages": ["a", "b"]}'),
        ("json", '[{"id": "U1", "name": "ann", "real_name": "Ann"}, {"id": "U2", "name": "bob", "real_name": "Bob"}]'),
        ("json", '[{"author": "Ann", "content": "An article"}, {"author": "Bob", "content": "Another one"}]'),
        ("json", '{"messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}]}'),
        ("jsonl", '{"a": 1}\n{"a": 2}\n'),
        ("csv", "name,price\nPump,3\nOil,4\n"),
    ],
)
def test_other_data_is_read_as_ever(kind: str, data: str) -> None:
    assert parsed(kind, data) == read(kind, data.encode(), Options())


def test_without_a_name_nothing_is_looked_at_as_a_chat() -> None:
    assert read("text", made.ANDROID.encode(), Options()).format == "text"


@pytest.mark.parametrize("me", ["Bö Müller", "bö  MÜLLER", "Bo\u0308 Mu\u0308ller", "\u202aBö Müller\u202c"])
def test_my_name_is_found_in_any_spelling(me: str) -> None:
    assert len(parsed("text", made.ANDROID, me).turns) == 6


def test_where_nobody_has_the_name_the_verdict_says_who_is_there() -> None:
    with pytest.raises(Unreadable) as caught:
        parsed("text", made.ANDROID, "Bö")
    assert caught.value.reason == "me_not_found"
    assert caught.value.evidence == "Nobody in it is called “Bö”. Who wrote: “Bö Müller”, “Ann”, “+49 170 1234567”."
    many = "".join(f"1/2/24, 18:03 - Person {i} {'x' * 80}: hi\n" for i in range(500))
    with pytest.raises(Unreadable) as caught:
        parsed("text", many)
    assert "and 480 more" in caught.value.evidence
    assert len(caught.value.evidence) < 1200


def test_a_chat_without_words_is_empty() -> None:
    with pytest.raises(Unreadable) as caught:
        parsed("text", f"1/2/24, 18:03 - {ME}: <Media omitted>\n1/2/24, 18:04 - Ann: <Media omitted>\n")
    assert (caught.value.reason, "2 media" in caught.value.evidence) == ("empty", True)


def test_further_texts_can_be_named_that_go() -> None:
    text = f"1/2/24, 18:03 - {ME}: a\n1/2/24, 18:04 - Ann: <Kein Bild>\n1/2/24, 18:04 - Ann: <Kein Bild> b\n"
    found = parsed("text", text, drop=("<Kein Bild>",))
    assert [message for *_, message in kept(found)] == ["a", "<Kein Bild> b"]
    assert left_out(found) == {"chosen": 1}


def test_a_telegram_account_keeps_its_chats_apart() -> None:
    second = {**made.TELEGRAM, "name": "Group\n# x"}
    found = parsed("json", json.dumps({"about": "…", "chats": {"about": "…", "list": [made.TELEGRAM, second]}}))
    assert kept(found) == made.TELEGRAM_KEPT * 2
    assert found.text.startswith("# Ann\n[2024-05-01 10:01] Ann: Hi")
    assert "\n\n# Group # x\n[2024" in found.text


def test_the_fields_of_plain_data_can_be_named() -> None:
    rows = [{"p": {"n": name}, "words": f"w{i}", "k": "r"} for i, name in enumerate((ME, "Ann", ME))]
    data = json.dumps(rows)
    assert parsed("json", data).format == "markdown"
    found = parsed("json", data, fields={"speaker": "p.n", "text": "words", "conversation": "k"})
    assert found.text == f"# r\n{ME}: w0\nAnn: w1\n{ME}: w2"


def test_plain_data_in_several_shapes() -> None:
    table = f'Date;From;Text\n24.12.2023 18:03;Ann;"a;\nb"\n25.12.2023 6:00;{ME};c\n25.12.2023 6:01;Ann;\n'
    found = parsed("csv", table)
    assert kept(found) == [("Ann", "2023-12-24T18:03:00", "a;\nb"), (ME, "2023-12-25T06:00:00", "c")]
    assert left_out(found) == {"empty": 1}
    meta = {"messages": [
        {"sender_name": ME, "timestamp_ms": 1714557660000, "content": "second"},
        {"sender_name": "Ann", "timestamp_ms": 1714557600000, "content": "first"},
    ]}  # fmt: skip
    assert [message for *_, message in kept(parsed("json", json.dumps(meta)))] == ["first", "second"]
    cut = "\n".join(
        json.dumps({"user": who, "text": who, "time": f"2024-05-01T1{i}:00:00+02:00"})
        for i, who in enumerate((ME, "Ann", "Cy"))
    )
    found = parsed("jsonl", cut[:-10])
    assert kept(found) == [(ME, "2024-05-01T08:00:00", ME), ("Ann", "2024-05-01T09:00:00", "Ann")]
    assert left_out(found) == {"damaged": 1}


SPEAKERS = ("Ann", ME, "+49 170 1234567", "דנה", "Zoë-Marie 🌸")
WORDS = st.text(
    st.sampled_from("ab Zß.:-,!?'\"\n\t<>&#*@[]/0123😀é\u0301שلم汉") | st.characters(codec="utf-8"), max_size=40
)
PHRASES = st.sampled_from(
    ["Hi!", made.HEBREW, made.ARABIC, made.FAMILY, "a: b", "see:\n\n- x\n- y", "12:30 - ok", "(no)"]
)


def unambiguous(text: str) -> str:
    """A text that WhatsApp's own words and headers cannot be mistaken for; the text of a message, normalised."""
    clean = transcript.message(text.replace("\u200e", ""))
    lines = clean.split("\n")
    odd = [line for line in [clean, *lines] if notices.kind_of(line) or whatsapp._header(line)]
    return "fine" if odd or clean.endswith(">") else clean


@st.composite
def chats(draw: st.DrawFn) -> list[Msg]:
    at = datetime(2023, draw(st.integers(1, 12)), draw(st.integers(1, 28)), 13)
    out = []
    for number in range(draw(st.integers(2, 12))):
        text = unambiguous(draw(st.one_of(PHRASES, WORDS)))
        out.append(Msg(draw(st.sampled_from(SPEAKERS)) if number else ME, text, at))
        at += timedelta(minutes=draw(st.integers(0, 5000)))
    return out


US = "%m/%d/%y, %I:%M\u202f%p"
WRITERS: dict[str, tuple[str, Callable[[list[Msg]], bytes]]] = {
    "android": ("text", made.android),
    "android us": ("text", lambda m: made.android(m, US)),
    "ios": ("text", made.ios),
    "ios iso": ("text", lambda m: made.ios(m, "%Y-%m-%d, %H:%M:%S")),
    "telegram": ("json", made.telegram),
    "slack": ("json", made.slack),
    "csv": ("csv", made.table),
    "tsv": ("csv", lambda m: made.table(m, "\t")),
    "json": ("json", made.objects),
    "jsonl": ("jsonl", made.lines),
}


@pytest.mark.parametrize("name", WRITERS)
@settings(max_examples=40)
@given(messages=chats())
def test_any_chat_comes_back_as_it_was_written(name: str, messages: list[Msg]) -> None:
    kind, write = WRITERS[name]
    found = parsed(kind, write(messages))
    assert [(who, text) for who, _, text in kept(found)] == [(m.speaker, m.text) for m in messages]
    if not any("nothing in it decides" in note for note in found.notes):
        orders = {"dmy", "mdy"} if kind == "text" and "iso" not in name else {"ymd"}
        stamps = [datetime.fromisoformat(time) for _, time, _ in kept(found)]
        exact = [m.time for m in messages]
        swapped = [t.replace(month=t.day, day=t.month) if t.day <= 12 else t for t in exact]
        assert stamps == exact or ("mdy" in orders and stamps == swapped)


@pytest.mark.parametrize("name", WRITERS)
@settings(max_examples=30)
@given(messages=chats(), data=st.data())
def test_what_is_cut_off_or_garbled_gives_a_document_or_a_verdict(
    name: str, messages: list[Msg], data: st.DataObject
) -> None:
    kind, write = WRITERS[name]
    raw = bytearray(write(messages))
    for _ in range(data.draw(st.integers(0, 8))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    raw = raw[data.draw(st.integers(0, 20)) : data.draw(st.integers(len(raw) // 2, len(raw)))]
    try:
        parsed(kind, bytes(raw))
    except Unreadable as error:
        assert error.reason in {"me_not_found", "empty", "damaged", "binary", "unknown_encoding"}


KEYS = st.sampled_from(
    "messages type from from_id text date ts user user_profile thread_ts chats list sender time name real_name "
    "subtype content".split()
)
JSON = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=True) | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=6),
    max_leaves=30,
)


@settings(max_examples=150)
@given(
    JSON,
    st.sampled_from([{}, {"type": "message", "date": "2024-05-01", "from": ME, "ts": "1714557600.0001", "time": 1e9}]),
)
def test_any_json_gives_a_document_or_a_verdict(value: Any, mixed: dict[str, Any]) -> None:
    def merged(item: Any) -> Any:
        if isinstance(item, dict):
            return {**mixed, **{k: merged(v) for k, v in item.items()}}
        return [merged(v) for v in item] if isinstance(item, list) else item

    for whole in (merged(value), {"messages": merged(value)}, [merged(value)] * 3):
        try:
            parsed("json", json.dumps(whole))
        except Unreadable as error:
            assert error.reason in {"me_not_found", "empty", "damaged"}


HOSTILE = {
    "marks": "\u200e" * 200_000,
    "digits": "1" * 200_000,
    "brackets": "[" * 200_000,
    "open dates": "1/1/24, 1:1 " * 20_000,
    "angles": "1/2/24, 18:03 - Ann: " + "<" * 100_000 + "\n",
    "marks and angles": "1/2/24, 18:03 - Ann: " + "a \u200e<" * 50_000 + "\n",
    "colons": "1/2/24, 18:03 - " + ": " * 100_000 + "\n",
    "dots": "1/2/24, 18:03 - Ann: " + "." * 100_000 + "(file attached)\n",
    "spaces": "1/2/24, 18:03 - Ann: " + " " * 100_000 + "x\n",
    "quotes": '1/2/24, 18:03 - "' * 5_000,
    "blank lines": "\n" * 200_000,
}


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.timeout(30)
def test_hostile_lines_take_linear_time(name: str) -> None:
    """What is quadratic would take minutes."""
    text = f"1/2/24, 18:03 - {ME}: a\n1/2/24, 18:03 - Ann: b\n{HOSTILE[name]}\n1/2/24, 18:04 - {ME}: c\n"
    export = whatsapp.parse(text)
    assert export is None or export.sections[0].posts[0].text == "a"


def test_a_chat_of_too_many_messages_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transcript, "MOST_TURNS", 3)
    with pytest.raises(Unreadable) as caught:
        parsed("text", f"1/2/24, 18:03 - {ME}: a\n" * 4)
    assert caught.value.reason == "too_large"


@pytest.mark.parametrize(
    ("value", "wanted"),
    [
        (1714557600, "2024-05-01T10:00:00"),
        ("1714557600.5", "2024-05-01T10:00:00"),
        (1714557600000, "2024-05-01T10:00:00"),
        (1714557600000000, "2024-05-01T10:00:00"),
        ("2024-05-01 12:00:00+02:00", "2024-05-01T10:00:00"),
        ("2024-05-01T10:00:00Z", "2024-05-01T10:00:00"),
        ("2024-05-01", "2024-05-01T00:00:00"),
    ],
)
def test_times_of_data(value: Any, wanted: str) -> None:
    assert dates.of_value(value) == datetime.fromisoformat(wanted)


@pytest.mark.parametrize(
    "value",
    [
        None,
        True,
        7,
        -5,
        "",
        "soon",
        [],
        {},
        float("nan"),
        float("inf"),
        "1" * 400,
        10**400,
        -(10**400),
        "0001-01-01T00:00:00+14:00",
    ],
)
def test_what_is_no_time(value: Any) -> None:
    assert dates.of_value(value) is None
