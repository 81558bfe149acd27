"""What there is to be right by without looking: by one answer to all pairs, or from one image of each."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from twofold.data.relations import Relation


@dataclass(frozen=True)
class Chance:
    """Fractions of pairs: those of which the relation holds, and those on which who sees one image errs at least, where
    that is known."""

    true_share: float
    one_image_error: float | None

    @property
    def error(self) -> float:
        """The error of the best constant answer, which is the commoner one."""
        return min(self.true_share, 1 - self.true_share)


def chance_of(relation: Relation, *, balance: bool, counts: Int[np.ndarray, " classes"] | None = None) -> Chance:
    """Chance in pairs drawn from so many images of each class; without `counts` from many images, of all alike.

    Two different images are of the classes a and b with the probability n_a (n_b - [a = b]) / (n (n - 1)). Who sees the
    first image alone gives for each of its classes the commoner answer, and errs with the sum over these classes of the
    rarer one's probability; likewise the second: the smaller sum is the error from one image. With `balance` it is not
    known: which images are left for pairs of the commoner answer depends on how the others were paired.
    """
    likely = _pairs(len(relation.answers), counts)
    if balance:
        both = likely[relation.answers].any() and likely[~relation.answers].any()
        return Chance(0.5 if both else float(likely[relation.answers].any()), None)
    true = np.where(relation.answers, likely, 0.0)
    of_one_image = (np.minimum(true.sum(axis), (likely - true).sum(axis)).sum() for axis in (0, 1))
    return Chance(_fraction(true.sum()), _fraction(min(of_one_image)))


def _pairs(classes: int, counts: Int[np.ndarray, " classes"] | None) -> Float[np.ndarray, "classes classes"]:
    """The probability of each two classes."""
    if counts is None:
        return np.full((classes, classes), 1 / classes**2)
    likely = np.outer(counts, counts) - np.diag(counts).astype(float)
    return likely / max(likely.sum(), 1.0)


def _fraction(value: float) -> float:
    """Without what rounding leaves: 0.45 of a hundred summands."""
    return round(float(value), 12)
