"""Where networks run."""

from __future__ import annotations

import torch

from industrial_ocr.errors import ConfigError


def resolve_device(name: str) -> torch.device:
    """The device of a name; ``auto`` is CUDA where there is a device, else the CPU.

    Raises:
        ConfigError: an unknown device, or one that is not there.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise ConfigError(
            f"device {name!r} is unknown or not available here; use 'auto', 'cpu' or 'cuda'"
        ) from error
    return device


def has_fast_bf16(device: torch.device) -> bool:
    """Whether a device computes in bfloat16 faster than in float32: most GPUs, CPUs with AMX."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported()
    return bool(torch.cpu._is_amx_tile_supported())
