"""The form in which a trained network takes images, and how a picture of any other comes into it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float

from twofold.data.arrays import prepared
from twofold.data.pictures import read_picture, resized
from twofold.data.preparation import prepare_digit
from twofold.data.reading import Part, Reading
from twofold.errors import DataError
from twofold.settings import SETTINGS

# Their digits were prepared in one way, which is done to pictures too.
_OF_DIGITS = ("mnist5k", "mnist")

_MOST_CHANNELS = 4

# By such a part of white the edge of a picture differs from those of the study's images before it is called inverted.
_APART = 0.1

# What a pixel of a picture in a file is at most.
_WHITE = 255.0


def edge_range(images: Float[np.ndarray, "n *channels h w"]) -> tuple[float, float]:
    """Between which means the outermost pixels of 99 of 100 images lie."""
    low, high = np.quantile(_edge_means(images), (0.005, 0.995))
    return float(low), float(high)


def white_of(record: Mapping[str, Any]) -> float | None:
    """What a white pixel is among the training images of a kept network: 255, 1, or None where nobody knows."""
    low, high = record.get("pixel_range", (0.0, _WHITE))
    if low < 0 or high > _WHITE:
        return None
    return 1.0 if high <= 1 else _WHITE


def _edge_means(images: Float[np.ndarray, "*n h w"]) -> Float[np.ndarray, " n"]:
    """The mean of the outermost pixels of each image, over all its channels."""
    edge = np.ones(images.shape[-2:], bool)
    edge[1:-1, 1:-1] = False
    return images[..., edge].reshape(len(images), -1).mean(axis=1, dtype=np.float64)


@dataclass(frozen=True)
class Form:
    """What images of a network are: `size` (height, width) before they are pooled `pool` by `pool`, so many `channels`.

    Pictures for a network of `digits` are prepared as MNIST's digits were, light on dark. Of others `edges` is what
    `edge_range` says of the training images, and None where an earlier version did not record it. `white` is what a
    white pixel is: 255, or 1 where the study's pixels are from 0 to 1, and None where theirs are of another scale.
    """

    size: tuple[int, int]
    pool: int
    channels: int
    digits: bool
    edges: tuple[float, float] | None = None
    white: float | None = _WHITE

    @classmethod
    def of(cls, record: Mapping[str, Any]) -> "Form":
        """The form that the record of a kept network says."""
        pool = record.get("pool", SETTINGS["pool"].default)
        height, width = record["image_size"]
        digits = record.get("data") in _OF_DIGITS
        edges = None if digits or "edge_range" not in record else tuple(record["edge_range"])
        size = (height * pool, width * pool)
        return cls(size, pool, record.get("channels", 1), digits, edges, white_of(record))

    def image(self, picture: str | np.ndarray) -> tuple[Float[np.ndarray, "*channels h w"], str]:
        """A picture as the network was trained on, but for its pixels' scale; and how a digit was read, else "".

        The picture is a file, or an array of pixels on the scale of the study's: one of the form's own size goes in as
        it is, and any other as a file does, brought to that size. Raises `DataError` where it cannot be read, or shows
        no digit, and for a file where nobody knows what its pixels would be on the study's scale.
        """
        if isinstance(picture, np.ndarray):
            planes = _planes(picture)
            if planes.shape[-2:] == self.size:
                return self._pooled(self._in_channels(planes)), ""
        elif self.digits:
            planes = _planes(read_picture(picture))
        else:
            if self.white is None:
                raise DataError(
                    "the study's pixels are not from 0 to 255, nor from 0 to 1: give arrays in an .npz, on its scale"
                )
            planes = _planes(read_picture(picture, self.size)) * (self.white / _WHITE)
        if self.digits:
            found = prepare_digit(_grey(planes))
            read = "light on dark" if found.light_on_dark else "dark on light"
            return self._pooled(self._sized(found.image[None])), read
        return self._pooled(self._sized(self._in_channels(planes))), ""

    def is_inverted(self, image: Float[np.ndarray, "*channels h w"]) -> bool | None:
        """Whether an image looks like the negative of the study's: its edge is light where theirs are dark, or dark.

        None where nothing is known of theirs, and of digits, which are turned light on dark.
        """
        if self.edges is None or self.white is None:
            return None
        low, high = self.edges[0] - _APART * self.white, self.edges[1] + _APART * self.white
        edge = float(_edge_means(image[None])[0])
        return not low <= edge <= high and low <= self.white - edge <= high

    def _in_channels(self, planes: np.ndarray) -> np.ndarray:
        """Grey in every channel, and colours as grey where there is one."""
        if len(planes) == self.channels:
            return planes
        if len(planes) == 1:
            return np.repeat(planes, self.channels, axis=0)
        if self.channels == 1 and len(planes) == 3:
            return _grey(planes)[None]
        raise DataError(f"it has {len(planes)} channels; the network was trained on images of {self.channels}")

    def _sized(self, planes: np.ndarray) -> np.ndarray:
        if planes.shape[-2:] == self.size:
            return planes
        return np.stack([resized(plane, self.size) for plane in planes])

    def _pooled(self, planes: np.ndarray) -> Float[np.ndarray, "*channels h w"]:
        images = planes if self.channels == 1 else planes[None]
        return prepared(Part(images, np.zeros(1), "it"), Reading(pool=self.pool), sized=True)[0]


def _planes(pixels: np.ndarray) -> np.ndarray:
    """Pixels (h, w), (channels, h, w) or (h, w, channels) as (channels, h, w)."""
    if pixels.ndim == 2:
        return pixels[None]
    planes = np.moveaxis(pixels, 2, 0) if pixels.shape[0] > _MOST_CHANNELS >= pixels.shape[2] else pixels
    if not 1 <= len(planes) <= _MOST_CHANNELS:
        raise DataError(f"it is an array of shape {pixels.shape}; an image has at most {_MOST_CHANNELS} channels")
    return planes


def _grey(planes: np.ndarray) -> np.ndarray:
    """The lightness of red, green and blue; what has one plane is grey."""
    if len(planes) != 3:
        return planes[0]
    weights = np.array([0.299, 0.587, 0.114])  # ITU-R 601, as Pillow has it
    return np.tensordot(weights, planes.astype(np.float64), axes=1)
