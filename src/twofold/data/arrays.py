"""Arrays of images: what is checked of them, and how they are brought to a size and pooled, some at a time."""

import numpy as np
from jaxtyping import Float

from twofold.data.pictures import resized
from twofold.data.reading import MOST_BYTES, Part, Raw, Reading
from twofold.errors import DataError, counted

# After pooling. Networks may want more of an image, or less.
_LEAST_SIDE, _MOST_SIDE = 2, 1024

# Channels that an image may have: more are an axis of something else.
_MOST_CHANNELS = 4

# Sums of the squares of larger pixels are infinite in single precision.
_LARGEST_PIXEL = 1e15

# Numbers that are prepared at once.
_AT_ONCE = 32_000_000


def check_part(part: Part) -> Part:
    """The part with its channels, if any, before height and width; a single channel is none.

    Raises `DataError` where arrays are no images with a label each.
    """
    images, labels, origin = part
    if images.ndim not in (3, 4) or labels.ndim != 1:
        raise DataError(
            f"{origin} has images of shape {images.shape} and labels of shape {labels.shape}; "
            "they must be (n, h, w), (n, channels, h, w) or (n, h, w, channels), and (n,)"
        )
    if len(images) != len(labels):
        raise DataError(
            f"{origin} goes with {counted(len(labels), 'label')} but has {counted(len(images), 'image')}; "
            "they must be as many"
        )
    if not len(images):
        raise DataError(f"{origin} has no images; give some of each class")
    if images.dtype.kind not in "iufb" or labels.dtype.kind not in "iuf":
        raise DataError(
            f"{origin} has images of type {images.dtype} and labels of type {labels.dtype}; both must be numbers"
        )
    return Part(_channels_first(images, origin), labels, origin)


def check_sizes(raw: Raw, reading: Reading) -> None:
    """Raise `DataError` where training and test images differ in size, or cannot be pooled so."""
    alike = slice(1, None) if raw.sized or reading.size is None else slice(1, -2)  # channels, and sizes that stay
    if raw.test is not None and raw.train.images.shape[alike] != raw.test.images.shape[alike]:
        of_test, of_train = (_text(part.images) for part in (raw.test, raw.train))
        raise DataError(
            f"{raw.test.origin} has test images of {of_test} and training images of {of_train}; they must have one size"
        )
    height, width = _size_read(raw.train.images, reading, sized=raw.sized)
    pool, origin = reading.pool, raw.train.origin
    if height % pool or width % pool:
        raise DataError(
            f"{origin} has images of {height}x{width}; height and width must be multiples of `pool` (={pool}): give "
            f"another --size, for example {_multiple(height, pool)} {_multiple(width, pool)}, or --pool 1"
        )
    pooled = (height // pool, width // pool)
    if min(pooled) < _LEAST_SIDE or max(pooled) > _MOST_SIDE:
        raise DataError(
            f"{origin} has images of {height}x{width}, and so of {pooled[0]}x{pooled[1]} with `pool` (={pool}); they "
            f"must be {_LEAST_SIDE}x{_LEAST_SIDE} to {_MOST_SIDE}x{_MOST_SIDE} then: give another --size or --pool"
        )
    count = len(raw.train.images) + (0 if raw.test is None else len(raw.test.images))
    channels = raw.train.images.shape[1] if raw.train.images.ndim == 4 else 1
    wanted = 4 * count * channels * pooled[0] * pooled[1]
    if wanted > MOST_BYTES:
        raise DataError(
            f"{origin} has {count} images, which take {wanted / 1e9:.1f} GB as they are trained on, and at most "
            f"{MOST_BYTES / 1e9:.1f} GB are possible; give a smaller --size or a larger --pool, or take fewer"
        )


def prepared(part: Part, reading: Reading, *, sized: bool) -> Float[np.ndarray, "n *channels h w"]:
    """The images as they are trained on: in single precision, of the reading's size, pooled.

    Raises `DataError` where a pixel is no finite number, or too large a one.
    """
    images = part.images
    height, width = _size_read(images, reading, sized=sized)
    pooled = (height // reading.pool, width // reading.pool)
    result = np.empty((*images.shape[:-2], *pooled), np.float32)
    at_once = max(1, _AT_ONCE // max(1, images[0].size))
    for start in range(0, len(images), at_once):
        some = images[start : start + at_once]
        if some.dtype.kind == "f" and not np.isfinite(some).all():
            raise DataError(f"{part.origin} has images with NaN or infinite pixels; replace or drop them")
        if some.dtype.kind == "f" and max(some.max(), -some.min()) > _LARGEST_PIXEL:
            raise DataError(
                f"{part.origin} has pixels beyond {_LARGEST_PIXEL:g}, whose squares single precision does not hold; "
                "divide them"
            )
        some = some.astype(np.float32)
        if some.shape[-2:] != (height, width):
            planes = [resized(plane, (height, width)) for plane in some.reshape(-1, *some.shape[-2:])]
            some = np.stack(planes).reshape(*some.shape[:-2], height, width)
        result[start : start + at_once] = _pool(some, reading.pool)
    return result


def _channels_first(images: np.ndarray, origin: str) -> np.ndarray:
    if images.ndim == 3:
        return images
    if images.shape[1] > _MOST_CHANNELS and images.shape[3] <= _MOST_CHANNELS:
        images = np.moveaxis(images, 3, 1)
    channels = images.shape[1]
    if not 1 <= channels <= _MOST_CHANNELS:
        raise DataError(
            f"{origin} has images of shape {images.shape}; an image has at most {_MOST_CHANNELS} channels: "
            "(n, channels, h, w) or (n, h, w, channels)"
        )
    return images[:, 0] if channels == 1 else images


def _size_read(images: np.ndarray, reading: Reading, *, sized: bool) -> tuple[int, int]:
    """Height and width before pooling."""
    height, width = images.shape[-2:]
    return (height, width) if sized or reading.size is None else reading.size


def _pool(images: Float[np.ndarray, "n *channels H W"], pool: int) -> Float[np.ndarray, "n *channels h w"]:
    """Average pooling, so many pixels down and across."""
    if pool == 1:
        return images
    *rest, height, width = images.shape
    windows = images.reshape(*rest, height // pool, pool, width // pool, pool)
    return windows.mean(axis=(-3, -1), dtype=np.float32)


def _multiple(side: int, pool: int) -> int:
    """The nearest side that can be pooled."""
    return max(1, round(side / pool)) * pool


def _text(images: np.ndarray) -> str:
    size = f"{images.shape[-2]}x{images.shape[-1]}"
    return f"{size} in {images.shape[1]} channels" if images.ndim == 4 else size
