"""Networks take memory only as long as somebody uses them."""

from __future__ import annotations

import gc
import weakref

from industrial_ocr.inference.loading import Loader


def test_a_network_that_nobody_uses_is_freed_without_a_garbage_collection() -> None:
    loader = Loader()
    network = loader.classifier(None).network
    network.load()
    freed = weakref.ref(network)
    gc.disable()
    try:
        del network, loader
        assert freed() is None
    finally:
        gc.enable()
