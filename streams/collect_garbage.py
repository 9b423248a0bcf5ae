"""How often Python looks for cycles of objects that nobody holds any more: seldom.

A batch of 5,000 events makes about 110,000 objects that the collector watches, holds them to its commit, and makes no
cycles: they are freed as they are let go. At a threshold below a batch's size the collector walked through all of
them several times over, 13 of 80 µs per event, and found nothing. What cycles there are (the clients' exceptions and
tasks) may now amount to half a million objects, some 50 MB, before they are found.

While modules are imported nothing is looked for at all: they stay, and looking took a sixth of a stage's start.
"""

import gc

COLLECT_AFTER = (500_000, 20, 20)


def dont_collect_yet() -> None:
    """Look for nothing until `collect_seldom`."""
    gc.disable()


def collect_seldom() -> None:
    """Look for cycles in what is made from now on, each time that half a million objects more are held than before."""
    gc.freeze()  # modules, schemas and the engine stay to the end; what they left is a few thousand objects
    gc.set_threshold(*COLLECT_AFTER)
    gc.enable()
