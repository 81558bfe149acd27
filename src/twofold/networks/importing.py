"""Importing the user's own file or module: each apart, with its own folder on the path, as if it were run from there.

Files of different people have modules of the same names, so what was imported for one is not there for another.
"""

import contextlib
import hashlib
import importlib
import importlib.machinery
import os
import sys
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

from twofold.errors import NetworkError, cause_of
from twofold.paths import typed_path


@dataclass
class Imported:
    """A module of the user's, and those of the same folder that came with it."""

    folder: Path
    module: ModuleType
    others: dict[str, ModuleType] = field(default_factory=dict)

    def find(self, name: str) -> Callable[..., Any]:
        """The class or function of that name. Raises `NetworkError` where there is none."""
        found: Any = self.module
        for part in name.split("."):
            found = getattr(found, part, None)
        if not callable(found):
            there = ", ".join(n for n, each in vars(self.module).items() if self._is_own_class(each)) or "none"
            raise NetworkError(f"{_shown(self.module)} has no class {name}; its classes are: {there}")
        return found

    def _is_own_class(self, each: Any) -> bool:
        return isinstance(each, type) and each.__module__ == self.module.__name__

    def digest(self) -> str:
        """The hash of the sources of all these modules."""
        sources = hashlib.sha256()
        for module in sorted((self.module, *self.others.values()), key=_shown):
            with contextlib.suppress(OSError, TypeError):
                sources.update(Path(str(module.__file__)).read_bytes())
        return sources.hexdigest()

    def files(self) -> dict[str, bytes]:
        """The sources of all these modules, by their paths in the folder; of what is installed there are none.

        Some modules of PyTorch's name a file that is nowhere, and so stands for one in any folder.
        """
        own = (module for module in (self.module, *self.others.values()) if _is_in(module, self.folder))
        paths = sorted({Path(str(module.__file__)).absolute() for module in own})
        return {path.relative_to(self.folder).as_posix(): path.read_bytes() for path in paths if path.is_file()}

    def told(self, error: Exception) -> str:
        """What went wrong in the user's code, and in which line, in one line."""
        return f"{_told(error)}{_where(error, self.folder)}"

    @contextlib.contextmanager
    def there(self) -> Iterator[None]:
        """Within, these modules are what an import of their names gives, as when they were imported."""
        with _from(self.folder, self.others):
            yield


def import_home(home: str, folder: Path | None = None) -> Imported:
    """The file or the module that a network is in; in `folder`, where its files were put, not where they were written.

    Raises `NetworkError` where it cannot be imported, and says why.
    """
    if home.endswith(".py") or os.sep in home:
        path = typed_path("networks", home)
        path = path if folder is None else folder / path.name
        if not path.is_file():
            raise NetworkError(f"there is no file {home}; write where the class is, as in file.py:Twin")
        path = path.absolute()
        name = f"twofold_networks_of_{hashlib.sha256(os.fsencode(path)).hexdigest()[:12]}"
        return _imported(home, path.parent, lambda: _from_file(name, path))
    return _imported(home, folder or Path.cwd(), lambda: importlib.import_module(home))


def _imported(home: str, folder: Path, import_it: Callable[[], ModuleType]) -> Imported:
    others: dict[str, ModuleType] = {}
    try:
        with _from(folder, others):
            module = import_it()
    except SystemExit as error:
        raise NetworkError(
            f"{home} ends the program while it is imported (exit code {error.code}); put what it runs behind "
            "`if __name__ == '__main__':`"
        ) from error
    except Exception as error:
        raise NetworkError(f"{home} cannot be imported{_where(error, folder)}: {_told(error)}") from error
    return Imported(folder, module, others)


def _from_file(name: str, path: Path) -> ModuleType:
    loader = importlib.machinery.SourceFileLoader(name, str(path))
    module = ModuleType(name)
    module.__file__, module.__loader__ = str(path), loader
    sys.modules[name] = module  # dataclasses look for their module there
    loader.exec_module(module)
    return module


@contextlib.contextmanager
def _from(folder: Path, others: dict[str, ModuleType]) -> Iterator[None]:
    """Within, imports find this folder first, and `others`; afterwards what came from the folder is among `others`."""
    before, path, arguments = dict(sys.modules), sys.path.copy(), sys.argv
    sys.modules.update(others)
    sys.path.insert(0, str(folder))
    sys.argv = sys.argv[:1]  # some read the command line when they are imported
    try:
        with contextlib.redirect_stdout(sys.stderr):
            yield
    finally:
        sys.path[:], sys.argv = path, arguments
        for name in [name for name in sys.modules if name not in before]:
            if _is_in(sys.modules[name], folder):
                others[name] = sys.modules.pop(name)


def _is_in(module: ModuleType, folder: Path) -> bool:
    file = getattr(module, "__file__", None)
    if not file:
        return False
    return Path(file).absolute().is_relative_to(folder) and "site-packages" not in Path(file).parts


def _shown(module: ModuleType) -> str:
    file = getattr(module, "__file__", None)
    return Path(file).name if file else module.__name__


def _where(error: BaseException, folder: Path) -> str:
    """The last line of the user's that took part."""
    if isinstance(error, SyntaxError) and error.filename:
        return f" ({Path(error.filename).name}, line {error.lineno})"
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        if Path(frame.filename).is_relative_to(folder) and "site-packages" not in frame.filename:
            return f" ({Path(frame.filename).name}, line {frame.lineno})"
    return ""


def _told(error: Exception) -> str:
    if isinstance(error, ModuleNotFoundError):
        return f"there is no module {error.name}; install it, or take the import out"
    return f"{type(error).__name__}: {cause_of(error)}"
