"""A comparison as text for people: short, aligned, the most important first."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from datagen.cli_progress import printable
from datagen.diff_setup import ABSENT

LINES = 12
"""Lines of a part at most; the others are counted, and stand in --json."""
_CUT = 100
_VALUE = 44
Pair = Sequence[Any]


def text(result: Mapping[str, Any]) -> str:
    """The comparison that :func:`datagen.diff.diff` made, in lines that are safe for a terminal."""
    one, two = (_line(path) for path in result["paths"])
    lines = [f"A  {one}", f"B  {two}"]
    for name, notes in zip("AB", result["notes"], strict=True):
        lines += [f"Note on {name}: {_line(note)}." for note in notes]
    lines += ["", _verdict(result), ""]
    parts = [] if result["same_results"] else [_ledger, _samples, _verdicts, _scores, _reasons, _documents]
    for part in [*parts, _setup, _segments, _cost]:
        found = part(result)
        lines += [*found, ""] if found else []
    if not result["same_results"]:
        lines += _examples(result)
    return "\n".join(lines).rstrip("\n")


def _verdict(result: Mapping[str, Any]) -> str:
    total = result["samples"]["total"][0]
    noun = "rows" if result["kind"] != "run" else "samples"
    if not result["same_results"]:
        return "The results differ."
    setup = "" if result["same_setup"] else " The set-up differs, and made no difference."
    return f"The results are the same: {total:,} {noun}, with the same verdicts and scores.{setup}"


def _ledger(result: Mapping[str, Any]) -> list[str]:
    ledger = result["ledger"]
    totals = {"requested": ledger["requested"], "kept": ledger["kept"]}
    if result["kind"] == "rows":
        totals = {"rows": result["samples"]["total"]}
    for name in ("rejected", "failed"):
        pairs = list(ledger[name].values())
        if pairs:
            totals[name] = [sum(pair[i] for pair in pairs) for i in (0, 1)]
    return _table(["Ledger", "A", "B", "change"], [[name, *_counts(pair)] for name, pair in totals.items()])


def _samples(result: Mapping[str, Any]) -> list[str]:
    held = result["samples"]
    rows = [["the same sample", f"{held['by_id']:,}", ""]]
    if held["by_instruction"]:
        rows.append(["the same instruction", f"{held['by_instruction']:,}", ""])
    if held["other_content"]:
        rows.append(["  of both, with other content", f"{held['other_content']:,}", ""])
    for name, only in zip("AB", held["only"], strict=True):
        rejected = sum(only["rejected"].values())
        if only["kept"] or rejected:
            rows.append([f"only in {name}", f"{only['kept'] + rejected:,}", f"{only['kept']:,} kept" * bool(rejected)])
    return _table([_noun(result), "number", ""], rows)


def _verdicts(result: Mapping[str, Any]) -> list[str]:
    held = result["verdicts"]
    lost, won, other = held["kept_to_rejected"], held["rejected_to_kept"], held["other_reason"]
    rows = []
    if lost:
        rows.append(["kept → rejected", f"{sum(lost.values()):,}", _reasoned(lost)])
    if won:
        rows.append(["rejected → kept", f"{sum(won.values()):,}", _reasoned(won)])
    if other:
        told = {" → ".join(row["reasons"]): row["count"] for row in other}
        rows.append(["for another reason", f"{sum(told.values()):,}", _reasoned(told)])
    same = held["kept_in_both"] + held["rejected_in_both"]
    if not rows:
        return [f"No verdict changed in the {same:,} {_noun(result).lower()} in both."] if same else []
    return _table(["Verdicts of those in both", "number", ""], [*rows, ["unchanged", f"{same:,}", ""]])


def _scores(result: Mapping[str, Any]) -> list[str]:
    rows = []
    for row in result["scores"]:
        a, b = row["mean"]
        change = "" if a is None or b is None else f"{b - a:+.2f}"
        moved = [f"{row[name]:,} {_share(row[name], row['both'])}".rstrip() for name in ("up", "down", "same")]
        rows.append([row["criterion"], _mean(a), _mean(b), change, *moved, *map(_mean, row["mean_of_all"])])
    if not rows:
        return []
    number = result["scores"][0]["both"]
    heads = [f"Scores of {number:,} in both", "A", "B", "change", "up", "down", "same", "all of A", "all of B"]
    lines = _table(heads, rows)
    scorers = result["scored_by"]
    if any(a != b for a, b in scorers.values()):
        lines += [f"  scored by {_line(name)}: {a:,} in A, {b:,} in B" for name, (a, b) in [*scorers.items()][:LINES]]
    return lines


def _reasons(result: Mapping[str, Any]) -> list[str]:
    pairs = {**result["ledger"]["rejected"]}
    pairs |= {f"failed: {name}": pair for name, pair in result["ledger"]["failed"].items()}
    ordered = sorted(pairs.items(), key=lambda item: (-abs(item[1][1] - item[1][0]), -sum(item[1]), item[0]))
    return _table(["Reasons", "A", "B", "change"], [[name, *_counts(pair)] for name, pair in ordered])


def _documents(result: Mapping[str, Any]) -> list[str]:
    if result["kind"] != "run":
        return []
    held, chunks = result["documents"], result["chunks"]
    rows = [
        ["documents", f"{held['same']:,}", *(f"{n:,}" for n in held["only"])],
        ["chunks", f"{chunks['both']:,}", *(f"{n:,}" for n in chunks["only"])],
    ]
    lines = _table(["Sources", "in both", "only A", "only B"], rows)
    shown = held["examples"]
    for count, what, names in (
        (held["moved"], "moved", [f"{old} → {new}" for old, new in shown["moved"]]),
        (held["changed"], "changed", shown["changed"]),
        (held["only"][0], "only in A", shown["only"][0]),
        (held["only"][1], "only in B", shown["only"][1]),
    ):
        if count:
            more = f" and {count - len(names):,} more" if count > len(names) else ""
            lines.append(f"  {what} ({count:,}): {', '.join(map(_line, names))}{more}")
    if held["other_split"]:
        lines.append(f"  in another split: {held['other_split']:,}")
    return lines


def _setup(result: Mapping[str, Any]) -> list[str]:
    lines = result["configuration"]
    rows = [[line["key"], *line["values"]] for line in lines if line["shapes"] and ABSENT not in line["values"]]
    rows += [[f"prompt {line['name']}", *(h or "(none)" for h in line["hashes"])] for line in result["prompts"]]
    rows += [[line["name"], *(value or "(none)" for value in line["values"])] for line in result["versions"]]
    rows += _absent([line for line in lines if line["shapes"] and ABSENT in line["values"]])
    idle = [[f"{line['key']} *", *line["values"]] for line in lines if not line["shapes"]]
    cut = [[name, *_apart(a, b)] for name, a, b in [*rows, *idle]]
    shown = _table(["Set-up", "A", "B"], cut, left=True, most=2 * LINES)
    return [*shown, "  * says how work is spread, and shapes nothing that is made"] if idle else shown


def _absent(lines: Sequence[Mapping[str, Any]]) -> list[list[str]]:
    """Keys that one side does not know, as those that came with a later version: many of one section in one row."""
    sections: dict[tuple[str, int], list[Mapping[str, Any]]] = {}
    for line in lines:
        place = (".".join(line["key"].split(".")[:2]), line["values"].index(ABSENT))
        sections.setdefault(place, []).append(line)
    rows: list[list[str]] = []
    for (section, side), held in sections.items():
        if len(held) > 3:
            there = f"{len(held)} keys, in --json"
            rows.append([section, *([ABSENT, there] if side == 0 else [there, ABSENT])])
        else:
            rows += [[line["key"], *line["values"]] for line in held]
    return rows


def _apart(a: str, b: str) -> tuple[str, str]:
    """Two values as short as a table can hold, from a little before where they begin to differ."""
    same = next((i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))
    begin = max(0, same - 12) if max(len(a), len(b)) > _VALUE else 0
    one, two = (f"…{x[begin:]}" if begin else x for x in (a, b))
    return _line(one, _VALUE), _line(two, _VALUE)


def _segments(result: Mapping[str, Any]) -> list[str]:
    held = result["segments"]
    if held is None:
        return []
    both, (of_a, of_b) = held["shards"]["both"], held["shards"]["total"]
    if held["first"] == [None, None]:
        if both == of_a == of_b:
            return []
        return [f"Every step is the same; the sources differ: {both:,} of {of_b:,} shards of B are those of A."]
    first = [_line(name) if name else "no folder" for name in held["first"]]
    redone = ", ".join(dict.fromkeys(map(_line, held["redone"][1] or held["redone"][0])))
    same = held["same"]
    shared = (
        f"the {same} before are the same" if same > 1 else "the one before is the same" if same else "none is shared"
    )
    return [f"First step that differs: {first[0]} in A, {first[1]} in B; {shared}.", f"  done again: {redone}"]


def _cost(result: Mapping[str, Any]) -> list[str]:
    if all(a == b for a, b in result["usage"].values()):
        return []
    rows = []
    for name, (a, b) in result["usage"].items():
        if name == "sessions":
            continue
        shown = [_amount(name, value) for value in (a, b)]
        known = isinstance(a, int | float) and isinstance(b, int | float)
        rows.append([name.replace("_", " ").replace("usd", "(US dollars)"), *shown, _times(a, b) if known else ""])
    return _table(["Cost of all sessions", "A", "B", "change"], rows)


def _examples(result: Mapping[str, Any]) -> list[str]:
    lines: list[str] = []
    for kind, head in (
        ("kept_to_rejected", "Kept in A, rejected in B:"),
        ("rejected_to_kept", "Rejected in A, kept in B:"),
        ("scores", "The largest changes of the score:"),
        ("only_a", f"{_noun(result)} only in A:"),
        ("only_b", f"{_noun(result)} only in B:"),
    ):
        pairs = result["examples"][kind]
        lines += [head, *(line for pair in pairs for line in _example(pair)), ""] if pairs else []
    return lines


def _example(pair: Pair) -> Iterable[str]:
    held = [sample for sample in pair if sample is not None]
    asked = next((sample["instruction"] for sample in held), None)
    if any(sample["instruction"] is None for sample in held):
        asked = None
    yield f"  {_line(asked) if asked is not None else '(not shown: it was rejected for what it holds)'}"
    for name, sample in zip("AB", pair, strict=True):
        if sample is None:
            continue
        verdict = sample["verdict"]
        told = "kept" if verdict is None else f"rejected by {verdict['stage']}: {verdict['reason']}"
        if verdict is not None and verdict["evidence"]:
            told += f" ({verdict['evidence']})"
        score = "" if sample["score"] is None else f"{sample['score']:.2f}  "
        yield f"    {name}  {score}{_line(told)}  [{_line(sample['id'])[:16]}]"


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]], *, left: bool = False, most: int = LINES) -> list[str]:
    """Aligned columns: the first to the left, and numbers to the right. No row, no table."""
    if not rows:
        return []
    more = len(rows) - most
    shown = [list(heads), *([f"  {_line(row[0], 60)}", *map(_line, row[1:])] for row in rows[:most])]
    widths = [max(len(row[i]) for row in shown) for i in range(len(heads))]
    lines = []
    for row in shown:
        cells = [row[0].ljust(widths[0])]
        for i, cell in enumerate(row[1:], 1):
            text_like = left or not heads[i]
            cells.append(cell.ljust(widths[i]) if text_like else cell.rjust(widths[i]))
        lines.append("  ".join(cells).rstrip())
    return [*lines, *([f"  and {more:,} more, in --json"] if more > 0 else [])]


def _counts(pair: Pair) -> list[str]:
    change = pair[1] - pair[0]
    return [f"{pair[0]:,}", f"{pair[1]:,}", f"{change:+,}" if change else "·"]


def _reasoned(counts: Mapping[str, int]) -> str:
    most = sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:4]
    return ", ".join(f"{name} {n:,}" for name, n in most) + (" …" if len(counts) > len(most) else "")


def _share(part: int, whole: int) -> str:
    return f"({part / whole:.0%})" if part and whole else ""


def _mean(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"


def _amount(name: str, value: Any) -> str:
    if value is None:
        return "unknown"
    return f"{value:,.4f}" if name == "cost_usd" else f"{value:,}"


def _times(a: float, b: float) -> str:
    return "·" if a == b else f"× {b / a:.2f}" if a else ""


def _noun(result: Mapping[str, Any]) -> str:
    return "Samples" if result["kind"] == "run" else "Rows"


def _line(value: object, most: int = _CUT) -> str:
    """A text on one line, cut, without anything that a terminal would act on."""
    flat = " ".join(str(value)[: 4 * most].split())
    return printable(flat if len(flat) <= most else flat[: most - 1] + "…")
