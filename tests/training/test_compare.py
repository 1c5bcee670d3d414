"""Comparing a base with what was trained on it: answers, losses, figures, page."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.training import tiny_models
from training.bootstrap import Interval
from training.compare import Comparison, Duel, Ruling, compare
from training.compare_figures import verdict
from training.config import TrainConfig
from training.errors import TrainingError
from training.evaluate import losses, text_losses
from training.evaluate_models import Variants
from training.forgetting import forgotten, general_loss
from training.generate_answers import answers, prompt_ids

torch = pytest.importorskip("torch")
pytest.importorskip("peft")
pytestmark = pytest.mark.slow

FACTS = tiny_models.facts()
NASTY = '<script>alert(1)</script> & "quotes" \u202e\x00 😀'


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as training leaves it, with an export beside it: SFT knows half of the facts, DPO all."""
    torch.set_num_threads(1)
    root = tmp_path_factory.mktemp("trained")
    texts = [text for exchange in FACTS for text in exchange]
    tiny_models.base(root / "base", [*texts, "Tell me a long story about Anna and Bert, please."])
    tiny_models.adapter(root / "base", root / "adapters" / "sft", FACTS[:6], steps=25)
    tiny_models.adapter(root / "base", root / "adapters" / "dpo", FACTS, steps=60)
    tiny_models.write_rows(root / "export" / "sft.train.jsonl", FACTS)
    tiny_models.write_rows(root / "export" / "sft.valid.jsonl", FACTS[:5])
    tiny_models.write_rows(root / "export" / "sft.test.jsonl", FACTS, family="closed_book_qa", metric="f1_em")
    return root


def config(root: Path) -> TrainConfig:
    return TrainConfig(base=str(root / "base"), method="lora")


@pytest.fixture(scope="module")
def found(trained: Path) -> Comparison:
    return compare(
        trained,
        trained / "export",
        config(trained),
        prompts=[NASTY],
        documents=["Anna likes red. " * 30, "Bert likes blue. " * 40, "\ud800 short"],
        author=["Anna likes red. Bert likes blue. Cleo likes green."],
        judge=longer,
        judged_by="the longer one",
        max_new_tokens=24,
    )


def longer(duels: Sequence[Duel]) -> list[Ruling | None]:
    return [None if not d.a and not d.b else Ruling("tie" if d.a == d.b else "b", d.a != d.b) for d in duels]


def test_a_batch_answers_as_each_prompt_alone(trained: Path) -> None:
    variants = Variants(trained, config(trained))
    tokenizer = variants.tokenizer()
    asked = [[{"role": "user", "content": text}] for text, _ in FACTS]
    asked.append([{"role": "user", "content": "Tell me a long story about Anna and Bert, please. " * 3}])
    for name in ("base", "dpo"):
        with variants.use(name) as model:
            together = answers(model, tokenizer, asked, max_new_tokens=16)
            alone = [answers(model, tokenizer, [one], max_new_tokens=16)[0] for one in asked]
        assert together == alone, name
    lengths = {len(ids) for ids in prompt_ids(tokenizer, asked)}
    assert len(lengths) > 1  # else nothing was padded
    assert tokenizer.padding_side == "right"  # as it was


def test_without_the_mask_a_batch_would_answer_otherwise(trained: Path) -> None:
    """The test above can fail: padding that is not masked changes what is said."""
    variants = Variants(trained, config(trained))
    tokenizer = variants.tokenizer()
    ids = prompt_ids(tokenizer, [[{"role": "user", "content": FACTS[0][0]}]])[0]
    assert not isinstance(ids, str)
    with variants.use("dpo") as model, torch.inference_mode():
        padded = torch.tensor([[tokenizer.pad_token_id] * 60 + ids])
        wrong = model(input_ids=padded).logits[0, -1]
        right = model(input_ids=torch.tensor([ids])).logits[0, -1]
    assert (wrong - right).abs().max() > 0.1


def test_adapters_switch_on_one_base(trained: Path) -> None:
    from transformers import AutoModelForCausalLM

    variants = Variants(trained, config(trained))
    ids = torch.tensor([variants.tokenizer()("What does Anna like?")["input_ids"]])
    plain = AutoModelForCausalLM.from_pretrained(trained / "base")
    with torch.inference_mode():
        seen = {}
        for name in ("base", "dpo", "sft", "base", "dpo"):
            with variants.use(name) as model:
                logits = model(input_ids=ids).logits
            assert name not in seen or torch.equal(seen[name], logits)
            seen[name] = logits
        assert torch.allclose(seen["base"], plain(input_ids=ids).logits, atol=1e-5)
    assert (seen["sft"] - seen["base"]).abs().max() > 0.1
    assert (seen["dpo"] - seen["sft"]).abs().max() > 0.1


