"""Training of the networks on rendered pictures, and their adaptation to new ones."""

from industrial_ocr.errors import require

require("train", "torch", "timm", "safetensors", "albumentations", "onnxscript")
