"""What two runs, curations or files of rows have in common and what differs."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from datagen import diff_setup, diff_show
from datagen.core.errors import UsageError
from datagen.core.record import Chunk, Document, Failure, Lineage, Message, Sample, Verdict
from datagen.diff import diff
from datagen.diff_side import instruction_key
from datagen.diff_table import Table, key, match
from datagen.engine.store import Store
from tests.runs import ROOT, all_bytes, datagen, environment

TIMING = {
    "started": "2024-05-01T10:00:00+00:00", "finished": "2024-05-01T10:01:00+00:00", "sessions": 1, "seconds": 60.0,
}  # fmt: skip
STAGES = (("load", "document"), ("screen", "chunk"), ("generate", "sample"), ("select", "sample"))
FAKE_KEY = "sk-" + "a1b2c3d4" * 4


def sample(
    name: str,
    question: str = "",
    answer: str = "Yes.",
    score: float | None = 4.0,
    reason: str = "",
    *,
    stage: str = "select",
    evidence: str = "",
    recipe: str = "qa",
) -> Sample:
    """A made-up sample."""
    return Sample(
        id=name,
        recipe=recipe,
        messages=(
            Message(role="user", content=question or f"What is {name}?"),
            Message(role="assistant", content=answer),
        ),
        score=score,
        scores={} if score is None else {"clarity": score, "accuracy": 5.0},
        scored_by="" if score is None else "heuristic",
        lineage=Lineage(path="a.md", sha256="0", chunk="c", start=0, end=1, model="m"),
        verdict=Verdict(stage=stage, reason=reason, evidence=evidence) if reason else None,
    )


def write_run(
    folder: Path,
    samples: Sequence[Sample],
    *,
    shards: int = 2,
    failed: int = 0,
    documents: Sequence[tuple[str, str]] = (("a.md", "1" * 64),),
    config: dict[str, Any] | None = None,
    hashes: Sequence[str] = ("a", "a", "a", "a"),
    **facts: Any,
) -> Path:
    """A run folder as a finished run leaves it, with made-up samples."""
    store = Store(folder)
    names = [f"{i:02d}-{stage}-{end}" for i, ((stage, _), end) in enumerate(zip(STAGES, hashes, strict=True))]
    papers = [Document(path=p, sha256=h, kind="markdown", text="text") for p, h in documents]
    store.write(names[0], "aa", papers)
    chunks = [Chunk(id=f"c-{h}", path=p, sha256=h, start=0, end=4, text="text") for p, h in documents]
    store.write(names[1], "aa", chunks)
    parts: list[str] = []
    for i in range(shards):
        parts.append(f"{i:04x}")
        rows: list[Any] = list(samples[i::shards])
        if failed and i == 0:
            rows.append(Failure(call="k", recipe="qa", chunk="c", samples=failed, reason="short", attempts=1, raw=""))
        store.write(names[3], parts[-1], rows)
    rejected: dict[str, int] = {}
    for one in samples:
        if one.verdict:
            rejected[one.verdict.reason] = rejected.get(one.verdict.reason, 0) + 1
    kept = sum(one.verdict is None for one in samples)
    ledger = {
        "requested": len(samples) + failed,
        "kept": kept,
        "rejected": rejected,
        "failed": {"short": failed} if failed else {},
    }
    (folder / "ledger.json").write_text(json.dumps(ledger))
    run = {
        "datagen": "0.1", "model": "m", "judge": None, "rounds": 1, "gave_up": "", "prompts": {}, "libraries": {},
        "usage": None, "timing": TIMING, "config": config or {"seed": 0}, **facts,
    }  # fmt: skip
    (folder / "run.yaml").write_text(yaml.safe_dump(run, allow_unicode=True))
    nodes = [
        {
            "stages": [stage],
            "folder": name,
            "produces": kind,
            "shards": parts if stage in ("generate", "select") else ["aa"],
        }
        for (stage, kind), name in zip(STAGES, names, strict=True)
    ]
    (folder / "shards.json").write_text(json.dumps({"skipped": [], "nodes": nodes}))
    (folder / "events.jsonl").write_text('{"event": "finished"}\n')
    return folder


def write_rows(path: Path, rows: Sequence[Any]) -> Path:
    """A file of rows."""
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def mirrored(result: dict[str, Any]) -> dict[str, Any]:
    """What the comparison the other way round must be."""

    def swap(value: Any) -> Any:
        if isinstance(value, list) and len(value) == 2:
            return [value[1], value[0]]
        return value

    def each(table: dict[str, Any]) -> dict[str, Any]:
        return {name: swap(pair) for name, pair in table.items()}

    out = dict(result)
    for name in ("paths", "notes"):
        out[name] = swap(result[name])
    out["ledger"] = {
        name: each(part) if isinstance(part, dict) else swap(part) for name, part in result["ledger"].items()
    }
    out["samples"] = each(result["samples"])
    told = result["verdicts"]
    out["verdicts"] = told | {
        "kept_to_rejected": told["rejected_to_kept"],
        "rejected_to_kept": told["kept_to_rejected"],
        "other_reason": [row | {"reasons": swap(row["reasons"])} for row in told["other_reason"]],
    }
    out["scores"] = [each(row) | {"up": row["down"], "down": row["up"]} for row in result["scores"]]
    for name in ("scored_by", "usage"):
        out[name] = each(result[name])
    papers = result["documents"]
    shown = papers["examples"]
    out["documents"] = each(papers) | {
        "examples": shown | {"moved": [swap(pair) for pair in shown["moved"]], "only": swap(shown["only"])}
    }
    out["chunks"] = each(result["chunks"]) | {"rejected": each(result["chunks"]["rejected"])}
    for name in ("configuration", "prompts", "versions"):
        out[name] = [each(row) for row in result[name]]
    out["purposes"] = [each(row) for row in result["purposes"]]
    if result["segments"]:
        out["segments"] = each(result["segments"]) | {"shards": each(result["segments"]["shards"])}
    examples = result["examples"]
    out["examples"] = {
        "kept_to_rejected": [swap(pair) for pair in examples["rejected_to_kept"]],
        "rejected_to_kept": [swap(pair) for pair in examples["kept_to_rejected"]],
        "scores": [swap(pair) for pair in examples["scores"]],
        "only_a": [swap(pair) for pair in examples["only_b"]],
        "only_b": [swap(pair) for pair in examples["only_a"]],
    }
    return out


def unordered(result: dict[str, Any]) -> dict[str, Any]:
    """Lists whose order follows the first side, sorted."""
    rows = {name: sorted(result[name], key=json.dumps) for name in ("configuration", "versions")}
    other = sorted(result["verdicts"]["other_reason"], key=json.dumps)
    return {**result, **rows, "verdicts": result["verdicts"] | {"other_reason": other}}


def adds_up(result: dict[str, Any]) -> None:
    """Every sample is counted once on each side."""
    held, told, ledger = result["samples"], result["verdicts"], result["ledger"]
    both = held["by_id"] + held["by_instruction"]
    lost, won = sum(told["kept_to_rejected"].values()), sum(told["rejected_to_kept"].values())
    other = sum(row["count"] for row in told["other_reason"])
    assert both == told["kept_in_both"] + told["rejected_in_both"] + lost + won + other
    for i in (0, 1):
        only = held["only"][i]
        assert held["total"][i] == both + only["kept"] + sum(only["rejected"].values())
        assert ledger["kept"][i] == told["kept_in_both"] + (lost, won)[i] + only["kept"]
        failed = sum(pair[i] for pair in ledger["failed"].values())
        rejected = sum(pair[i] for pair in ledger["rejected"].values())
        assert ledger["requested"][i] == ledger["kept"][i] + rejected + failed
    for row in result["scores"]:
        assert row["both"] == row["up"] + row["down"] + row["same"]
        assert row["both"] + row["scored_only"][0] <= row["all"][0]


names = st.integers(0, 12).map("s{}".format)
drawn = st.builds(
    sample,
    names,
    st.sampled_from(["", "Why?", "why", "Pourquoi  ça?", "\x1b[31mred", "‮"]),
    st.text(max_size=5),
    st.one_of(st.none(), st.sampled_from([1.0, 2.5, 4.0, 5.0])),
    st.sampled_from(["", "", "low_score", "duplicate", "pii"]),
)
populations = st.lists(drawn, max_size=12)


@given(a=populations, b=populations)
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
def test_runs_are_compared_the_same_from_both_sides(
    a: list[Sample], b: list[Sample], tmp_path_factory: pytest.TempPathFactory
) -> None:
    place = tmp_path_factory.mktemp("x")
    one = write_run(place / "one", a, failed=1, shards=2, hashes=("a", "a", "b", "b"), config={"seed": 1, "x": [1]})
    two = write_run(place / "two", b, shards=3, documents=[("b.md", "1" * 64), ("c.md", "2" * 64)])
    result = diff(one, two, 4)
    adds_up(result)
    assert unordered(diff(two, one, 4)) == unordered(mirrored(result))
    assert diff_show.text(result).isprintable() or all(c.isprintable() or c == "\n" for c in diff_show.text(result))
    for path in (one, two):
        same = diff(path, path)
        assert same["same_results"]
        assert same["same_setup"]
        adds_up(same)
        assert same["samples"]["by_id"] == same["samples"]["total"][0]
        assert "results are the same" in diff_show.text(same)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=6,
)
row_values = st.one_of(
    json_values,
    st.fixed_dictionaries({"instruction": st.text(max_size=4), "output": st.text(max_size=4)}),
    st.fixed_dictionaries({"question": st.sampled_from("ab"), "answer": st.text(max_size=2), "score": json_values}),
    st.fixed_dictionaries({"text": st.sampled_from("abc"), "verdict": json_values, "scores": json_values}),
)


@given(a=st.lists(row_values, max_size=8), b=st.lists(row_values, max_size=8))
@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
def test_any_rows_are_compared_the_same_from_both_sides(
    a: list[Any], b: list[Any], tmp_path_factory: pytest.TempPathFactory
) -> None:
    place = tmp_path_factory.mktemp("x")
    one, two = (
        write_rows(place / "one.jsonl", [{"text": "first"}, *a]),
        write_rows(place / "two.jsonl", [{"text": "1"}, *b]),
    )
    result = diff(one, two, 3)
    adds_up(result)
    assert unordered(diff(two, one, 3)) == unordered(mirrored(result))
    assert diff(one, one)["same_results"]
    json.dumps(result).encode()
    assert all(c.isprintable() or c == "\n" for c in diff_show.text(result))


@given(a=st.lists(st.integers(1, 6), max_size=20), b=st.lists(st.integers(1, 6), max_size=20))
def test_matching_pairs_each_row_once(a: list[int], b: list[int]) -> None:
    tables = []
    for keys in (a, b):
        table = Table()
        for k in keys:
            table.add(k, text=k % 3)
        tables.append(table)
    found = match(*tables)
    assert sorted([*found.a, *found.only_a]) == list(range(len(a)))
    assert sorted([*found.b, *found.only_b]) == list(range(len(b)))
    assert found.by_id == sum(min(a.count(k), b.count(k)) for k in set(a))
    for i, j in zip(found.a[found.by_id :], found.b[found.by_id :], strict=True):
        assert a[i] % 3 == b[j] % 3 != 0


def test_a_verdict_that_changed_is_counted_by_reason_and_shown(tmp_path: Path) -> None:
    a = [sample("s1", score=3.0, reason="low_score"), sample("s2"), sample("s3"), sample("s4", reason="duplicate")]
    b = [sample("s1", score=4.5), sample("s2", reason="toxic"), sample("s3", score=3.5), sample("s4", reason="rules")]
    one, two = write_run(tmp_path / "a", a), write_run(tmp_path / "b", b, hashes=("a", "a", "a", "b"))
    result = diff(one, two)
    assert result["verdicts"] == {
        "kept_in_both": 1,
        "rejected_in_both": 0,
        "kept_to_rejected": {"toxic": 1},
        "rejected_to_kept": {"low_score": 1},
        "other_reason": [{"reasons": ["duplicate", "rules"], "count": 1}],
    }
    (score,) = [row for row in result["scores"] if row["criterion"] == "clarity"]
    assert (score["up"], score["down"], score["same"], score["mean"]) == (1, 1, 2, [3.75, 4.0])
    largest = result["examples"]["scores"][0]
    assert [x["id"] for x in largest] == ["s1", "s1"]
    assert [x["score"] for x in largest] == [3.0, 4.5]
    assert result["segments"]["first"] == ["03-select-a", "03-select-b"]
    assert result["segments"]["redone"] == [["select"], ["select"]]
    shown = diff_show.text(result)
    assert "kept → rejected" in shown
    assert "toxic 1" in shown
    assert "What is s2?" in shown
    assert "03-select-b" in shown


def test_the_share_of_supported_claims_is_compared_like_a_score(tmp_path: Path) -> None:
    a, b = (sample("s1").model_copy(update={"faithfulness": share}) for share in (1.0, 0.5))
    result = diff(write_run(tmp_path / "a", [a, sample("s2")]), write_run(tmp_path / "b", [b, sample("s2")]))
    (row,) = [row for row in result["scores"] if row["criterion"] == "supported claims"]
    assert (row["both"], row["mean"], row["down"]) == (1, [1.0, 0.5], 1)
    assert not result["same_results"]


def test_samples_made_anew_are_matched_by_their_instruction(tmp_path: Path) -> None:
    one = write_run(tmp_path / "a", [sample("a1", "Why is  the SKY blue?"), sample("a2", "ﬁne?"), sample("a3", "Old")])
    two = write_run(
        tmp_path / "b", [sample("b1", "why is the sky blue", "No."), sample("b2", "fine"), sample("b3", "New")]
    )
    held = diff(one, two)["samples"]
    assert (held["by_id"], held["by_instruction"], held["other_content"]) == (0, 2, 2)
    assert [only["kept"] for only in held["only"]] == [1, 1]
    other = write_run(tmp_path / "c", [sample("c1", "Why is the sky blue", recipe="preference")])
    assert diff(one, other)["samples"]["by_instruction"] == 0, "a pair is no answer"


def test_documents_that_moved_or_changed_are_told_apart(tmp_path: Path) -> None:
    old = [("a.md", "1"), ("b.md", "2"), ("c.md", "3"), ("gone.md", "4")]
    new = [("a.md", "1"), ("b.md", "5"), ("moved.md", "3"), ("new.md", "6")]
    one, two = write_run(tmp_path / "a", [], documents=old), write_run(tmp_path / "b", [], documents=new)
    held = diff(one, two)["documents"]
    assert (held["same"], held["moved"], held["changed"], held["only"]) == (1, 1, 1, [1, 1])
    assert held["examples"] == {"moved": [["c.md", "moved.md"]], "changed": ["b.md"], "only": [["gone.md"], ["new.md"]]}


def test_configuration_lines_are_shown_without_secrets(tmp_path: Path) -> None:
    base = {
        "seed": 0, "client": {"concurrency": 4}, "limits": {"max_tokens": 5},
        "generator": {"base_url": "https://user:pw@host/v1?key=abc", "api_key_env": "ONE", "api_key": "hunter2"},
    }  # fmt: skip
    other = {
        "seed": 1, "client": {"concurrency": 8}, "limits": {"max_tokens": 6},
        "generator": {"base_url": "https://us:pw2@other/v1", "api_key_env": "TWO", "api_key": "hunter3", "x": FAKE_KEY},
    }  # fmt: skip
    one, two = write_run(tmp_path / "a", [], config=base), write_run(tmp_path / "b", [], config=other)
    result = diff(one, two)
    lines = {line["key"]: line for line in result["configuration"]}
    assert lines["seed"]["values"] == ["0", "1"]
    assert lines["limits.max_tokens"]["values"] == ["5", "6"]
    assert lines["generator.base_url"]["values"] == ['"https://host/v1"', '"https://other/v1"']
    assert lines["generator.api_key_env"]["values"] == ['"ONE"', '"TWO"']
    assert lines["generator.api_key"]["values"] == [f'"{diff_setup.HIDDEN}"'] * 2
    assert not lines["client.concurrency"]["shapes"]
    told = json.dumps(result) + diff_show.text(result)
    assert not any(word in told for word in ("hunter", "pw", "abc", FAKE_KEY))
    idle = write_run(tmp_path / "c", [], config=base | {"client": {"concurrency": 1}})
    result = diff(one, idle)
    assert result["same_results"]
    assert result["same_setup"]
    assert len(result["configuration"]) == 1


def test_prompts_models_and_cost_stand_side_by_side(tmp_path: Path) -> None:
    by = [{"model": "m", "purpose": "qa", "calls": 2, "prompt_tokens": 10, "completion_tokens": 5, "cost_usd": None}]
    use = {"calls": 2, "prompt_tokens": 10, "completion_tokens": 5, "cost_usd": 0.25, "by": by}
    one = write_run(tmp_path / "a", [], prompts={"qa.md": "1" * 64, "old.md": "3" * 64})
    two = write_run(tmp_path / "b", [], prompts={"qa.md": "2" * 64}, model="big", usage=use)
    result = diff(one, two)
    assert {p["name"]: p["hashes"] for p in result["prompts"]} == {
        "qa.md": ["1" * 12, "2" * 12],
        "old.md": ["3" * 12, None],
    }
    assert result["versions"] == [{"name": "model", "values": ["m", "big"]}]
    assert result["usage"]["calls"] == [0, 2]
    assert result["usage"]["cost_usd"] == [0.0, 0.25]
    assert result["purposes"] == [{"model": "m", "purpose": "qa", "calls": [0, 2], "tokens": [0, 15]}]
    assert result["same_results"]
    assert not result["same_setup"]
    assert "made no difference" in diff_show.text(result)


def test_long_and_new_settings_take_one_line_each(tmp_path: Path) -> None:
    old = {"seed": 0, "long": "x" * 150 + "old"}
    new = {"seed": 0, "long": "x" * 150 + "new", "curation": {"select": {f"key{i}": i for i in range(9)}}}
    one = write_run(tmp_path / "a", [], config=old, missing=["No names.", "Same."])
    two = write_run(tmp_path / "b", [], config=new, missing=["Same."])
    shown = diff_show.text(diff(one, two))
    assert 'old"' in shown
    assert 'new"' in shown
    assert re.search(r"curation.select +\(not there\) +9 keys", shown)
    assert "No names." in shown
    assert "Same." not in shown
    assert max(map(len, shown.split("\n"))) < 160


def test_what_was_rejected_for_what_it_holds_is_not_shown(tmp_path: Path) -> None:
    secret = "Call Ada on 030 1234567"
    one = write_run(tmp_path / "a", [sample("s1", secret, secret)])
    two = write_run(
        tmp_path / "b", [sample("s1", secret, secret, reason="personal_data", stage="pii", evidence="PHONE")]
    )
    result = diff(one, two)
    assert secret in json.dumps(result["examples"]["kept_to_rejected"][0][0])
    assert secret not in json.dumps(result["examples"]["kept_to_rejected"][0][1])
    assert "Ada" not in diff_show.text(result)
    assert "PHONE" in diff_show.text(result)


def test_escapes_reach_no_terminal(tmp_path: Path) -> None:
    nasty = "\x1b]0;owned\x07 \u202e\x00 x\r\ny"
    one = write_run(tmp_path / "a\x1b[2J", [sample("s1", nasty)], documents=[(nasty, "1")], model=nasty)
    two = write_run(tmp_path / "b", [sample("\x1b[5m", "other", reason=nasty, evidence=nasty)], config={nasty: nasty})
    assert all(c.isprintable() or c == "\n" for c in diff_show.text(diff(one, two)))


@pytest.mark.parametrize(
    "name", ["run.yaml", "shards.json", "ledger.json", "03-select-a/0000.parquet", "00-load-a/aa.parquet"]
)
@pytest.mark.parametrize("how", ["missing", "empty", "noise", "half", "other"])
def test_a_damaged_run_costs_one_sentence_and_is_left_as_it_is(tmp_path: Path, name: str, how: str) -> None:
    one = write_run(tmp_path / "a", [sample(f"s{i}") for i in range(5)])
    two = write_run(tmp_path / "b", [sample(f"s{i}") for i in range(5)])
    path = two / name
    data = path.read_bytes()
    if how == "missing":
        path.unlink()
    else:
        other = (two / "01-screen-a" / "aa.parquet").read_bytes() if name.endswith("parquet") else b'[{"a": [1]}]'
        path.write_bytes(
            {"empty": b"", "noise": b"\x00\xff{" * 50, "half": data[: len(data) // 3], "other": other}[how]
        )
    before = all_bytes(two)
    if how == "other" and name.endswith("parquet"):
        assert diff(one, two)["same_results"] is False  # records of another kind are none of these
    else:
        with pytest.raises(UsageError, match="missing or damaged"):
            diff(one, two)
    assert all_bytes(two) == before


def test_each_byte_of_a_shard_may_be_wrong(tmp_path: Path) -> None:
    one = write_run(tmp_path / "a", [sample(f"s{i}") for i in range(5)])
    two = write_run(tmp_path / "b", [sample(f"s{i}") for i in range(5)])
    shard = two / "03-select-a" / "0000.parquet"
    data = shard.read_bytes()
    for i in range(0, len(data), 37):
        shard.write_bytes(data[:i] + bytes([data[i] ^ 0x5A]) + data[i + 1 :])
        try:
            diff(one, two, 2)
        except UsageError as error:
            assert "damaged" in str(error)


def test_what_cannot_be_compared_costs_one_sentence(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", [sample("s1")])
    file = write_rows(tmp_path / "rows.jsonl", [{"text": "a"}])
    (tmp_path / "empty").mkdir()
    begun = tmp_path / "begun"
    begun.mkdir()
    (begun / "events.jsonl").write_text('{"event": "run"}\n')
    broken = tmp_path / "broken.jsonl"
    broken.write_bytes(b"\xff\x00 no rows\n[1]\n")
    for path, said in (
        (tmp_path / "none", "nothing to compare"),
        (tmp_path / ("x" * 5000), "nothing to compare"),
        (tmp_path / "empty", "nothing that can be compared"),
        (begun, "is not finished"),
        (broken, "holds no rows"),
        (file, "two kinds"),
    ):
        with pytest.raises(UsageError, match=said):
            diff(run, path)
        with pytest.raises(UsageError):
            diff(path, run)
    with Store(run).locked(), pytest.raises(UsageError, match="working on it"):
        diff(run, run)
    (run / "events.jsonl").write_text('{"event": "finished"}\n{"event": "run"}\n')
    assert "has not finished" in diff(run, run)["notes"][0][0]


def test_rows_of_two_forms_are_the_same_texts(tmp_path: Path) -> None:
    alpaca = [
        {"instruction": "Add.", "input": "1 and 2", "output": "3"},
        {"instruction": "Why?", "input": "", "output": "So."},
    ]
    chat = [
        {"messages": [{"role": "user", "content": "Add.\n\n1 and 2"}, {"role": "assistant", "content": "3"}]},
        {"conversations": [{"from": "human", "value": "why"}, {"from": "gpt", "value": "No."}]},
    ]
    held = diff(write_rows(tmp_path / "a.jsonl", alpaca), write_rows(tmp_path / "b.jsonl", chat))["samples"]
    assert (held["by_id"], held["by_instruction"], held["other_content"]) == (1, 1, 2)


def test_memory_is_stated_and_bounded() -> None:
    table = Table()
    for i in range(1000):
        table.add(key(str(i)), score=1.0, scores={"a": 1.0, "b": 2.0})
    assert table.nbytes() == 1000 * (34 + 4 * 3)
    for i in range(3000):
        table.add(key("x"), outcome=f"reason {i}", scores={f"criterion {i}": 1.0})
    assert len(table.criteria) <= 40
    assert table.dropped
    assert len(table.names) <= 1001


def test_a_long_run_of_marks_is_no_trap() -> None:
    assert instruction_key("a" + "\u0315\u0300" * 500_000)
    assert instruction_key("  What?! ") == instruction_key("what")
    assert instruction_key(" ?") == 0


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The same document twice, the second time with a threshold that only the best samples of the first reach."""
    place = tmp_path_factory.mktemp("runs")
    always = ("--source", ROOT / "docs" / "run-folder.md", "--set", "generator.backend=extractive")
    done = datagen("run", *always, "--out", place / "a")
    assert done.returncode == 0, done.stderr
    scores = pl.concat([pl.read_parquet(shard) for shard in (place / "a").glob("*-select-*/*.parquet")])[
        "score"
    ].to_list()
    done = datagen(
        "run", *always, "--out", place / "b", "--set", f"judge.threshold={max(s for s in scores if s is not None)}"
    )
    assert done.returncode == 0, done.stderr
    return place / "a", place / "b"


