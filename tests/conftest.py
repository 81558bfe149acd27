"""Two CPU devices for every test, and shapes that are checked at run time."""

import os
from pathlib import Path

import pytest
from jaxtyping import install_import_hook

# Before anything of twofold is imported: every shape and type in a signature is checked at every call.
install_import_hook("twofold", "beartype.beartype")

from twofold.training.devices import use_devices  # noqa: E402

use_devices(2)


@pytest.fixture(scope="session")
def mnist_folder() -> Path:
    """The folder that holds mnist/; skips where TWOFOLD_DATA_DIR does not name one."""
    folder = os.environ.get("TWOFOLD_DATA_DIR")
    if not folder or not (Path(folder) / "mnist").is_dir():
        pytest.skip("TWOFOLD_DATA_DIR names no folder with mnist/: the full MNIST is not at hand")
    return Path(folder)
