"""What is known of a set of images before it is read: a study that has nothing to train needs no more.

The facts of files that were read once are kept in the user's cache folder, by each file's path, size, inode and times
of change (of its content, and of anything about it). Whatever is wrong with that folder, the files are read again, and
nothing else happens.
"""

import hashlib
import json
from contextlib import suppress
from dataclasses import asdict, astuple, dataclass
from functools import cached_property
from pathlib import Path

from twofold.cache import keep, read_kept
from twofold.data.finding import Place, find_images
from twofold.data.images import Images
from twofold.data.reading import USUAL, Reading
from twofold.data.task import Task
from twofold.errors import DataError

# Raise it when files that are the same come to other facts: when images are prepared in another way.
_VERSION = 3

# Facts of so many sets of files are kept, the latest.
_MOST_KEPT = 200


@dataclass(frozen=True)
class _Facts:
    """What is kept: see `Source`."""

    fingerprint: str
    train_count: int
    test_count: int
    task: Task
    class_names: tuple[str, ...]


@dataclass(frozen=True)
class Source:
    """A set of images by its facts; `load` reads the images themselves.

    `train_count` images are there for training and validation pairs, `test_count` for test pairs. A label is the place
    of its class among the `class_names`.
    """

    place: Place
    fingerprint: str
    train_count: int
    test_count: int
    task: Task
    class_names: tuple[str, ...]

    @property
    def name(self) -> str:
        """The name under which the images were asked for."""
        return self.place.name

    @property
    def reading(self) -> Reading:
        """How the images are read."""
        return self.place.reading

    def load(self) -> Images:
        """The images. Raises `DataError` as `find_source`, and where they are no longer those of the facts."""
        return self._digits

    @cached_property
    def _digits(self) -> Images:
        before = _name(self.place)
        digits = self.place.read()
        if digits.fingerprint != self.fingerprint:
            _keep(self.place, before, digits)
            raise DataError(f"the images of {self.name} have changed since they were looked at; run the command again")
        return digits


def find_source(name_or_path: str, data_dir: Path | None = None, reading: Reading = USUAL) -> Source:
    """The images of this name or path: see `twofold.data.finding.find_images`, which raises the same errors.

    Files that were never read are, since only so it is known what is in them.
    """
    place = find_images(name_or_path, data_dir, reading)
    if (facts := _kept(place)) is not None:
        return Source(place, **vars(facts))
    before = _name(place)
    digits = place.read()
    source = Source(place, **vars(_keep(place, before, digits)))
    source.__dict__["_digits"] = digits  # read already
    return source


def _kept(place: Place) -> _Facts | None:
    """What is kept of these files as they are now, if anything."""
    with suppress(OSError, ValueError, KeyError, TypeError):
        name = _name(place)
        content = json.loads(read_kept(_file(name)) or b"null")
        names = tuple(content["class_names"])
        return _Facts(**{**content, "task": Task(**content["task"]), "class_names": names})
    return None


def _keep(place: Place, before: str, digits: Images) -> _Facts:
    """Keep what was read of files, unless they are no longer as they were before that."""
    facts = _Facts(digits.fingerprint, digits.train_count, digits.test_count, digits.task, digits.class_names)
    with suppress(OSError):
        if _name(place) == before:
            keep(_file(before), json.dumps(asdict(facts)).encode(), _MOST_KEPT)
    return facts


def _file(name: str) -> str:
    return f"facts{_VERSION}/{hashlib.sha256(name.encode(errors='surrogateescape')).hexdigest()}"


def _name(place: Place) -> str:
    """What tells these files, as they are now, and what is made of them from all others."""
    # Of the folders alone it is asked where they really are: there are fewer of them than of pictures.
    folders = {folder: str(folder.resolve()) for folder in {path.parent for path in place.files}}
    status = [(f"{folders[path.parent]}/{path.name}", path.stat()) for path in place.files]
    files = [(path, s.st_size, s.st_mtime_ns, s.st_ctime_ns, s.st_ino) for path, s in status]
    return json.dumps([astuple(place.reading), files])
