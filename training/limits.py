"""How much memory there is to plan for."""

from __future__ import annotations

import re
from pathlib import Path

from training.config import TrainConfig
from training.errors import TrainingError
from training.memory import Device

_UNITS = {"": 10**9, "g": 10**9, "gb": 10**9, "gib": 2**30, "m": 10**6, "mb": 10**6, "mib": 2**20}


def parse(text: str) -> int:
    """Bytes of ``16GB`` (1e9 each), ``16GiB`` (2**30 each), ``800MB`` or ``16`` (GB).

    Raises:
        TrainingError: none of these, or nothing at all.
    """
    found = re.fullmatch(r"\s*([0-9]{1,9}(?:\.[0-9]{1,6})?)\s*([a-zA-Z]{0,3})\s*", text)
    if found is None or found[2].lower() not in _UNITS or float(found[1]) <= 0:
        raise TrainingError(
            f"{text[:40]!a} is no amount of memory.",
            "It is a number with GB, GiB or MB.",
            "Write it as in --vram 16GB.",
        )
    return int(float(found[1]) * _UNITS[found[2].lower()])


def limit_of(config: TrainConfig, device: Device) -> tuple[int, str]:
    """Bytes that training may take, and where the figure is from: ``vram``, or what is free here now.

    A plan for a GPU made where there is none, without ``vram``, is held against main memory, and says so.

    Raises:
        TrainingError: ``vram`` is no amount of memory.
    """
    if config.vram:
        return parse(config.vram), "as given"
    if device == "cuda":
        import torch

        if torch.cuda.is_available():
            free, whole = torch.cuda.mem_get_info()
            return int(free), f"free on {torch.cuda.get_device_name()} of {whole / 1e9:.1f} GB"
    return _main_memory(), "main memory free here"


def _main_memory() -> int:
    """Bytes available, by the control group where that allows less (cgroup v2)."""
    import psutil  # type: ignore[import-untyped]

    free = int(psutil.virtual_memory().available)
    group = Path("/sys/fs/cgroup")
    try:
        most, used = (int((group / name).read_text()) for name in ("memory.max", "memory.current"))
    except (OSError, ValueError):  # no control group, or one without a limit
        return free
    return min(free, most - used)
