"""What other programs get: Ollama's template, GGUF, configs. The same text, the same rows, the same settings."""

from __future__ import annotations

import ast
import json
import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

pytest.importorskip("transformers", reason="training is in the extra train")

from tests.training.chat_templates import FIT, UNFIT, with_template
from training import handover, tiny
from training.chat_form import NoForm, find
from training.config import DpoConfig, LoraConfig, SftConfig, TrainConfig
from training.errors import TrainingError
from training.handover import hand_over, modelfile

GOLDEN = Path(__file__).parent / "golden"
CONFIG = TrainConfig(
    base="Qwen/Qwen2.5-0.5B-Instruct",
    seed=7,
    max_length=1024,
    lora=LoraConfig(rank=32, alpha=64, dropout=0.05, rslora=True),
    sft=SftConfig(epochs=3, learning_rate=2e-4, batch=2, accumulation=8, neftune=5.0, weight_decay=0.01),
    dpo=DpoConfig(beta=0.2, learning_rate=5e-6, label_smoothing=0.1),
)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.make(tmp_path_factory.mktemp("base"), ["A pump moves water."] * 9, vocabulary=300, hidden=32, layers=1)


@pytest.fixture(scope="module")
def tokenizer(base: Path) -> Any:
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(str(base))


TALKS = [
    [("user", "How?")],
    [("system", "Be brief."), ("user", "How?")],
    [("user", "How?"), ("assistant", "So."), ("user", "And\n\n  then “{{ x }}” 水?")],
    [("system", "Two\nlines."), ("user", "a"), ("assistant", "b"), ("user", "c"), ("assistant", "d"), ("user", "e")],
]


def messages(talk: list[tuple[str, str]], system: bool) -> list[dict[str, str]]:
    return [{"role": r, "content": t} for r, t in talk if system or r != "system"]


@pytest.mark.parametrize("name", sorted(FIT))
def test_the_form_says_exactly_what_the_template_says(tokenizer: Any, name: str) -> None:
    one = with_template(tokenizer, FIT[name])
    form = find(one)
    for talk in TALKS:
        turns = messages(talk, system=form.where is not None)
        expected = one.apply_chat_template(turns, tokenize=False, add_generation_prompt=True)
        assert form.render(turns) == expected.removeprefix("<s>"), talk
    assert (form.where is None) == (name in {"brackets", "turns", "system-dropped"})


_GO = """
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"text/template"
)

type Message struct {
	Role    string
	Content string
}

type Case struct {
	Template string
	System   string
	Messages []*Message
}

func main() {
	var cases []Case
	if err := json.NewDecoder(os.Stdin).Decode(&cases); err != nil {
		panic(err)
	}
	for _, c := range cases {
		t, err := template.New("").Parse(c.Template)
		if err != nil {
			panic(err)
		}
		f, _ := os.CreateTemp("", "")
		if err := t.Execute(f, map[string]any{"System": c.System, "Messages": c.Messages}); err != nil {
			panic(err)
		}
		f.Close()
		text, _ := os.ReadFile(f.Name())
		os.Remove(f.Name())
		line, _ := json.Marshal(string(text))
		fmt.Println(string(line))
	}
}
"""


@pytest.mark.skipif(shutil.which("go") is None, reason="no Go: apt-get install golang-go")
def test_go_renders_what_the_chat_template_renders(tokenizer: Any, tmp_path: Path) -> None:
    """Ollama renders with Go's text/template, given the system message and all messages."""
    cases, expected = [], []
    for template in FIT.values():
        one = with_template(tokenizer, template)
        form = find(one)
        for talk in TALKS:
            turns = messages(talk, system=form.where is not None)
            system = next((t["content"] for t in turns if t["role"] == "system"), "")
            cases.append({"template": form.go(), "system": system, "messages": turns})
            text = one.apply_chat_template(turns, tokenize=False, add_generation_prompt=True)
            expected.append(text.removeprefix("<s>"))
    (tmp_path / "main.go").write_text(_GO)
    done = subprocess.run(
        ["go", "run", "main.go"],
        cwd=tmp_path,
        input=json.dumps(cases),
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "GOCACHE": str(tmp_path / "cache"), "GOFLAGS": "-mod=mod", "GO111MODULE": "off"},
    )
    assert [json.loads(line) for line in done.stdout.splitlines()] == expected


