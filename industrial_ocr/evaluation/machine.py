"""Describes the machine of a benchmark, and measures an engine in a new process."""

from __future__ import annotations

import importlib.metadata
import json
import os
import platform
import subprocess
import sys
import time
from contextlib import suppress
from datetime import datetime, timezone
from importlib.util import find_spec
from pathlib import Path
from typing import Any

OWN_PACKAGES = ("industrial-ocr", "torch", "torchvision", "timm", "numpy", "pillow")
OTHER_PACKAGES = ("rapidocr", "onnxruntime", "openvino", "pytesseract", "easyocr", "paddleocr")


def processor() -> str:
    """The name of the processor."""
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


def versions() -> dict[str, str]:
    """Installed versions of the packages that influence a result."""
    found = {"python": platform.python_version()}
    for name in (*OWN_PACKAGES, "opencv-python-headless", *OTHER_PACKAGES):
        with suppress(importlib.metadata.PackageNotFoundError):
            found[name] = importlib.metadata.version(name)
    return found


def describe_machine() -> dict[str, Any]:
    """Processor, cores usable by this process, system, accelerator, time."""
    accelerator = "none"
    if find_spec("torch") is not None:
        import torch

        if torch.cuda.is_available():
            accelerator = torch.cuda.get_device_name()
    affinity = getattr(os, "sched_getaffinity", None)
    return {
        "processor": processor(),
        "cores": len(affinity(0)) if affinity else os.cpu_count(),
        "system": platform.system(),
        "accelerator": accelerator,
        "date": datetime.now(timezone.utc).strftime("%Y-%m-%d"),
    }


def probe(engine: str, image: Path, options: dict[str, Any]) -> dict[str, float]:
    """Time to the first result and peak memory of an engine in a new process.

    The process reads one picture with the ``options`` of ``Reader``, within five minutes.

    Returns:
        ``first_result_s``, seconds from the start of the process to the reading, and ``peak_mb``,
        resident memory of the process or its largest child; empty if the process failed.
    """
    command = [sys.executable, "-m", "industrial_ocr.evaluation.machine", engine, str(image)]
    try:
        done = subprocess.run(
            [*command, json.dumps(options)], capture_output=True, text=True, timeout=300, check=True
        )
        return dict(json.loads(done.stdout.splitlines()[-1]))
    except (subprocess.SubprocessError, json.JSONDecodeError, IndexError):
        return {}


def _process_age() -> float:
    """Seconds since this process began, including the start of the interpreter."""
    with suppress(OSError, IndexError, ValueError):
        ticks = int(Path("/proc/self/stat").read_text().rsplit(")", 1)[1].split()[19])
        up = float(Path("/proc/uptime").read_text().split()[0])
        return up - ticks / os.sysconf("SC_CLK_TCK")
    return time.process_time()


def _peak_mb() -> float:
    """Peak resident memory of this process in MB, or of its largest child if that is more.

    ``ru_maxrss`` of the process itself is not used: Linux inherits it from the parent process.
    """
    import resource

    children = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    with suppress(OSError, IndexError, ValueError):
        status = Path("/proc/self/status").read_text().split("VmHWM:")[1]
        return max(int(status.split()[0]), children) / 1024
    own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return max(own, children) * (1 if sys.platform == "darwin" else 1024) / 2**20


def _main(engine: str, image: str, options: str) -> None:
    # Imported here, so that an engine of another package does not load ours.
    from industrial_ocr.evaluation.engines import make_engines
    from industrial_ocr.image.load import load_image

    def make_reader() -> Any:
        from industrial_ocr.reader.reader import Reader

        return Reader(**json.loads(options))

    engines, _ = make_engines([engine], make_reader)
    engines[0].read(load_image(image), "read")
    print(json.dumps({"first_result_s": round(_process_age(), 3), "peak_mb": round(_peak_mb(), 1)}))


if __name__ == "__main__":
    _main(*sys.argv[1:])
