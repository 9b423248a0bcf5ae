"""A way for Hypothesis to draw each example by itself.

By default it draws most examples as variations of earlier ones, and hundreds of them may look alike: in programmes with
a dozen kinds of triggers and actions, half of the kinds hardly ever came up. An alternative backend is asked for every
example anew; this one draws as Hypothesis itself does, but for constants that it finds in whatever modules are loaded:
with them the same seed gave other examples whenever other tests ran before.
"""

from typing import Any

from hypothesis.internal.conjecture.providers import AVAILABLE_PROVIDERS, HypothesisProvider

BACKEND = "independent"


class Independent(HypothesisProvider):
    """Draws by the seed alone: no variation of what was drawn before, nothing out of the modules that are loaded."""

    def _maybe_draw_constant(self, *_arguments: Any, **_options: Any) -> None:
        return None


AVAILABLE_PROVIDERS[BACKEND] = f"{__name__}.{Independent.__name__}"
