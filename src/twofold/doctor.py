"""What this machine has and what would fail here, for `twofold doctor`."""

import contextlib
import os
import platform
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path

from packaging.requirements import Requirement

from twofold import __version__
from twofold.cache import cache_folder
from twofold.errors import TwofoldError, cause_of, counted
from twofold.paths import nearest_folder, try_folder
from twofold.results import Store
from twofold.results.database import address_of

# What each extra is for.
_EXTRAS = {
    "tune": "twofold tune",
    "torch": "networks as PyTorch modules",
    "onnx": "twofold export --to onnx",
    "postgres": "stores in a PostgreSQL database",
    "cluster": "training on a cluster (--cluster)",
    "cuda": "training on a GPU of NVIDIA's",
}


@dataclass(frozen=True)
class Finding:
    """What was found of one thing; `wrong` says what would fail, and what to do about it."""

    part: str
    name: str
    found: str
    wrong: str = ""


def examine(
    store: str | Path, data_dir: Path | None = None, tell: Callable[[str], None] = lambda _: None
) -> list[Finding]:
    """Look at everything that a study with this store would need. Nothing is trained, made or changed.

    Our own operations are compiled and compared, if they never were on this machine; `tell` is told before, since it
    takes a while. Raises `StoreError` for a store whose name is none.
    """
    address_of(store)
    parts: list[tuple[str, Callable[[], Iterator[Finding]]]] = [
        ("versions", _versions),
        ("devices", lambda: _devices(tell)),
        ("operations", _operations),
        ("cache", _cache),
        ("store", lambda: _store(store)),
        ("data", lambda: _data(data_dir)),
        ("folder", _folder),
    ]
    found: list[Finding] = []
    for part, look in parts:
        try:
            found += look()
        except TwofoldError as error:
            found.append(Finding(part, part, "cannot be used", str(error)))
        except Exception as error:  # a library that is broken
            found.append(Finding(part, part, "cannot be used", f"{type(error).__name__}: {cause_of(error)}"))
    return found


def _versions() -> Iterator[Finding]:
    system = f"{platform.system()} {platform.release()} {platform.machine()}"
    yield Finding("versions", "twofold", __version__)
    yield Finding("versions", "Python", f"{platform.python_version()} on {system}")
    known = [Requirement(text) for text in requires("twofold") or ()]
    needed = [each for each in known if each.marker is None or each.marker.evaluate({"extra": ""})]
    for each in [*needed, Requirement("jaxlib")]:
        yield Finding("packages", each.name, _version(each.name) or "not installed", _lacking(each))
    for extra, use in _EXTRAS.items():
        of_extra = [each for each in known if each not in needed and each.marker.evaluate({"extra": extra})]  # type: ignore[union-attr]
        there = [f"{name} {_version(name)}" for each in of_extra for name in _parts(each) if _version(name)]
        yield Finding("extras", extra, ", ".join(there) or f"not installed; it is for {use}")


def _parts(requirement: Requirement) -> list[str]:
    """What is installed for a requirement: itself, or for jax[cuda13] the plugins that the brackets ask for."""
    return [f"{requirement.name}-{part}-plugin" for part in requirement.extras] or [requirement.name]


def _lacking(requirement: Requirement) -> str:
    """What to do where a package is not there, or too old; else empty."""
    there = _version(requirement.name)
    if there and requirement.specifier.contains(there, prereleases=True):
        return ""
    wanted = f"{requirement.name}{requirement.specifier}"
    return f"twofold needs {wanted}: pip install '{wanted}'"


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""


def _devices(tell: Callable[[str], None]) -> Iterator[Finding]:
    from twofold.training.devices import use_devices

    devices = use_devices(tell=tell)
    platform = devices[0].platform
    kinds = sorted({device.device_kind for device in devices})
    yield Finding("devices", platform, f"{len(devices)} ({', '.join(kinds)})")
    why = _why_so_many_cores() if platform == "cpu" else f"one for each {platform.upper()}"
    yield Finding("devices", "workers", f"{len(devices)}, {why}")


def _why_so_many_cores() -> str:
    from twofold.training.devices import processor_share, usable_cores

    cores, usable, share = os.cpu_count() or 1, usable_cores(), processor_share()
    why = f"since this machine has {counted(cores, 'core')}"
    why += f", of which this process may use {usable}" if usable < cores else ""
    return why + (f", for the time of {share}" if share < usable else "")


def _operations() -> Iterator[Finding]:
    import jax

    from twofold.native import handlers

    if jax.default_backend() != "cpu":
        yield Finding("operations", handlers.engine(), "XLA's, on this kind of device")
        return
    found = handlers.trust("float32")
    native = "twofold's own, compiled for this processor and compared with the portable ones"
    forget = handlers.verdict_file() if found.reason else None
    again = f"; to have them compared again, delete {forget}" if forget else ""
    yield Finding("operations", found.engine, f"{found.reason}{again}" if found.reason else native)


def _cache() -> Iterator[Finding]:
    folder = cache_folder()
    if folder is None:
        note = "nothing is kept: this user has no home folder; set XDG_CACHE_HOME"
        yield Finding("cache", "none", f"{note}. Programs are compiled in every run")
        return
    sizes = list(_sizes(folder))
    size = sum(sizes) / 1e6
    reason = _unwritable(folder)
    note = f"; it cannot be written ({reason}), so programs are compiled in every run" if reason else ""
    yield Finding("cache", str(folder), f"{counted(len(sizes), 'file')}, {size:.0f} MB{note}")


def _sizes(folder: Path) -> Iterator[int]:
    """The bytes of every file in a folder, and below; other runs may delete some meanwhile."""
    for file in folder.rglob("*"):
        with contextlib.suppress(FileNotFoundError):
            if file.is_file():
                yield file.stat().st_size


def _store(store: str | Path) -> Iterator[Finding]:
    address = address_of(store)
    if address.file is not None and not address.file.exists():
        reason = _unwritable(address.file.parent)
        yield Finding(
            "store", address.shown, "not there yet; the first study makes it",
            f"its folder cannot be written ({reason}); name another with --store" if reason else "",
        )  # fmt: skip
        return
    opened = Store(store, create=False)
    yield Finding("store", opened.url, counted(opened.count(), "trial"))


def _data(data_dir: Path | None) -> Iterator[Finding]:
    from twofold.data import find_source
    from twofold.data.download import PUBLISHED, download_folder
    from twofold.data.finding import DATA_DIR_VARIABLE, EMBEDDED

    source = find_source(EMBEDDED)
    yield Finding("data", EMBEDDED, f"{source.train_count} + {source.test_count} images")
    named = data_dir or os.environ.get(DATA_DIR_VARIABLE)
    if named:
        wrong = "" if Path(named).is_dir() else f"there is no such folder; see {DATA_DIR_VARIABLE} and --data-dir"
        yield Finding("data", "folder of data sets", str(named), wrong)
    downloads = download_folder() if cache_folder() else None
    there = [name for name in PUBLISHED if downloads and (downloads / name).is_dir()]
    yield Finding("data", "downloaded", ", ".join(there) or "none")


def _folder() -> Iterator[Finding]:
    reason = _unwritable(Path())
    wrong = f"figures cannot be written here ({reason}); go to another folder, or use --out" if reason else ""
    yield Finding("folder", str(Path.cwd()), "cannot be written" if reason else "can be written", wrong)


def _unwritable(folder: Path) -> str:
    """Why nothing can be written into a folder, or the nearest above it that is there; empty where it can."""
    try:
        try_folder(nearest_folder(folder))
    except OSError as error:
        return cause_of(error)
    return ""
