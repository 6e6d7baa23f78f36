"""What the recommender may be tuned by: weights, half-lives. Pure data with its defaults."""

from typing import Annotated

from msgspec import Meta, Struct, field

HOUR_S = 3_600.0
DAY_S = 86_400.0

RATING = "rating"
"""The one action whose weight depends on the event's `value`, 1 to 5."""

CANARY = "canary"
"""The one action without weight: it goes all the way and changes nobody's taste."""


def default_weights() -> dict[str, float]:
    """Action weights of a new installation."""
    return {
        "view": 1.0,
        "click": 2.0,
        "like": 3.0,
        "dislike": -3.0,
        "hide": -3.0,
        "share": 3.0,
        "comment": 2.0,
        "cart": 3.0,
        "purchase": 4.0,
        RATING: 3.0,
    }


class Diversity(Struct, frozen=True, kw_only=True):
    """How much a list avoids sameness; `strength` 0 and both shares 1 leave it as it was ranked."""

    strength: Annotated[float, Meta(ge=0, le=1)] = 0.05
    """Of the similarity to what the list has already, against the relevance."""
    author_share: Annotated[float, Meta(gt=0, le=1)] = 0.4
    """Of the places of a list that one author may take; rounded up."""
    category_share: Annotated[float, Meta(gt=0, le=1)] = 1.0
    """The same for a category; a list that is asked for by category is free of it."""


class Tuning(Struct, frozen=True, kw_only=True):
    """The tunable part of the recommender, kept as one versioned document in table `setting`.

    The half-lives may change only through a rebuild, as every stored state is decayed by them.
    """

    half_life_long_s: Annotated[float, Meta(gt=0)] = 30 * DAY_S
    half_life_short_s: Annotated[float, Meta(gt=0)] = 6 * HOUR_S
    generation: int = 1
    """Of the half-lives; every stored state carries the one it was computed with."""
    action_weights: dict[str, float] = field(default_factory=default_weights)
    excluding_actions: frozenset[str] = frozenset({"hide", "dislike", "purchase"})
    """An item stays out of a user's recommendations for ever after one of these."""

    diversity: Diversity = field(default_factory=Diversity)

    @property
    def half_lives_s(self) -> tuple[float, float]:
        """Long and short, in the order of the state's rows."""
        return self.half_life_long_s, self.half_life_short_s
