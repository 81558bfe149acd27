"""What a kept network answers to pairs of pictures."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float
from scipy.special import softmax

from twofold.data.asked import Pair
from twofold.data.form import Form
from twofold.errors import DataError, NetworkError
from twofold.export.trained import Kept
from twofold.training.outputs import Said, distances_of

# So many pairs are computed at once: their images lie in memory together.
_AT_ONCE = 2000

Row = dict[str, Any]


def answers_of(kept: Kept, pairs: Sequence[Pair]) -> Iterator[Row]:
    """A row for each pair, in order: what `predict` gives.

    A pair with a picture that cannot be read has the cause in `error`, and no answer. Raises `NetworkError` for a
    network whose outputs are no finite numbers.
    """
    form = Form.of(kept.record)
    for start in range(0, len(pairs), _AT_ONCE):
        some = [_prepared(pair, form) for pair in pairs[start : start + _AT_ONCE]]
        images = [both for _, both in some if both is not None]
        told = iter(_told(kept, np.stack(images)) if images else ())
        for row, both in some:
            yield row if both is None else {**row, **next(told)}


def _prepared(pair: Pair, form: Form) -> tuple[Row, Float[np.ndarray, "2 ..."] | None]:
    """What is known of a pair before it is asked about, and its images, unless one cannot be read."""
    row: Row = {
        "left": pair.names[0], "right": pair.names[1], "answer": None, "probability": None,
        "left_class": None, "left_probability": None, "right_class": None, "right_probability": None,
        "distance": None, "left_read_as": None, "right_read_as": None,
        "left_inverted": None, "right_inverted": None, "error": None,
    }  # fmt: skip
    images = []
    told_of: Row = {}
    for side, name, picture in zip(("left", "right"), pair.names, pair.pictures):
        try:
            image, read = form.image(picture)
        except DataError as error:
            told = str(error)
            return {**row, "error": told if isinstance(picture, str) and name in told else f"{name}: {told}"}, None
        images.append(image)
        told_of |= {f"{side}_read_as": read or None, f"{side}_inverted": form.is_inverted(image)}
    return {**row, **told_of}, np.stack(images)


def _told(kept: Kept, images: Float[np.ndarray, "n 2 ..."]) -> Iterator[Row]:
    record = kept.record
    with np.errstate(all="ignore"):  # what is not finite is refused below
        scaled = (images - record["pixel_mean"]) / record["pixel_deviation"]
    said = kept.outputs(scaled)
    if not all(np.isfinite(each).all() for each in said if each is not None):
        raise NetworkError(
            f"{record['network']} gives numbers that are not finite: it diverged in its training; name another network"
        )
    classes = _classes(kept, said)
    if said.embeddings is not None:
        for distance, seen in zip(distances_of(said.embeddings), classes):
            below = bool(distance < record["distance_threshold"])
            yield {"answer": below == kept.answer_below_threshold, "distance": float(distance), **seen}
        return
    for probabilities, seen in zip(softmax(np.asarray(said.logits, np.float64), axis=-1), classes):
        answer = int(probabilities.argmax())
        yield {"answer": bool(answer), "probability": float(probabilities[answer]), **seen}


def _classes(kept: Kept, said: Said) -> Iterator[Row]:
    """The class that is seen in each image, of a network that was trained to name them."""
    names = kept.relation.class_names
    if said.class_logits is None or not kept.names_classes:
        yield from ({} for _ in range(len(next(each for each in said if each is not None))))
        return
    for left, right in softmax(said.class_logits.astype(np.float64), axis=-1):
        yield {
            "left_class": names[left.argmax()],
            "left_probability": float(left.max()),
            "right_class": names[right.argmax()],
            "right_probability": float(right.max()),
        }
