"""``datagen doctor``: what is installed, which model answers, what would be used."""

from __future__ import annotations

import platform
import shutil
import subprocess
from importlib import util
from typing import Any

from datagen import __version__, models, results
from datagen import config as settings
from datagen.core.errors import DatagenError
from datagen.llm.problems import redacted

# What each extra adds: the extra, the modules that show it is there, what it is for.
EXTRAS = (
    ("batch", ("openai",), "the Batch API"),
    ("hub", ("huggingface_hub",), "pushing exports to the hub"),
    ("semantic", ("sentence_transformers", "datasketch"), "semantic duplicates"),
    ("pii", ("presidio_analyzer", "faker"), "personal data"),
    ("secrets", ("detect_secrets",), "more kinds of keys and passwords"),
    ("vllm", ("vllm",), "a local model server"),
    ("train", ("torch", "trl", "peft", "bitsandbytes"), "fine-tuning"),
    ("ray", ("ray",), "more than one machine"),
)
USED = frozenset({"batch", "hub", "vllm", "semantic", "pii", "secrets"})  # by this version


def doctor(base_url: str | None = None, provider: str | None = None) -> dict[str, Any]:
    """Look at this machine and at the endpoint ``run`` would use. Asks ``/models`` and nothing else."""
    options = {"generator.base_url": base_url, "generator.provider": provider}
    named = {key: value for key, value in options.items() if value}
    config = settings.load(settings.default_file(), values=named)
    url = models.endpoint_url(config)
    endpoint: dict[str, Any] = {"url": redacted(url), "models": [], "problem": ""}
    if url:
        try:
            endpoint["models"] = _models(config, url)
        except DatagenError as error:
            endpoint["problem"] = f"{error.what} {error.why} {error.fix}"
    return {
        "datagen": __version__,
        "python": platform.python_version(),
        "platform": f"{platform.system()} {platform.machine()}",
        "free_disk_gb": round(shutil.disk_usage(".").free / 1e9, 1),
        "gpu": _gpu(),
        "extras": {name: all(util.find_spec(m) is not None for m in modules) for name, modules, _ in EXTRAS},
        "endpoint": endpoint,
        "would_use": _would_use(config),
        "libraries": results.versions(),
    }


def _would_use(config: settings.Config) -> str:
    """The backend of a run with this configuration."""
    if models.starts_vllm(config):
        return "vllm"
    if not models.uses_model(config):
        return "extractive"
    return "batch" if config.generator.backend == "batch" else "openai"


def _gpu() -> bool:
    """Does an NVIDIA driver list a GPU? The tool alone may be there without one."""
    tool = shutil.which("nvidia-smi")
    if tool is None:
        return False
    try:
        listed = subprocess.run([tool, "-L"], capture_output=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return listed.returncode == 0 and listed.stdout.startswith(b"GPU")


def _models(config: settings.Config, url: str) -> list[str]:
    from datagen.llm.connect import Endpoint, close, list_models

    endpoint = Endpoint(
        base_url=url,
        api_key_env=models.key_variable(config),
        provider=config.generator.provider,
        client=config.client,
    )
    try:
        return list(list_models(endpoint))
    finally:
        close()


def text(state: dict[str, Any]) -> str:
    """For people."""
    lines = [f"datagen {state['datagen']}, Python {state['python']}, {state['platform']}"]
    lines.append(f"free disk  {state['free_disk_gb']} GB")
    lines.append(f"GPU        {'found' if state['gpu'] else 'none found'}")
    present = [name for name, _modules, _purpose in EXTRAS if state["extras"][name]]
    lines.append(f"extras     installed: {', '.join(present) or 'none'}")
    lines += [f"           {name}: {purpose}{'' if name in USED else ' (not used yet)'}" for name, _, purpose in EXTRAS]
    endpoint = state["endpoint"]
    if not endpoint["url"]:
        lines.append("endpoint   none named (--base-url, --provider, OPENAI_BASE_URL or OPENAI_API_KEY)")
    elif endpoint["problem"]:
        lines.append(f"endpoint   {endpoint['url']}: {endpoint['problem']}")
    else:
        lines.append(f"endpoint   {endpoint['url']} offers {', '.join(endpoint['models'][:10]) or 'no model'}")
    if state["would_use"] == "extractive":
        lines.append("run uses   extractive rules and heuristic scores: no language model")
    elif endpoint["problem"]:
        lines.append("run uses   nothing: it would stop at once, because the endpoint does not answer as it should")
    elif state["would_use"] == "vllm":
        lines.append("run uses   vLLM, which it starts and minds itself")
    else:
        lines.append(f"run uses   {endpoint['url']}")
    return "\n".join(lines)