@pytest.mark.parametrize("name", sorted({"refuses-all", "no-jinja", "no-list", "texts-left-out"} & set(UNFIT)))
def test_what_cannot_be_said_in_that_form_is_said(tokenizer: Any, name: str) -> None:
    one = with_template(tokenizer, UNFIT[name])
    with pytest.raises(NoForm):
        find(one)
    text, about = modelfile(one, "./merged")
    assert "FROM ./merged" in text
    assert 'TEMPLATE "' not in text
    assert about.startswith("The Modelfile has no TEMPLATE: the chat template")


def test_a_template_that_counts_turns_or_breaks_the_file_is_refused(tokenizer: Any) -> None:
    counting = "{% for m in messages %}{{ loop.index ~ m['role'] + m['content'] }}{% endfor %}"
    for template in (counting, FIT["chatml"].replace("<|im_end|>", '"""'), None):
        with pytest.raises(NoForm):
            find(with_template(tokenizer, template))


def test_the_modelfile_of_chatml(tokenizer: Any) -> None:
    text, about = modelfile(tokenizer, "./merged")
    lines = text.splitlines()
    assert lines[1] == "FROM ./merged"
    assert 'PARAMETER stop "<|im_end|>"' in lines
    assert "<|im_start|>assistant" in text
    assert "the model's own chat template" in about


# The export that was trained on


def an_export(folder: Path, form: str = "messages", pairs: bool = True) -> Path:
    folder.mkdir(parents=True)
    said = [("What moves water?", "A pump."), ("What moves oil?", "A pump too.")]
    for split in ("train", "valid"):
        rows = []
        for i, (question, answer) in enumerate(said):
            turns = [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]
            plain = {"instruction": question, "input": "", "output": answer}
            rows.append({"id": str(i), **({"messages": turns} if form == "messages" else plain)})
        (folder / f"sft.{split}.jsonl").write_text("".join(json.dumps(r) + "\n" for r in rows))
    if pairs:
        pair = {
            "id": "p",
            "prompt": [{"role": "user", "content": "What moves water?"}],
            "chosen": [{"role": "assistant", "content": "A pump."}],
            "rejected": [{"role": "assistant", "content": "A stone."}],
        }
        (folder / "preference.train.jsonl").write_text(json.dumps(pair) + "\n")
    return folder


