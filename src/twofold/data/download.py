"""Fetching published data sets, once. The only code here that uses a network."""

import re
import sys
import warnings
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import IO

from twofold.cache import place_of
from twofold.errors import DataError, cause_of
from twofold.files import clear_partial, writing_whole

with warnings.catch_warnings():
    # It imports tqdm, which warns in a notebook that has no ipywidgets, and works without.
    warnings.simplefilter("ignore")
    import pooch

# Seconds without an answer after which a mirror counts as unreachable.
_TIMEOUT = 20

# What can be done about some HTTP errors.
_ADVICE = {
    "407": ": give the proxy's user and password, as in https_proxy=http://user:password@proxy:8080",
    "429": ": try again later",
    "500": ": try again later",
    "502": ": try again later",
    "503": ": try again later",
    "504": ": try again later",
}


class _WebPage(ValueError):
    """What came is a web page."""


class _AnotherFile(ValueError):
    """What came is not the file that was published."""


@dataclass(frozen=True)
class Publication:
    """A data set as published: its files in the order training images and labels, test images and labels.

    `class_names` are those that its authors give; None are the numbers of the labels.
    """

    name: str
    torchvision_name: str
    mirrors: tuple[str, ...]
    sha256: dict[str, str]
    class_names: tuple[str, ...] | None = None


# The hashes are those that TensorFlow Datasets (Apache-2.0) lists for the same files.
PUBLISHED = {
    publication.name: publication
    for publication in (
        Publication(
            "mnist",
            "MNIST",
            (
                "https://ossci-datasets.s3.amazonaws.com/mnist/",
                "https://storage.googleapis.com/cvdf-datasets/mnist/",
            ),
            {
                "train-images-idx3-ubyte.gz": "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
                "train-labels-idx1-ubyte.gz": "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
                "t10k-images-idx3-ubyte.gz": "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
                "t10k-labels-idx1-ubyte.gz": "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
            },
        ),
        Publication(
            "fashion-mnist",
            "FashionMNIST",
            (
                "https://fashion-mnist.s3.eu-central-1.amazonaws.com/",
                "https://github.com/zalandoresearch/fashion-mnist/raw/master/data/fashion/",
            ),
            {
                "train-images-idx3-ubyte.gz": "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
                "train-labels-idx1-ubyte.gz": "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
                "t10k-images-idx3-ubyte.gz": "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
                "t10k-labels-idx1-ubyte.gz": "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
            },
            (
                "T-shirt/top",
                "Trouser",
                "Pullover",
                "Dress",
                "Coat",
                "Sandal",
                "Shirt",
                "Sneaker",
                "Bag",
                "Ankle boot",
            ),
        ),
        Publication(
            "kmnist",
            "KMNIST",
            ("https://codh.rois.ac.jp/kmnist/dataset/kmnist/", "http://codh.rois.ac.jp/kmnist/dataset/kmnist/"),
            {
                "train-images-idx3-ubyte.gz": "51467d22d8cc72929e2a028a0428f2086b092bb31cfb79c69cc0a90ce135fde4",
                "train-labels-idx1-ubyte.gz": "e38f9ebcd0f3ebcdec7fc8eabdcdaef93bb0df8ea12bee65224341c8183d8e17",
                "t10k-images-idx3-ubyte.gz": "edd7a857845ad6bb1d0ba43fe7e794d164fe2dce499a1694695a792adfac43c5",
                "t10k-labels-idx1-ubyte.gz": "20bb9a0ef54c7db3efc55a92eef5582c109615df22683c380526788f98e42a1c",
            },
            ("o", "ki", "su", "tsu", "na", "ha", "ma", "ya", "re", "wo"),
        ),
    )
}


def download_folder() -> Path:
    """Where downloads are kept: in the user's cache folder. Raises `DataError` where there is none."""
    folder = place_of("data")
    if folder is None:
        raise DataError(
            "there is no place for downloads, since this user has no home folder; name one with XDG_CACHE_HOME, give "
            "the folder of the images with --data-dir, or use --data mnist5k, which needs no download"
        )
    return folder


