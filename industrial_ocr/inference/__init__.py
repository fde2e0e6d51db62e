"""Loads weights, whose hashes are checked, and runs networks on several backends."""

import os

# ONNX Runtime 1.29 and later send usage data to their maker, from a thread that also keeps a
# forked child from ending. It must be switched off before onnxruntime is imported.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