@pytest.fixture
def no_converter(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(handover, "find_converter", lambda: None)


@pytest.fixture
def run(tmp_path: Path, base: Path) -> Path:
    export = an_export(tmp_path / "run" / "export")
    shutil.copytree(base, tmp_path / "run" / "training" / "merged")
    return export


def _hand(run: Path, config: TrainConfig = CONFIG) -> tuple[Path, handover.Handover]:
    out = run.parent / "training"
    return out, hand_over(out, run, config)


@pytest.mark.usefixtures("no_converter")
def test_the_configs_are_the_golden_ones(run: Path) -> None:
    out, made = _hand(run)
    for name in made.files:
        if name.startswith("configs/") and "/data/" not in name:
            golden = GOLDEN / Path(name).relative_to("configs").as_posix().replace("/", "-")
            found = (out / name).read_text(encoding="utf-8")
            if os.environ.get("WRITE_GOLDEN"):
                golden.write_text(found, encoding="utf-8")
            assert found == golden.read_text(encoding="utf-8"), name
    assert {p.name for p in GOLDEN.iterdir()} == {
        "axolotl-sft.yml", "axolotl-dpo.yml", "llamafactory-sft.yaml", "llamafactory-dpo.yaml",
        "llamafactory-dataset_info.json", "unsloth-train.py",
    }  # fmt: skip


@pytest.mark.usefixtures("no_converter")
@pytest.mark.parametrize("form", ["messages", "alpaca"])
def test_every_path_leads_to_rows(tmp_path: Path, base: Path, form: str) -> None:
    export = an_export(tmp_path / "run" / "export", form)
    shutil.copytree(base, tmp_path / "run" / "training" / "merged")
    out, _ = _hand(export)
    axolotl, factory = out / "configs" / "axolotl", out / "configs" / "llamafactory"
    sft = yaml.safe_load((axolotl / "sft.yml").read_text())
    dpo = yaml.safe_load((axolotl / "dpo.yml").read_text())
    info = json.loads((factory / "dataset_info.json").read_text())
    used = [axolotl / d["path"] for d in (*sft["datasets"], *sft["test_datasets"], *dpo["datasets"])]
    used += [factory / one["file_name"] for one in info.values()]
    for path in used:
        first = json.loads(path.read_text().splitlines()[0])
        assert (
            first["messages"][0]["role"] == "user" if "messages" in first else first["chosen"]["content"] == "A pump."
        )
    where = (axolotl / sft["datasets"][0]["path"]).resolve()
    assert (where == (export / "sft.train.jsonl").resolve()) == (form == "messages")


@pytest.mark.usefixtures("no_converter")
def test_settings_are_the_same_everywhere(run: Path) -> None:
    out, _ = _hand(run)
    axolotl = yaml.safe_load((out / "configs/axolotl/sft.yml").read_text())
    factory = yaml.safe_load((out / "configs/llamafactory/sft.yaml").read_text())
    unsloth = (out / "configs/unsloth/train.py").read_text()
    for ours, one, two in (
        (2e-4, "learning_rate", "learning_rate"),
        (3.0, "num_epochs", "num_train_epochs"),
        (2, "micro_batch_size", "per_device_train_batch_size"),
        (8, "gradient_accumulation_steps", "gradient_accumulation_steps"),
        (32, "lora_r", "lora_rank"),
        (64, "lora_alpha", "lora_alpha"),
        (0.05, "lora_dropout", "lora_dropout"),
        (1024, "sequence_len", "cutoff_len"),
        (0.01, "weight_decay", "weight_decay"),
        (5.0, "neftune_noise_alpha", "neftune_noise_alpha"),
        (7, "seed", "seed"),
    ):
        assert axolotl[one] == factory[two] == ours
        assert repr(ours) in unsloth
    pairs = yaml.safe_load((out / "configs/axolotl/dpo.yml").read_text())
    other = yaml.safe_load((out / "configs/llamafactory/dpo.yaml").read_text())
    assert pairs["rl_beta"] == other["pref_beta"] == 0.2
    assert pairs["dpo_label_smoothing"] == other["dpo_label_smoothing"] == 0.1
    # The reference is what SFT made, not the base.
    assert pairs["rl_adapter_ref_model"] is True
    assert pairs["lora_model_dir"] == axolotl["output_dir"]
    assert other["ref_model_adapters"] == other["adapter_name_or_path"] == factory["output_dir"]


def test_the_script_names_only_what_the_trainers_know() -> None:
    trl = pytest.importorskip("trl", reason="training is in the extra train")
    tree = ast.parse((GOLDEN / "unsloth-train.py").read_text(encoding="utf-8"))
    seen = 0
    for call in (n for n in ast.walk(tree) if isinstance(n, ast.Call) and isinstance(n.func, ast.Name)):
        kind = {"SFTConfig": trl.SFTConfig, "DPOConfig": trl.DPOConfig}.get(call.func.id)  # type: ignore[attr-defined]
        if kind is None:
            continue
        seen += 1
        settings = next(k.value for k in call.keywords if k.arg is None)
        assert isinstance(settings, ast.Call)
        named = {k.arg for k in settings.keywords if k.arg} | {"logging_steps", "seed", "optim", "report_to"}
        assert named <= set(kind.__dataclass_fields__), kind
    assert seen == 2


EVIL = "models/x'); import os; os.system('true') #\n\"\"\" - a: [b]"


@pytest.mark.usefixtures("no_converter")
@pytest.mark.parametrize("method", ["qlora", "lora", "full"])
@pytest.mark.parametrize("pairs", [True, False])
def test_all_of_them_can_be_read_whatever_the_base_is_called(
    tmp_path: Path, base: Path, method: Any, pairs: bool
) -> None:
    export = an_export(tmp_path / "run" / "export", pairs=pairs)
    shutil.copytree(base, tmp_path / "run" / "training" / "merged")
    out, made = _hand(export, CONFIG.model_copy(update={"base": EVIL, "method": method}))
    for name in made.files:
        path = out / name
        if path.suffix in (".yml", ".yaml"):
            found = yaml.safe_load(path.read_text())
            assert EVIL in (found.get("base_model"), found.get("model_name_or_path")) or "dpo" in name
        elif path.suffix == ".py":
            tree = ast.parse(path.read_text())
            names = [n.value for n in ast.walk(tree) if isinstance(n, ast.Constant) and n.value == EVIL]
            assert names
            imported = {a.name for n in ast.walk(tree) if isinstance(n, ast.Import) for a in n.names}
            assert "os" not in imported
    assert any("dpo" in name for name in made.files) == pairs


@pytest.mark.usefixtures("no_converter")
def test_what_cannot_be_named_is_said(run: Path) -> None:
    out, made = _hand(run, CONFIG.model_copy(update={"dpo": DpoConfig(method="kto")}))
    assert any("They end with SFT" in s for s in made.said)
    assert not any("dpo" in name for name in made.files)
    out, made = _hand(run, CONFIG.model_copy(update={"base": "tiny", "dpo": DpoConfig(loss="robust")}))
    assert any("tiny random one" in s for s in made.said)
    assert "The loss here is sigmoid: robust cannot be named." in (out / "configs/axolotl/dpo.yml").read_text()
    assert "The loss here is sigmoid: robust cannot be named." in (out / "configs/llamafactory/dpo.yaml").read_text()


# GGUF


_TAKES = """
import argparse, pathlib, sys
p = argparse.ArgumentParser()
p.add_argument('model')
p.add_argument('--outfile')
p.add_argument('--outtype')
a = p.parse_args()
"""


def a_converter(folder: Path, body: str) -> Path:
    """A program in the place of llama.cpp's: it takes the same arguments."""
    folder.mkdir()
    path = folder / handover.CONVERTER
    path.write_text(_TAKES + body)
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


def test_without_the_converter_the_command_is_told(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(handover.FOLDER, raising=False)
    monkeypatch.setenv("PATH", "")
    said: list[str] = []
    made = hand_over(run.parent / "training", run, CONFIG, say=said.append)
    assert "model.gguf" not in made.files
    assert any("python convert_hf_to_gguf.py merged --outfile model.gguf --outtype auto" in s for s in said)
    assert "FROM ./merged" in (run.parent / "training" / "Modelfile").read_text()


@pytest.mark.parametrize("by", ["folder", "path"])
def test_the_converter_is_found_and_the_modelfile_names_its_file(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, by: str
) -> None:
    body = "assert (pathlib.Path(a.model) / 'config.json').is_file()\npathlib.Path(a.outfile).write_bytes(b'GGUF')\n"
    folder = a_converter(tmp_path / "llama $(x) cpp", body).parent
    monkeypatch.setenv("PATH", str(folder) if by == "path" else "")
    if by == "folder":
        monkeypatch.setenv(handover.FOLDER, str(folder))
    out, made = _hand(run)
    assert (out / "model.gguf").read_bytes() == b"GGUF"
    assert "FROM ./model.gguf" in (out / "Modelfile").read_text()
    assert "model.gguf" in made.files


def test_a_converter_that_fails_is_quoted_and_leaves_nothing(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = "pathlib.Path(a.outfile).write_bytes(b'half')\nsys.exit('Model Qwen9 is not supported')\n"
    monkeypatch.setenv(handover.FOLDER, str(a_converter(tmp_path / "llama", body).parent))
    out, made = _hand(run)
    assert any("ended with 1 (Model Qwen9 is not supported)" in s for s in made.said)
    assert [p.name for p in out.iterdir() if "gguf" in p.name] == []
    assert "FROM ./merged" in (out / "Modelfile").read_text()


def test_no_merged_model_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="no merged model to hand over"):
        hand_over(tmp_path, tmp_path, CONFIG)


def test_the_command_is_a_list_for_this_python() -> None:
    assert handover.command(Path("c.py"), Path("m"), Path("g"))[0] == sys.executable