def test_two_real_runs(runs: tuple[Path, Path]) -> None:
    before = [all_bytes(run) for run in runs]
    result = diff(*runs)
    assert [all_bytes(run) for run in runs] == before
    adds_up(result)
    assert [line["key"] for line in result["configuration"]] == ["judge.threshold"]
    assert result["verdicts"]["kept_to_rejected"]["low_score"] > 0
    assert not result["verdicts"]["rejected_to_kept"]
    assert not result["samples"]["by_instruction"]
    assert result["segments"]["same"] >= 4
    assert "select" in result["segments"]["redone"][1]
    assert result["chunks"]["both"] == result["chunks"]["total"][0] > 0
    assert not result["notes"][0]
    assert not result["notes"][1]
    rows = diff(runs[0] / "export", runs[1] / "export")
    assert rows["samples"]["total"] == result["ledger"]["kept"]
    assert rows["samples"]["by_id"] == result["verdicts"]["kept_in_both"]


def test_two_real_curations(runs: tuple[Path, Path], tmp_path: Path) -> None:
    rows = write_rows(
        tmp_path / "rows.jsonl", [{"question": f"What is {i % 9}?", "answer": "A number."} for i in range(12)]
    )
    for name, steps in (("a", "dedupe"), ("b", "toxicity")):
        done = datagen("curate", rows, "--out", tmp_path / name, "--only", steps)
        assert done.returncode == 0, done.stderr
    result = diff(tmp_path / "a", tmp_path / "b")
    adds_up(result)
    assert result["ledger"]["kept"] == [9, 12]
    assert result["verdicts"]["rejected_to_kept"] == {"duplicate": 3}
    assert result["configuration"][0] == {"key": "steps", "values": ['["dedupe"]', '["toxicity"]'], "shapes": True}
    assert diff(tmp_path / "a", tmp_path / "a")["same_results"]
    (tmp_path / "b" / "report.json").unlink()
    with pytest.raises(UsageError, match="not finished"):
        diff(tmp_path / "a", tmp_path / "b")


