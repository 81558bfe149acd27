"""Pictures in files, read by Pillow: whatever they are inside, grey or red, green and blue in 8 bits come out.

A picture is turned as its EXIF orientation says. What is transparent lies on white. A palette is looked up, 16 bits
are rounded to 8, CMYK and YCbCr become red, green and blue. A picture whose three colours are equal everywhere is grey.
"""

import os
import stat
import warnings
from collections.abc import Sequence

import numpy as np
from jaxtyping import UInt8
from PIL import Image, ImageOps, UnidentifiedImageError

from twofold.data.naming import printable
from twofold.data.reading import MOST_BYTES
from twofold.errors import DataError, cause_of

# Formats of pixels alone: others are drawn by programs that Pillow starts.
_FORMATS = ("PNG", "JPEG", "MPO", "JPEG2000", "BMP", "GIF", "TIFF", "WEBP", "AVIF", "PPM", "TGA", "PCX", "ICO")

# Larger than any camera's; a file of a few bytes can say that it is larger.
_MOST_PIXELS = 100_000_000

_PLAIN = {"1", "L", "RGB", "RGBX", "CMYK", "YCbCr", "P"}
_ALPHA = {"LA", "La", "PA", "RGBA", "RGBa"}
_DEEP = {"I", "I;16", "I;16L", "I;16B", "I;16N"}
_DEEPEST = 65535

# Grey pixels, or the planes of red, green and blue.
Picture = UInt8[np.ndarray, "h w"] | UInt8[np.ndarray, "3 h w"]


def read_pictures(paths: Sequence[str], size: tuple[int, int] | None) -> UInt8[np.ndarray, "n *channels h w"]:
    """All the pictures, brought to a size unless it is None: (n, h, w), or (n, 3, h, w) if any of them has colour.

    Raises `DataError` where one cannot be read, where sizes differ and none is given, or where all are too large.
    """
    together: np.ndarray | None = None
    for number, path in enumerate(paths):
        picture = read_picture(path, size)
        sides = picture.shape[-2:]
        if together is None:
            together = _room(paths, picture.shape)
        if sides != together.shape[-2:]:
            raise DataError(
                f"{printable(paths[0])} is {_text(together.shape[-2:])} pixels and {printable(path)} is "
                f"{_text(sides)}; bring all to one size, for example --size {together.shape[-2]} {together.shape[-1]}"
            )
        if picture.ndim == 3 and together.ndim == 3:
            grey, together = together, _room(paths, picture.shape)
            together[:number] = grey[:number, None]
        together[number] = picture
    if together is None:
        raise ValueError("there are no pictures")  # who lists them says so, and where
    return together


def is_picture_name(path: str) -> bool:
    """Whether a file's name ends as those of pictures that can be read."""
    return Image.registered_extensions().get(os.path.splitext(path)[1].lower()) in _FORMATS


def read_picture(path: str, size: tuple[int, int] | None = None) -> Picture:
    """One picture, brought to a size (height, width) unless it is None.

    Raises `DataError` where it cannot be read, has several frames, more pixels than a camera's or no whole numbers.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of Pillow about files that it reads all the same
        try:
            if not stat.S_ISREG(os.stat(path).st_mode):  # a pipe would keep us waiting
                raise DataError(f"{printable(path)} is no file; name a picture")
            with Image.open(path, formats=_formats()) as image:
                _check(path, image)
                turned = ImageOps.exif_transpose(image)
                pixels = _eight_bits(path, turned)
        except (DataError, KeyboardInterrupt):
            raise
        except Image.DecompressionBombError:
            raise _too_large(path, "") from None
        except Exception as error:  # Pillow's readers raise whatever they come across in a damaged file
            raise DataError(
                f"cannot read the picture {printable(path)} ({_cause(error)}); mend or remove it"
            ) from error
    if size is not None and pixels.shape[:2] != size:
        pixels = np.asarray(Image.fromarray(pixels).resize(size[::-1], Image.Resampling.BILINEAR))
    return pixels if pixels.ndim == 2 else np.ascontiguousarray(pixels.transpose(2, 0, 1))


def resized(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """A plane of numbers (h, w), brought to a size as pictures are."""
    plane = Image.fromarray(np.ascontiguousarray(image, np.float32))
    return np.asarray(plane.resize(size[::-1], Image.Resampling.BILINEAR))


def _formats() -> list[str]:
    """Those of the formats that this Pillow reads."""
    Image.init()
    return [name for name in _FORMATS if name in Image.OPEN]


def _check(path: str, image: Image.Image) -> None:
    """What can be told of a picture by its head."""
    if image.width * image.height > _MOST_PIXELS:
        raise _too_large(path, f", {image.height}x{image.width} pixels")
    # A camera's second picture of the same, for depth, is no animation.
    if getattr(image, "is_animated", False) and image.format != "MPO":
        frames = getattr(image, "n_frames", 2)
        raise DataError(f"{printable(path)} has {frames} pictures in one file; save each as a file of its own")
    if image.mode not in _PLAIN | _ALPHA | _DEEP:
        raise DataError(
            f"{printable(path)} has pixels of the kind {image.mode}; save it as RGB or grey, in 8 or 16 bits"
        )


def _eight_bits(path: str, image: Image.Image) -> np.ndarray:
    """The pixels in 8 bits, (h, w) of a grey picture and (h, w, 3) of another."""
    if image.mode in _DEEP:
        deep = np.asarray(image).astype(np.int64)
        if deep.min(initial=0) < 0 or deep.max(initial=0) > _DEEPEST:
            raise DataError(f"{printable(path)} has pixels of more than 16 bits; save it with 8 or 16")
        return ((deep + 128) // 257).astype(np.uint8)
    if image.mode in _ALPHA or "transparency" in image.info:
        above = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", above.size, "white"), above)
    if image.mode in ("1", "L"):
        return np.asarray(image.convert("L"))
    colours = np.asarray(image.convert("RGB"))
    grey = (colours == colours[..., :1]).all()
    return colours[..., 0] if grey else colours


def _room(paths: Sequence[str], shape: tuple[int, ...]) -> np.ndarray:
    wanted = len(paths) * int(np.prod(shape))
    if wanted > MOST_BYTES:
        raise DataError(
            f"the {len(paths)} pictures such as {printable(paths[0])} take {wanted / 1e9:.1f} GB, and at most "
            f"{MOST_BYTES / 1e9:.1f} GB are read; bring them to a smaller --size, or take fewer"
        )
    return np.empty((len(paths), *shape), np.uint8)


def _too_large(path: str, size: str) -> DataError:
    return DataError(
        f"{printable(path)} is too large{size}: at most {_MOST_PIXELS // 1_000_000} million pixels are read; "
        "make it smaller"
    )


def _text(sides: tuple[int, ...]) -> str:
    return "x".join(map(str, sides))


def _cause(error: Exception) -> str:
    """What is wrong with a file, without its name, which stands before."""
    if isinstance(error, UnidentifiedImageError):
        return "it is none of " + ", ".join(_FORMATS)
    return "it has ended too early" if isinstance(error, EOFError) else os.path.basename(cause_of(error))
