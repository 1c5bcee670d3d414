"""The most memory that tensors took at once: what the estimate of :mod:`training.memory` is held against.

On a GPU the allocator keeps that figure itself. On a CPU nothing does, so every allocation and release that torch's
own allocator makes for a tensor is recorded (``torch.profiler``, ``profile_memory``) and added up: what autograd
saves, what an operation needs only inside itself, and gradients are in it, because they come from the same allocator.
Not in it: Python's own objects, and files mapped into memory.
"""

from __future__ import annotations

import gc
import os
import time
from types import TracebackType
from typing import Any

# The profiler announces each start and stop on standard error otherwise; read once, when it first starts.
os.environ.setdefault("KINETO_LOG_LEVEL", "99")


class Peak:
    """Counts while it is entered; ``bytes`` is the peak so far, read at any time.

    On a CPU, enter it when the model is loaded and before the trainer is built, or call :meth:`settle` then: tensors
    that live already are added as they stand (each storage once), while loading maps whole files that stay mapped as
    long as one tensor of them is used. What lived before it counts to the end, even where it is released.

    On a CPU it records each allocation, which makes small steps about 1.7 times as slow and fills memory until
    :meth:`step` adds up what was recorded: call it after each step, and :meth:`stop` when enough were seen.

    Args:
        device: "cpu" or "cuda" (with or without an index).
    """

    def __init__(self, device: str = "cpu") -> None:
        self.device = device
        self._running = False
        self._profiler: Any = None
        self._live = 0
        self._peak = 0

    @property
    def bytes(self) -> int:
        """The peak in bytes, of what was added up so far."""
        if self._running and self._on_gpu:
            import torch

            return max(self._peak, int(torch.cuda.max_memory_allocated(self.device)))
        return self._peak

    @property
    def live(self) -> int:
        """Bytes that lived when it was last added up."""
        return self._live

    @property
    def _on_gpu(self) -> bool:
        return self.device.startswith("cuda")

    def __enter__(self) -> Peak:
        import torch

        self._peak = 0
        self._running = True
        if self._on_gpu:
            torch.cuda.synchronize(self.device)
            torch.cuda.reset_peak_memory_stats(self.device)
            return self
        self._live = living()
        self._peak = self._live
        self._start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def step(self) -> None:
        """Add up what was recorded so far and forget it; on a GPU there is nothing to do."""
        if self._running and not self._on_gpu:
            self._fold()
            self._start()

    def settle(self) -> None:
        """On a CPU, forget what was counted and begin with what lives now; on a GPU there is nothing to forget."""
        if self._running and not self._on_gpu:
            self._fold()
            self._live = self._peak = living()
            self._start()

    def stop(self) -> None:
        """End the counting; what comes after is not seen. A second call does nothing."""
        if not self._running:
            return
        if self._on_gpu:
            import torch

            self._peak = self.bytes
            self._live = int(torch.cuda.memory_allocated(self.device))
        else:
            self._fold()
        self._running = False

    def _start(self) -> None:
        from torch.profiler import ProfilerActivity, profile

        self._profiler = profile(activities=[ProfilerActivity.CPU], profile_memory=True, acc_events=False)
        self._profiler.start()

    def _fold(self) -> None:
        """The recorded sizes are signed and in order of time; a release of what came before is 0."""
        profiler, self._profiler = self._profiler, None
        profiler.stop()
        sizes = sorted(
            (event.start_ns(), position, event.nbytes())
            for position, event in enumerate(profiler.profiler.kineto_results.events())
            if event.name() == "[memory]" and str(event.device_type()).endswith("CPU")
        )
        for _, _, size in sizes:
            self._live += size
            self._peak = max(self._peak, self._live)


def living(device: str = "cpu") -> int:
    """Bytes of the tensors that Python can reach on a device, each storage once (views and tied weights share one)."""
    import torch

    kinds, more = set[type](), [torch.Tensor]
    while more:
        kinds.add(kind := more.pop())
        more += kind.__subclasses__()
    seen: dict[int, int] = {}
    # type() and not isinstance(): lazy proxies among all objects answer isinstance by importing things. And a look
    # into a set, because there are a million of them.
    for found in [one for one in gc.get_objects() if type(one) in kinds]:
        if found.device.type == device.split(":")[0] and not found.is_sparse:
            storage = found.untyped_storage()
            seen[storage.data_ptr()] = storage.nbytes()
    return sum(seen.values())


def speed(device: str = "cpu") -> float:
    """Floating-point operations a second in one large multiplication, the fastest of four: nothing here is faster.

    In fp32 on a CPU and bf16 on a GPU; a small part of a second.
    """
    import torch

    gpu = device.startswith("cuda")
    width = 4096 if gpu else 512
    left = torch.ones(width, width, device=device, dtype=torch.bfloat16 if gpu else torch.float32)
    times = []
    for _ in range(4):
        start = time.perf_counter()
        product = left @ left
        product[0, 0].item()  # waits for the GPU
        times.append(time.perf_counter() - start)
    return float(2 * width**3 / min(times))
