"""Big packages are loaded when first needed, off the event loop, and without stopping everyone else for it."""

import gc
import sys
import threading
from importlib import import_module

_lock = threading.Lock()


def load(*names: str) -> None:
    """Import the modules. Blocks for seconds the first time: call it in a thread.

    A pass of the garbage collector stops every thread, for 0.2 s once big packages are loaded. So there is none
    meanwhile, and later passes leave alone what is there by then: modules stay for good.
    """
    if all(name in sys.modules for name in names):
        return
    with _lock:
        gc.disable()
        try:
            for name in names:
                import_module(name)
        finally:
            gc.freeze()
            gc.enable()
