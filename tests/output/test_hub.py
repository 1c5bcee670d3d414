"""Uploads to the hub: only an export's own files, private unless asked, nothing of others replaced."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from datagen.core.errors import UsageError
from datagen.core.record import Rejected
from datagen.output.export import write_exports
from datagen.output.hub import files_of, push
from tests.fakehub import FakeHub, Repository, serving
from tests.output.made import a_sample

pytest.importorskip("huggingface_hub")
# The client reads its environment when it is imported, so each upload is a process of its own.
_PUSH = """
import json, sys
from pathlib import Path
from datagen.core.errors import DatagenError
from datagen.output.hub import push
try:
    print(json.dumps({"url": push(Path(sys.argv[1]), sys.argv[2], public=sys.argv[3] == "1")}))
except DatagenError as error:
    print(json.dumps({"error": [error.what, error.why, error.fix]}))
"""


@pytest.fixture
def hub() -> Iterator[FakeHub]:
    with serving() as running:
        yield running


@pytest.fixture
def export(tmp_path: Path) -> Path:
    folder = tmp_path / "export"
    pair = a_sample("Which?", "This.", split="test", rejected=Rejected(content="That.", flaw="wrong_fact"))
    write_exports([a_sample(), pair], {"messages": folder})
    return folder


def _push(hub: FakeHub, folder: Path, repo: str, *, public: bool = False, **changed: str) -> dict[str, str]:
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("HF_", "HUGGING"))}
    environment |= {
        "HF_ENDPOINT": hub.url,
        "HF_TOKEN": hub.token,
        "HF_HOME": str(folder.parent / "home"),
        "HF_HUB_DISABLE_XET": "1",
        "HF_HUB_DISABLE_PROGRESS_BARS": "1",
        **changed,
    }
    done = subprocess.run(
        [sys.executable, "-c", _PUSH, str(folder), repo, str(int(public))],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    answer: dict[str, str] = json.loads(done.stdout.splitlines()[-1])
    return answer


def test_an_upload_is_private_and_holds_the_exports_files_alone(hub: FakeHub, export: Path) -> None:
    (export / "notes.txt").write_text("mine")
    (export / ".env").write_text("SECRET=1")
    (export / "sft.old.jsonl").write_text("{}\n")
    (export / "sub").mkdir()
    (export / "sub" / "sft.train.jsonl").write_text("{}\n")
    hub.large_from = (export / "lineage.jsonl").stat().st_size  # that one goes by LFS
    answer = _push(hub, export, "somebody/pumps")
    assert answer == {"url": f"{hub.url}/datasets/somebody/pumps"}
    made = hub.repositories["somebody/pumps"]
    assert made.private
    assert made.commits == 1
    wanted = {"README.md", "lineage.jsonl", "sft.train.jsonl", "sft.test.jsonl", "preference.test.jsonl"}
    assert made.files == {name: (export / name).read_bytes() for name in wanted}
    assert any(path.startswith("PUT /objects/") for path in hub.asked)


def test_a_second_upload_removes_what_the_first_had_more(hub: FakeHub, export: Path) -> None:
    before = {
        "README.md": b"-",
        "lineage.jsonl": b"-",
        "preference.train.jsonl": b"-",
        "sft/train-00000-of-00001.parquet": b"-",
    }
    hub.repositories["somebody/pumps"] = Repository(private=True, files={**before, "LICENSE": b"mine"})
    assert "url" in _push(hub, export, "pumps")
    left = hub.repositories["somebody/pumps"].files
    assert set(left) == {*files_of(export), "LICENSE"}
    assert left["LICENSE"] == b"mine"


def test_public_only_when_asked(hub: FakeHub, export: Path) -> None:
    assert "url" in _push(hub, export, "somebody/open", public=True)
    assert not hub.repositories["somebody/open"].private
    hub.repositories["somebody/shown"] = Repository(private=False)
    answer = _push(hub, export, "somebody/shown")
    assert "is public" in answer["error"][0]
    assert "--public" in answer["error"][2]
    assert hub.repositories["somebody/shown"].files == {}
    assert hub.repositories["somebody/shown"].commits == 0


def test_a_dataset_that_no_export_wrote_is_not_replaced(hub: FakeHub, export: Path) -> None:
    hub.repositories["somebody/other"] = Repository(private=True, files={"README.md": b"years of work"})
    answer = _push(hub, export, "somebody/other")
    assert "holds something else" in answer["error"][0]
    assert hub.repositories["somebody/other"].files == {"README.md": b"years of work"}


def test_no_token_a_wrong_one_and_a_hub_that_fails_are_said(hub: FakeHub, export: Path) -> None:
    missing = _push(hub, export, "somebody/pumps", HF_TOKEN="")
    assert "no token" in missing["error"][0]
    assert hub.asked == [], "nothing is asked without a token"
    wrong = _push(hub, export, "somebody/pumps", HF_TOKEN="hf_wrong")
    assert "refuses" in wrong["error"][0]
    assert "HF_TOKEN" in wrong["error"][2]
    hub.fail_commit = 400
    failed = _push(hub, export, "somebody/pumps")
    assert "400" in failed["error"][1]
    assert hub.repositories["somebody/pumps"].files == {}
    away = _push(hub, export, "somebody/pumps", HF_HUB_OFFLINE="1")
    assert "could not be reached" in away["error"][0]
    for answer in (missing, wrong, failed, away):
        assert "hf_wrong" not in str(answer)


@pytest.mark.parametrize("repo", ["", "a/b/c", "../x", "has space/x", "-x/y", "x" * 200])
def test_a_name_that_is_none_is_refused_before_anything_is_asked(repo: str, export: Path) -> None:
    with pytest.raises(UsageError) as error:
        push(export, repo)
    assert "name of a repository" in error.value.what


def test_without_the_package_the_command_that_installs_it_is_named(
    export: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(UsageError) as error:
        push(export, "somebody/pumps")
    assert 'pip install "datagen[hub]"' in error.value.fix


def test_only_a_finished_export_is_uploaded(tmp_path: Path, export: Path) -> None:
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "README.md").write_text("# mine\n")
    for folder in (tmp_path / "missing", tmp_path / "other"):
        with pytest.raises(UsageError, match="holds no export"):
            files_of(folder)
    (export / "lineage.jsonl").unlink()
    with pytest.raises(UsageError, match="holds no export"):
        files_of(export)


def test_a_card_cannot_name_a_file_outside(export: Path, tmp_path: Path) -> None:
    (tmp_path / "sft.secret.jsonl").write_text("secret")
    (export / "sft.link.jsonl").symlink_to(tmp_path / "sft.secret.jsonl")
    (export / "sft").symlink_to(tmp_path)
    card = (export / "README.md").read_text()
    for name in ("../sft.secret.jsonl", "sft.link.jsonl", "sft/sft.secret.jsonl", "*"):
        (export / "README.md").write_text(card.replace("sft.test.jsonl", f"'{name}'", 1))
        assert all("secret" not in found and "link" not in found for found in files_of(export)), name


@pytest.mark.parametrize("name", ["parquet", "datasets", "kto"])
def test_every_layout_is_uploaded_whole(name: str, tmp_path: Path) -> None:
    pairs = [a_sample(f"Q{i}?", "Yes.", rejected=Rejected(content="No.", flaw="x")) for i in range(5)]
    counts = write_exports(pairs, {name: tmp_path}, shard_rows=2)[name]
    assert set(files_of(tmp_path)) == {"README.md", *(file for file, rows in counts.items() if rows)}