def download(publication: Publication, folder: Path) -> None:
    """Fetch the files of a publication that the folder lacks, with a progress bar on a terminal.

    Each file is checked against its SHA-256 before it appears in the folder; mirrors are tried in turn. A damaged
    file that is there already is deleted, and fetched like one that lacks.

    Raises `DataError` where no mirror gives the right file.
    """
    for file, sha256 in publication.sha256.items():
        target = folder / file
        if _is_there(target, sha256):
            continue
        failures = []
        for mirror in publication.mirrors:
            try:
                _fetch(mirror + file, sha256, target)
                break
            except (OSError, ValueError) as error:  # unreachable, or not the file that was published
                _check_disk(error, target)
                failures.append(f"{mirror}: {_told(error)}")
        else:
            raise DataError(
                f"cannot download {file} of {publication.name} ({'; '.join(failures)}); give the folder that holds it "
                "with --data-dir or TWOFOLD_DATA_DIR, or use --data mnist5k, which needs no download"
            )


def _is_there(target: Path, sha256: str) -> bool:
    """Whether the file is there, as published; a damaged one is deleted."""
    try:
        if not target.is_file():
            return False
        if pooch.file_hash(target) == sha256:
            return True
        target.unlink()
    except OSError as error:
        raise DataError(f"cannot use {target} ({cause_of(error)}); delete it, or give --data-dir") from error
    return False


def _fetch(url: str, sha256: str, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    clear_partial(target.parent)
    with writing_whole(target) as part:
        _get(url, part)
        part.flush()
        if pooch.file_hash(part.name) != sha256:
            raise _AnotherFile


def _get(url: str, part: IO[bytes]) -> None:
    """Write what is there to a file. Raises `_WebPage` for a page, as from a network that wants a login first."""
    # A bar is drawn over and over, which in a log file are lines without an end.
    watched = sys.stderr is not None and sys.stderr.isatty()
    pooch.HTTPDownloader(progressbar=watched, timeout=_TIMEOUT)(url, part, None)
    part.seek(0)
    head = part.read(512).lower()
    if b"<html" in head or b"<!doctype" in head:
        raise _WebPage


def _check_disk(error: Exception, target: Path) -> None:
    """Raise `DataError` where not a mirror failed but this machine, which no other mirror mends."""
    from requests import RequestException

    if isinstance(error, OSError) and not isinstance(error, RequestException):
        raise DataError(
            f"cannot write {target} ({cause_of(error)}); free space on the disk or make the folder writable, "
            "or name another with XDG_CACHE_HOME"
        ) from error


def _told(error: Exception) -> str:
    """What a mirror, or what is on the way to it, did instead of giving the file; with the number of an HTTP error."""
    from requests import exceptions as failed

    text = str(error)
    status = _status(error, text)
    if status:
        return f"{status}{_ADVICE.get(status[:3], '')}"
    if isinstance(error, _WebPage):
        return "a web page in place of the file: is there a login or a proxy?"
    if isinstance(error, failed.Timeout) or "timed out" in text:
        return f"no answer in {_TIMEOUT} s"
    if isinstance(error, failed.SSLError):
        return "its certificate is not accepted"
    if any(sign in text for sign in ("resolve", "Name or service", "getaddrinfo")):
        return "its name cannot be found: is there a network?"
    if isinstance(error, failed.ProxyError):
        return "the proxy cannot be reached"
    if "refused" in text:
        return "connection refused"
    if isinstance(error, failed.ConnectionError | failed.ChunkedEncodingError):
        return "the connection broke off"
    return "not the published file" if isinstance(error, _AnotherFile) else cause_of(error)


def _status(error: Exception, text: str) -> str:
    """The number and the name of an HTTP error, also of one by which a proxy refuses a connection; "" of another."""
    tunnel = re.search(r"Tunnel connection failed: (\d{3})", text)
    response = getattr(error, "response", None)
    number = int(tunnel[1]) if tunnel else getattr(response, "status_code", 0)
    if number < 400:  # of too many redirections the last response is no error
        return ""
    known = {int(each): each.phrase for each in HTTPStatus}
    return " ".join([str(number), known.get(number, "")]).strip() + (" from the proxy" if tunnel else "")
