"""Recall and false alarms of the search for malicious content, and its speed beside peers in the same run.

    python -m benchmarks.malicious [DATA] [--all]      (default: ../shared/data, beside the project)

The rules were made on the rows whose SHA-256 begins with an even byte. Of the others, the held-out half, no
row was read while the rules were made; how many of each technique were missed, and how many harmless ones found, was
counted between versions and helped to choose the cut-off of the wording: its figures are a little too good. Texts that
are documents are cut at paragraphs into pieces of about 2,000 characters, and again into their paragraphs of at most
600. ``--all`` also asks the embedding model. ``--fit`` makes the weights of the wording anew, and measures nothing.
"""

from __future__ import annotations

import hashlib
import json
import re
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from curation import malicious
from curation.malicious import MaliciousConfig, fit, passages, plugins, wording

DATA = Path("../shared/data")
DOCS = Path("docs")
ORDERS = {"prompt_injection", "jailbreak"}
_FLOOR = re.compile(r"ignore|disregard|forget|pretend|jailbreak|<script|onerror|union select|akia|ghp_|password", re.I)


def held_out(text: str) -> bool:
    """Was the row left out when the rules were made?"""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()[0] % 2 == 1


def rows(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def pieces(folder: Path) -> list[str]:
    """Plain text files cut at blank lines into about 2,000 characters."""
    out: list[str] = []
    for path in sorted(p for p in folder.rglob("*") if p.suffix in (".rst", ".md", ".txt")):
        held = ""
        for paragraph in re.split(r"\n{2,}", path.read_text(encoding="utf-8", errors="replace")):
            if held and len(held) + len(paragraph) > 2_000:
                out.append(held)
                held = ""
            held = f"{held}\n\n{paragraph}" if held else paragraph
        out += [held] if held.strip() else []
    return out


def share(hits: Iterable[bool]) -> str:
    seen = list(hits)
    return f"{sum(seen)}/{len(seen)} = {sum(seen) / max(1, len(seen)):.3f}"


def injections(data: list[dict[str, Any]], config: MaliciousConfig, name: str) -> None:
    found = malicious.scan([row["text"] for row in data], config)
    hit = [any(f.kind in ORDERS for f in here) for here in found]
    for half, wanted in (("held out", True), ("tuned on", False), ("all", None)):
        at = [i for i, row in enumerate(data) if wanted is None or held_out(row["text"]) == wanted]
        recall = share(hit[i] for i in at if data[i]["attack"])
        false = share(hit[i] for i in at if not data[i]["attack"])
        print(f"  injection  {name:<28} {half:<9} recall {recall}   false alarms {false}")


def payloads(data: list[dict[str, Any]], config: MaliciousConfig) -> None:
    found = [bool(here) for here in malicious.scan([row["text"] for row in data], config)]
    for kind in sorted({row["kind"] for row in data}):
        for half, wanted in (("held out", True), ("all", None)):
            at = [i for i, row in enumerate(data) if row["kind"] == kind]
            at = [i for i in at if wanted is None or held_out(data[i]["text"]) == wanted]
            print(f"  payloads   {kind:<28} {half:<9} recall {share(found[i] for i in at)}")
    print(f"  payloads   {'together':<28} {'all':<9} recall {share(found)}")


def seconds(work: Callable[[], object]) -> float:
    begun = time.process_time()
    work()
    return time.process_time() - begun


def refit() -> None:
    """Write the weights of the wording anew, from our own examples and the sentences of our own documentation, which
    are harmless."""
    pages = [path.read_text(encoding="utf-8") for path in sorted(DOCS.glob("*.md")) if path.stem != "malicious"]
    said = [page[a:b] for page in pages for a, b in passages.sentences(page, 4)]
    weights = fit.fit(said)
    wording.FILE.write_text(fit.written(weights), encoding="utf-8")
    print(f"{wording.FILE}: {len(weights)} weights")


def main() -> None:
    arguments = [a for a in sys.argv[1:] if not a.startswith("--")]
    data = Path(arguments[0]) if arguments else DATA
    if "--fit" in sys.argv:
        refit()
        return
    bare = MaliciousConfig(exemplars="off")
    letters = MaliciousConfig(exemplars="ngrams")
    print(malicious.status(letters).sentence)
    sets = [(bare, "rules"), (letters, "rules, examples by letters")]
    if "--all" in sys.argv:
        sets.append((MaliciousConfig(exemplars="embeddings"), "rules, examples by meaning"))
    texts = rows(data / "injection.jsonl")
    for config, name in sets:
        injections(texts, config, name)
    payloads(rows(data / "payloads.jsonl"), letters)
    for name, folder in (("benign documentation", data / "benign_docs"), ("corpus", data.parent / "corpus")):
        cut = pieces(folder)
        found = malicious.scan(cut, sets[-1][0])
        kinds = dict(Counter(f.kind for here in found for f in here))
        print(f"  {name:<20} pieces flagged {share(bool(here) for here in found)} {kinds}")
        single = [part for piece in cut for part in piece.split("\n\n") if 40 < len(part) <= 600][::4]
        print(f"  {name:<20} paragraphs   {share(map(bool, malicious.scan(single, sets[-1][0])))}")
    cut = pieces(data.parent / "corpus")[:300]
    size = sum(map(len, cut))
    floor = seconds(lambda: [_FLOOR.findall(text) for text in cut])
    ours = seconds(lambda: malicious.scan(cut, letters))
    only = letters.model_copy(update={"kinds": ("secret",), "detect_secrets": False})
    secrets = seconds(lambda: malicious.scan(cut, only))
    whole = sum(len(text.encode("utf-8", "surrogatepass")) for text in cut) / 1e6
    print(
        f"  speed: {len(cut) / ours:,.0f} texts, {whole / ours:.2f} MB a CPU second "
        f"({ours / floor:.0f} x the time of one compiled pattern)"
    )
    short = [row["text"] for row in texts if len(row["text"]) <= 600]
    ours = seconds(lambda: malicious.scan(short, letters))
    print(f"  speed: {len(short) / ours:,.0f} short texts a CPU second, each compared with all examples")
    if plugins.available():
        every = plugins.plugins()
        peer = seconds(lambda: [p.analyze_string(line) for t in cut for line in t.splitlines() for p in every])
        print(
            f"  secrets: {size / secrets:,.0f} a second, {peer / secrets:.1f} x as fast as detect-secrets on each line"
        )
    else:
        print("  detect-secrets is not installed: left out")


if __name__ == "__main__":
    main()
