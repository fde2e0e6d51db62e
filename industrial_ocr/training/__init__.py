"""Trains the networks on rendered pictures, and adapts them to new pictures."""

from industrial_ocr.errors import require

require("train", "torch", "timm", "safetensors", "albumentations", "onnxscript", "scipy")