def test_the_loss_of_a_batch_is_that_of_each_row(trained: Path) -> None:
    variants = Variants(trained, config(trained))
    tokenizer = variants.tokenizer()
    ids = [tokenizer(text)["input_ids"] for _, text in FACTS] + [[5], []]
    masks = [[0] * (len(one) // 2) + [1] * (len(one) - len(one) // 2) for one in ids]
    with variants.use("sft") as model:
        found = losses(model, ids, masks)
        for i, (one, mask) in enumerate(zip(ids, masks, strict=True)):
            if len(one) < 2:
                assert (found.nll[i], found.tokens[i]) == (0, 0)
                continue
            labels = torch.tensor([[t if m else -100 for t, m in zip(one, mask, strict=True)]])
            theirs = model(input_ids=torch.tensor([one]), labels=labels).loss.item()
            assert found.tokens[i] == sum(mask[1:])
            assert found.nll[i] == pytest.approx(theirs * sum(mask[1:]), rel=1e-4)
    value = found.per_token().value
    assert value is not None
    assert found.perplexity().value == pytest.approx(np.exp(value))


def test_long_texts_are_read_in_windows(trained: Path) -> None:
    variants = Variants(trained, config(trained))
    tokenizer = variants.tokenizer()
    text = "Anna likes red. " * 400
    with variants.use("base") as model:
        found = text_losses(model, tokenizer, [text, "", "Anna"], window=64)
        cut = text_losses(model, tokenizer, [text], window=64, most=128)
    tokens = len(tokenizer(text)["input_ids"])
    windows = -(-tokens // 64)
    assert len(found.tokens) == windows + 1  # the empty text has none
    assert found.tokens[:-1].sum() == tokens - windows
    assert cut.tokens.tolist() == [63, 63]


def test_forgetting_is_seen(trained: Path) -> None:
    variants = Variants(trained, config(trained))
    tokenizer = variants.tokenizer()
    seen = {}
    for name in variants.names:
        with variants.use(name) as model:
            seen[name] = general_loss(model, tokenizer)
    assert forgotten(seen["base"], seen["base"]).value == 0.0
    lost, won = forgotten(seen["base"], seen["dpo"]), forgotten(seen["dpo"], seen["base"])
    assert lost.low is not None  # the base held every word for as likely; the adapter expects colours everywhere
    assert lost.low > 0
    assert won.high is not None
    assert won.high < 0
    assert seen["base"].tokens.sum() > 5_000


def test_what_was_learned_shows(found: Comparison) -> None:
    assert found.models == ("base", "sft", "dpo")
    assert (found.split, found.rows) == ("test", 12)
    lines = {(one.group, one.name): one for one in found.lines}
    loss = lines["replies", "loss per token"]
    verdicts = {(c.before, c.after): c.verdict for c in loss.changes}
    assert verdicts["base", "dpo"] == "better"
    words = lines["task: closed_book_qa", "token F1"]
    assert {(c.before, c.after): c.verdict for c in words.changes}["base", "dpo"] == "better"
    assert words.values["dpo"].value is not None
    assert words.values["dpo"].value > 0.4
    assert lines["documents", "perplexity"].values["dpo"].rows >= 3
    style = lines["style", "distance, in bits"]
    assert style.values["dpo"].value is not None
    assert style.values["base"].value is None or style.values["base"].value > style.values["dpo"].value
    assert style.values["reference"].value is not None
    by_heart = all(one.answers["dpo"].text == one.reference for one in found.shown[1:])
    assert style.values["reference"].value <= style.values["dpo"].value
    assert style.values["reference"].value == style.values["dpo"].value or not by_heart
    assert {(c.before, c.after): c.verdict for c in lines["general", "loss per token"].changes}[
        "base", "dpo"
    ] == "worse"
    assert [one.reference for one in found.shown] == ["", *[said for _, said in FACTS]]


def test_the_judge_is_asked_in_pairs(found: Comparison) -> None:
    by = {(one.before, one.after): one for one in found.wins}
    assert set(by) == {("base", "sft"), ("sft", "dpo"), ("base", "dpo")}
    for one in found.wins:
        assert one.wins + one.ties + one.losses + one.undecided == 13
    assert found.judge == "the longer one"


def test_the_files_say_the_same(trained: Path, found: Comparison) -> None:
    data = json.loads((trained / "compare.json").read_text())
    assert data == json.loads(json.dumps(found.as_dict()))
    assert str(trained) not in json.dumps({k: v for k, v in data.items() if k != "base"})
    page = (trained / "compare.html").read_text()
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "\x00" not in page
    assert "http" not in page.replace("http-equiv", "")


def test_validation_rows_stand_in_and_it_is_said(trained: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    shutil.copytree(trained / "adapters" / "sft", out / "adapters" / "sft")
    export = tmp_path / "export"
    shutil.copytree(trained / "export", export)
    (export / "sft.test.jsonl").write_text("")
    found = compare(out, export, config(trained), limit=2, max_new_tokens=4)
    assert (found.models, found.split, found.rows, len(found.shown)) == (("base", "sft"), "valid", 5, 2)
    assert any("validation rows" in note for note in found.notes)
    assert any("2 of 5" in note for note in found.notes)
    assert found.wins == ()
    (export / "sft.valid.jsonl").write_text("")
    only = compare(out, export, config(trained), prompts=["What does Anna like?"], max_new_tokens=8)
    assert (only.split, len(only.shown)) == ("", 1)
    with pytest.raises(TrainingError, match="nothing to compare on"):
        compare(out, export, config(trained))


def test_nothing_trained_is_a_sentence(trained: Path, tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="nothing trained"):
        compare(tmp_path, trained / "export", config(trained))
    shutil.copytree(trained / "adapters" / "sft", tmp_path / "adapters" / "sft")
    (tmp_path / "adapters" / "sft" / "adapter_model.safetensors").write_bytes(b"no")
    with pytest.raises(TrainingError, match="do not fit the base"):
        compare(tmp_path, trained / "export", config(trained))


def test_a_prompt_without_room_is_not_asked(trained: Path) -> None:
    variants = Variants(trained, config(trained))
    with variants.use("base") as model:
        said = answers(
            model,
            variants.tokenizer(),
            [[{"role": "user", "content": "word " * 500}], [{"role": "user", "content": "\ud800"}]],
            max_new_tokens=4,
        )
    assert said[0].refused
    assert (said[0].text, said[0].tokens) == ("", 0)
    assert not said[1].refused
    assert said[1].tokens == 4


@pytest.mark.parametrize(
    ("low", "high", "better", "wanted"),
    [
        (0.1, 0.2, "higher", "better"),
        (0.1, 0.2, "lower", "worse"),
        (-0.2, -0.1, "lower", "better"),
        (-0.2, -0.1, "higher", "worse"),
        (-0.1, 0.1, "higher", "unclear"),
        (0.0, 0.1, "higher", "unclear"),
        (None, None, "higher", "unclear"),
    ],
)
def test_verdicts(low: float | None, high: float | None, better: Any, wanted: str) -> None:
    assert verdict(Interval(0.0, low, high, 9), better) == wanted


@pytest.mark.skipif(not shutil.which("chromium"), reason="no Chromium here")
def test_in_a_browser_it_is_accessible_and_asks_for_nothing(trained: Path, found: Comparison) -> None:
    sync = pytest.importorskip("playwright.sync_api")
    axe = pytest.importorskip("axe_playwright_python.sync_playwright")
    with sync.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        for width, scheme in ((1280, "light"), (1280, "dark"), (390, "light")):
            tab = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
            told: list[str] = []
            tab.on("console", lambda message, told=told: told.append(message.text))
            tab.on("pageerror", lambda error, told=told: told.append(str(error)))
            tab.on("dialog", lambda dialog, told=told: told.append(dialog.message))
            asked: list[str] = []
            tab.on("request", lambda request, asked=asked: asked.append(request.url))
            tab.goto((trained / "compare.html").as_uri())
            assert tab.evaluate("document.documentElement.scrollWidth") <= width
            tab.keyboard.press("j")
            tab.keyboard.press("j")
            assert tab.evaluate("document.activeElement.getAttribute('aria-label')") == "Prompt 2"
            tab.fill("#search", "Cleo like?")
            assert tab.evaluate("document.querySelectorAll('.shown:not([hidden])').length") == 1
            tab.fill("#search", "")
            problems = axe.Axe().run(tab).response["violations"]
            assert not problems, [(p["id"], [n["html"] for n in p["nodes"]][:3]) for p in problems]
            assert not told
            assert len(asked) == 1
        browser.close()