def command(*args: str | Path) -> subprocess.CompletedProcess[str]:
    """The command alone, as the command line registers it."""
    code = "import typer; from datagen.commands.diff import diff, EPILOG; app = typer.Typer(); "
    code += "app.command(epilog=EPILOG)(diff); app()"
    return subprocess.run(
        [sys.executable, "-c", code, *map(str, args)], env=environment(), capture_output=True, text=True, check=False
    )


def test_the_command(runs: tuple[Path, Path]) -> None:
    shown = command(*runs, "--examples", "1")
    assert shown.returncode == 0
    assert "judge.threshold" in shown.stdout
    assert not shown.stderr
    assert command(*runs, "--exit-code").returncode == 1
    assert command(runs[0], runs[0], "--exit-code").returncode == 0
    told = command(*runs, "--json")
    assert json.loads(told.stdout)["kind"] == "run"
    assert "--examples" in command("--help").stdout


BOMB = "a: &a [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{new}: &{new} [{', '.join([f'*{old}'] * 10)}]\n" for old, new in zip("abcdefgh", "bcdefghi", strict=True)
)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("run.yaml", BOMB),
        ("run.yaml", "&a\nconfig: *a\n"),
        ("run.yaml", "[" * 100_000),
        ("shards.json", "[" * 100_000),
        ("shards.json", '{"skipped": [], "nodes": []}'),
        (
            "shards.json",
            '{"skipped": [], "nodes": [{"stages": ["a"], "folder": "../..", "produces": "sample", "shards": []}]}',
        ),
        ("ledger.json", "[" * 100_000),
        ("ledger.json", '{"requested": 1e999, "kept": NaN, "rejected": {}, "failed": {}}'),
        ("ledger.json", '{"requested": -1, "kept": ' + "9" * 5000 + ', "rejected": {}, "failed": {}}'),
    ],
)
def test_a_file_made_to_harm_is_refused(tmp_path: Path, name: str, content: str) -> None:
    run = write_run(tmp_path / "a", [sample("s1")])
    (run / name).write_text(content)
    with pytest.raises(UsageError, match="missing or damaged"):
        diff(run, run)


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9), lambda inner: (
    st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=4)
), max_leaves=12))  # fmt: skip
def test_any_configuration_is_compared(tree: Any) -> None:
    from datagen.diff_side import Side

    one, two = (
        Side(Path(name), "run", lambda places: [], facts={"config": config})
        for name, config in (("a", tree), ("b", {}))
    )
    for line in diff_setup.configuration(one, two):
        assert len(line["values"]) == 2
    copy = Side(Path("c"), "run", lambda places: [], facts={"config": tree})
    if "nan" not in repr(tree):
        assert not diff_setup.configuration(one, copy)


