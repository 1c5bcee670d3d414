"""The model card says what was done and measured, and what was not; and what goes to the hub."""

from __future__ import annotations

import contextlib
import json
import re
import sys
import threading
from collections.abc import Iterator
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests import fakehub
from tests.training.shapes import dpo, sft
from tests.training.test_page import EVIL, JSON, record
from training import card, hub
from training.config import TrainConfig
from training.errors import StoppedTraining, TrainingError


def finished(out: Path, **more: Any) -> Path:
    """The output folder of a training with made-up figures."""
    noted = record(config=TrainConfig().model_dump(mode="json"))
    noted.update(more)
    (out / "adapters" / "sft").mkdir(parents=True)
    (out / "adapters" / "sft" / "adapter_config.json").write_text("{}")
    (out / "adapters" / "sft" / "adapter_model.safetensors").write_bytes(b"adapter")
    (out / "merged").mkdir()
    (out / "merged" / "config.json").write_text("{}")
    (out / "merged" / "model.safetensors").write_bytes(b"weights" * 1000)
    (out / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in sft() + dpo()))
    (out / "training.json").write_text(json.dumps(noted))
    return out


def comparison() -> dict[str, Any]:
    values = {name: {"value": v, "low": v - 0.1, "high": v + 0.1} for name, v in {"base": 2.5, "sft": 1.25}.items()}
    change = {"before": "base", "after": "sft", "by": {"value": -1.25, "low": -1.4, "high": -1.1}, "verdict": "better"}
    line = {"name": "loss per token", "group": "replies", "better": "lower", "values": values, "changes": [change]}
    return {"base": "x", "models": ["base", "sft"], "figures": [line]}


def front(text: str) -> dict[str, Any]:
    _, head, _ = text.split("---\n", 2)
    found: dict[str, Any] = yaml.safe_load(head)
    return found


def test_the_card_has_data_settings_curves_and_limits(tmp_path: Path) -> None:
    text = card.write(finished(tmp_path)).read_text(encoding="utf-8")
    assert front(text) == {
        "library_name": "transformers",
        "pipeline_tag": "text-generation",
        "base_model": "Qwen/Qwen2.5-0.5B-Instruct",
        "base_model_relation": "finetune",
        "tags": ["datagen", "trl", "sft", "dpo", "qlora"],
    }
    for part in (
        "It went well.",
        "Loss falls from",
        "Margin rises from",
        "`sft.train.jsonl` | 417 |",
        "ab" * 32,
        "| `sft.learning_rate` | 0.0001 |",
        "| `dpo.beta` | 0.1 |",
        "| `lora.rank` | 16 |",
        "It was not compared with its base",
        "It was not tested for safety",
        "no logit is further than 3.0e-07",
        "12 min 34 s",
        "`adapters/sft`",
    ):
        assert part in text, part
    assert "toy" not in text.lower()


def test_a_comparison_is_a_table(tmp_path: Path) -> None:
    out = finished(tmp_path)
    (out / "compare.json").write_text(json.dumps(comparison()))
    text = card.render(out)
    assert "| replies: loss per token (lower is better) | 2.5 | 1.25 | better |" in text
    assert "| figure | base | sft | verdict |" in text
    assert "not compared" not in text


def test_a_tiny_base_is_called_a_toy_and_no_base_is_named(tmp_path: Path) -> None:
    text = card.render(finished(tmp_path, config=TrainConfig(base="tiny").model_dump(mode="json")))
    assert "# A toy model" in text
    assert "**This is a toy.**" in text
    assert "base_model" not in front(text)
    assert "toy" in front(text)["tags"]


def test_no_path_of_this_machine_is_in_it(tmp_path: Path) -> None:
    base = tmp_path / "models" / "mine"
    base.mkdir(parents=True)
    config = TrainConfig(base=str(base), chat_template=str(tmp_path / "t.jinja")).model_dump(mode="json")
    data = {str(tmp_path / "rows.jsonl"): {"sha256": "ef" * 32, "rows": 3}}
    text = card.render(finished(tmp_path / "out", config=config, data=data))
    assert str(tmp_path) not in text
    assert "Fine-tuned from mine" in text
    assert "`rows.jsonl`" in text


def test_nothing_of_the_files_becomes_markup(tmp_path: Path) -> None:
    noted = record(config={"base": EVIL, "method": EVIL, "sft": {"schedule": EVIL}}, git=EVIL, versions={EVIL: EVIL})
    noted.update(data={EVIL: {"sha256": EVIL}}, merge={"said": EVIL + "\n# heading\n| a | b |"})
    text = card.render(finished(tmp_path, **noted))
    assert "<script>" not in re.sub(r"`[^`\n]*`", "", text)  # a code span shows what is in it
    assert "\n# heading" not in text
    assert front(text)["library_name"] == "transformers"


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.dictionaries(st.sampled_from(sorted(record())), JSON, max_size=9), JSON)
def test_whatever_stands_in_the_files_a_card_comes_of_it(tmp_path: Path, noted: Any, compared: Any) -> None:
    (tmp_path / "training.json").write_text(json.dumps(noted))
    (tmp_path / "compare.json").write_text(json.dumps({"figures": compared}))
    assert "## Limits" in card.render(tmp_path)


