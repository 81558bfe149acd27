"""Sources of images by name or path: the embedded sample, MNIST and its kin, and the user's own."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from importlib import resources
from pathlib import Path

from twofold.data import folders, table
from twofold.data.download import PUBLISHED, Publication, download, download_folder
from twofold.data.idx import USUAL_NAMES, has_idx, idx_file, read_idx_files
from twofold.data.images import DIGIT_NAMES, Images, images_of
from twofold.data.naming import check_names
from twofold.data.npz import read_npz
from twofold.data.reading import USUAL, Raw, Reading
from twofold.errors import DataError, unknown_choice
from twofold.paths import typed_path

EMBEDDED = "mnist5k"
SOURCES = (EMBEDDED, *PUBLISHED)

DATA_DIR_VARIABLE = "TWOFOLD_DATA_DIR"
# Where Debian's package dataset-fashion-mnist puts its files.
_SYSTEM_FOLDER = Path("/usr/share/datasets")

_TABLES = (".csv", ".tsv", ".txt")


def published_classes(name: str) -> tuple[str, ...]:
    """The names of all classes of a published set; none for a name that is no such set's."""
    if name == EMBEDDED:
        return DIGIT_NAMES
    return (PUBLISHED[name].class_names or DIGIT_NAMES) if name in PUBLISHED else ()


@dataclass(frozen=True)
class Place:
    """Where images lie: their `name`, the files that they are read from, how, and what then comes of them."""

    name: str
    files: tuple[Path, ...]
    reading: Reading
    raw: Callable[[], Raw]

    def read(self) -> Images:
        """The images. Raises `DataError` where they cannot be read, or do not suit."""
        return images_of(self.name, self.raw(), self.reading)


def load_images(name_or_path: str, data_dir: Path | None = None, reading: Reading = USUAL) -> Images:
    """The images of a named source, or of one's own: see `find_images`."""
    return find_images(name_or_path, data_dir, reading).read()


def find_images(name_or_path: str, data_dir: Path | None = None, reading: Reading = USUAL) -> Place:
    """Where the images of a named source lie, or those of a path.

    A published data set is looked for in `data_dir` (or, without it, in the folder that TWOFOLD_DATA_DIR names),
    as `<dir>/<name>/` or in torchvision's layout (`<dir>/MNIST/raw/`), then among the system's data sets, then in
    the cache folder; last, it is downloaded into the cache folder.

    A path leads to a folder of four IDX files, to one with a folder of pictures for each class (or with two of those,
    train and test), to a CSV file of paths and labels, or to an .npz file. docs/own_data.md describes each.

    Raises `DataError` where files are missing, damaged or do not suit, `SettingError` for a name that is neither
    a source nor a path.
    """
    if name_or_path == EMBEDDED:
        with resources.as_file(resources.files("twofold.data") / "mnist5k.npz") as path:
            return Place(EMBEDDED, (path,), reading, partial(read_npz, path))
    if name_or_path in PUBLISHED:
        publication = PUBLISHED[name_or_path]
        return _idx_place(name_or_path, _find_published(publication, data_dir), reading, publication.class_names)
    path = typed_path("data", name_or_path)
    if os.path.isdir(path):  # unlike Path.is_dir, false for a path that may not be looked at
        return _folder_place(name_or_path, path, reading)
    if os.path.isfile(path):
        return _file_place(name_or_path, path, reading)
    if os.path.exists(path):
        raise DataError(f"`data` (={path}) is a pipe or a device; give the name of a file or a folder")
    if path.suffix in (".npz", *_TABLES) or len(path.parts) > 1:
        raise DataError(f"there is no file or folder {name_or_path}; check the path given as `data`")
    raise unknown_choice("data", name_or_path, [*SOURCES, "or the path of a folder, a CSV file or an .npz file"])


def _find_published(publication: Publication, data_dir: Path | None) -> Path:
    """The folder that holds all files of a publication; downloads them where there is none."""
    origin = "data_dir" if data_dir else DATA_DIR_VARIABLE
    text = data_dir or os.environ.get(DATA_DIR_VARIABLE)
    given = typed_path(origin, text) if text else None
    if given is not None and not given.is_dir():
        raise DataError(f"`{origin}` (={given}) is no folder; name the one that holds {publication.name}/")
    for parent in (given, _SYSTEM_FOLDER):
        if parent is None:
            continue
        for folder in (parent / publication.name, parent / publication.torchvision_name / "raw"):
            if has_idx(folder):
                return folder
    cached = download_folder() / publication.name
    download(publication, cached)
    return cached


def _idx_place(name: str, folder: Path, reading: Reading, class_names: tuple[str, ...] | None = None) -> Place:
    paths = []
    for usual in USUAL_NAMES:
        path = idx_file(folder, usual)
        if path is None:
            dotted = ", ".join(each.replace("-idx", ".idx") for each in USUAL_NAMES[:1])
            raise DataError(
                f"{folder} lacks {usual} (or {dotted}, or either with .gz); it must hold {', '.join(USUAL_NAMES)}"
            )
        paths.append(path)
    return Place(name, tuple(paths), reading, partial(_named_idx, paths, class_names))


def _named_idx(paths: list[Path], class_names: tuple[str, ...] | None) -> Raw:
    return read_idx_files(*paths)._replace(class_names=class_names)


def _folder_place(name: str, folder: Path, reading: Reading) -> Place:
    if has_idx(folder):
        return _idx_place(name, folder, reading)
    listing = folders.listed(folder)
    if listing is None:
        raise DataError(
            f"{folder} has neither a folder of pictures for each class nor IDX files; it must hold either, IDX "
            f"files as {', '.join(USUAL_NAMES)} (or with .gz)"
        )
    check_names(list(listing["train"]), str(folder))
    paths = [Path(path) for classes in listing.values() for pictures in classes.values() for path in pictures]
    return Place(name, tuple(paths), reading, partial(folders.read_folder, folder, listing, reading))


def _file_place(name: str, path: Path, reading: Reading) -> Place:
    if path.suffix.lower() not in _TABLES:
        return Place(name, (path,), reading, partial(read_npz, path))
    rows = table.read_rows(path)
    paths = (path, *dict.fromkeys(Path(row.path) for row in rows))
    return Place(name, paths, reading, partial(table.read_table, path, rows, reading))