def test_a_configuration_that_names_itself_comes_to_an_end() -> None:
    tree: dict[str, Any] = {}
    tree["again"] = tree
    assert len(diff_setup._flat(tree)) <= diff_setup.MAX_LINES


def test_a_curation_made_to_harm_is_refused(tmp_path: Path) -> None:
    for name in ("kept.jsonl", "rejected.jsonl"):
        (tmp_path / name).write_text("")
    for report in ("[" * 100_000, "[]", "{}", '{"rows": 1, "kept": "x", "rejected": {}}', '{"rejected": {"a": 1e999}}'):
        (tmp_path / "report.json").write_text(report)
        with pytest.raises(UsageError, match="missing or damaged"):
            diff(tmp_path, tmp_path)
    deep = {"rows": 1, "kept": 1, "rejected": {}, "settings": {"a": [{"b": "\x1b[2J"}]}, "steps": "\x1b", "notes": 3}
    (tmp_path / "report.json").write_text(json.dumps(deep))
    (tmp_path / "kept.jsonl").write_text('{"text": ' + "[" * 100_000 + "\n" + '{"text": "a", "verdict": 3}\n')
    result = diff(tmp_path, tmp_path)
    adds_up(result)
    assert result["notes"][0]
    assert "results are the same" in diff_show.text(result)


def test_the_page_names_every_field_and_its_example_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = (ROOT / "docs" / "diff.md").read_text(encoding="utf-8")
    result = diff(write_run(tmp_path / "a", []), write_run(tmp_path / "b", []))
    for name in set(result) - {"kind", "paths", "scored_by"}:
        assert f"`{name}`" in page
    (code,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    monkeypatch.chdir(tmp_path)
    space: dict[str, Any] = {}
    exec(code, space)  # noqa: S102 - a page of ours
    assert space["result"]["samples"]["by_instruction"] == 1
    assert not space["result"]["same_results"]