def test_a_folder_that_is_gone_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(StoppedTraining, match="could not be written"):
        card.write(tmp_path / "missing")


# The hub: a server on this machine that speaks what huggingface_hub sends


class _Handler(fakehub._Handler):
    """The same for models: their addresses have no kind in them, and their tags are those of the card."""

    def _known(self, path: str, body: bytes) -> None:
        path = path.replace("/api/models/", "/api/datasets/")
        path = re.sub(r"^/(?!api|datasets)([^/]+/[^/]+\.git/)", r"/datasets/\1", path)
        super()._known(path, body)

    def _answer(self, status: int, value: Any) -> None:
        if "siblings" in value:
            text = self.hub.repositories[value["id"]].files.get("README.md", b"").decode()
            value["tags"] = front(text).get("tags", []) if text.startswith("---\n") else []
        super()._answer(status, value)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[fakehub.FakeHub]:
    pytest.importorskip("huggingface_hub", reason="no huggingface_hub: it is in the extra hub")
    import huggingface_hub.constants as constants

    with contextlib.ExitStack() as stack:
        known = fakehub.FakeHub()
        httpd = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"hub": known}))
        known.url = f"http://127.0.0.1:{httpd.server_port}"
        thread = threading.Thread(target=httpd.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        stack.callback(thread.join)
        stack.callback(httpd.server_close)
        stack.callback(httpd.shutdown)
        template = known.url + "/{repo_id}/resolve/{revision}/{filename}"
        monkeypatch.setattr(constants, "ENDPOINT", known.url)
        monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
        monkeypatch.setattr("huggingface_hub.hf_api.ENDPOINT", known.url, raising=False)
        monkeypatch.setenv("HF_ENDPOINT", known.url)
        monkeypatch.setenv("HF_TOKEN", known.token)
        monkeypatch.setenv("HF_HUB_DISABLE_PROGRESS_BARS", "1")
        yield known


def test_model_card_and_adapters_go_up_in_one_commit(server: fakehub.FakeHub, tmp_path: Path) -> None:
    out = finished(tmp_path)
    card.write(out)
    said: list[str] = []
    hub.push(out, "somebody/pumps", say=said.append)
    repository = server.repositories["somebody/pumps"]
    assert repository.private
    assert repository.commits == 1
    assert set(repository.files) == {
        "README.md", "config.json", "model.safetensors", "adapters/sft/adapter_config.json",
        "adapters/sft/adapter_model.safetensors",
    }  # fmt: skip
    assert repository.files["model.safetensors"] == b"weights" * 1000
    assert "Uploading 5 files" in said[0]
    # Again: it is ours, so it may be replaced; what is no longer there goes.
    (out / "adapters/sft/adapter_model.safetensors").unlink()
    hub.push(out, "somebody/pumps")
    assert "adapters/sft/adapter_model.safetensors" not in repository.files


def test_what_is_not_ours_and_what_is_public_is_refused(server: fakehub.FakeHub, tmp_path: Path) -> None:
    out = finished(tmp_path)
    card.write(out)
    server.repositories["somebody/other"] = fakehub.Repository(True, {"README.md": b"---\ntags: [mine]\n---\n# Mine\n"})
    with pytest.raises(TrainingError, match="holds something else"):
        hub.push(out, "somebody/other")
    server.repositories["somebody/open"] = fakehub.Repository(False)
    with pytest.raises(TrainingError, match="is public"):
        hub.push(out, "somebody/open")
    hub.push(out, "somebody/open", public=True)
    assert server.repositories["somebody/open"].commits == 1


def test_every_failure_of_the_hub_is_one_sentence(
    server: fakehub.FakeHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = finished(tmp_path / "out")
    with pytest.raises(TrainingError, match="no model card"):
        hub.push(out, "somebody/pumps")
    card.write(out)
    with pytest.raises(TrainingError, match="no name of a repository"):
        hub.push(out, "some body/../x")
    server.fail_commit = 400
    with pytest.raises(StoppedTraining, match="did not take the upload"):
        hub.push(out, "somebody/pumps")
    monkeypatch.setenv("HF_TOKEN", "hf_wrong")
    with pytest.raises(TrainingError, match=r"refuses the upload .* 401") as raised:
        hub.push(out, "somebody/pumps")
    assert raised.value.exit_code == 2
    assert "hf_wrong" not in str(raised.value)
    monkeypatch.delenv("HF_TOKEN")
    monkeypatch.setattr("huggingface_hub.get_token", lambda: None)
    with pytest.raises(TrainingError, match="no token"):
        hub.push(out, "somebody/pumps")
    with pytest.raises(TrainingError, match="no trained model"):
        hub.push(tmp_path, "somebody/pumps")


def test_a_missing_client_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = finished(tmp_path)
    card.write(out)
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(TrainingError, match="huggingface_hub is not installed"):
        hub.push(out, "somebody/pumps")
