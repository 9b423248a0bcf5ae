"""A way for Hypothesis to draw each example by itself.

By default it draws most examples as variations of earlier ones, and hundreds of them may look alike: in programmes with
a dozen kinds of triggers and actions, half of the kinds hardly ever came up. An alternative backend is asked for every
example anew; this one draws as Hypothesis itself does. What fails is shrunk as ever.
"""

from hypothesis.internal.conjecture.providers import AVAILABLE_PROVIDERS, HypothesisProvider

BACKEND = "independent"


class Independent(HypothesisProvider):
    """Draws as Hypothesis itself does, but that nothing is a variation of what was drawn before."""


AVAILABLE_PROVIDERS[BACKEND] = f"{__name__}.{Independent.__name__}"
