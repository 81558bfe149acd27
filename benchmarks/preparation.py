"""How many of MNIST's test digits keep their class when they are changed and prepared, and printed ones that are read.

    TWOFOLD_DATA_DIR=~/datasets python benchmarks/preparation.py [--digits 1000]

Two networks say what the class is of the digit as MNIST has it, and of the prepared one: a plain convolutional network
that is trained here in PyTorch (four epochs, 99.4 % right), and the branch of a NetWSAL (one round, 3000 pairs of the
full MNIST). Both learn from the training digits alone, and so were the constants in `twofold.data` chosen.
"""

import argparse
import tempfile
from collections.abc import Callable

import numpy as np
import scipy.ndimage
import torch
from matplotlib.font_manager import FontProperties
from matplotlib.path import Path as Outline
from matplotlib.textpath import TextPath
from PIL import Image
from torch import nn

import twofold
from twofold.data.finding import find_images
from twofold.data.idx import read_idx
from twofold.data.preparation import prepare_digit
from twofold.errors import DataError
from twofold.report.page.kept import outputs_of
from twofold.results import ModelStore

FONTS = ("DejaVu Sans", "DejaVu Sans Mono", "DejaVu Serif", "STIXGeneral", "cmr10", "cmss10", "cmtt10")
EPOCHS, BATCH = 4, 100

Namer = Callable[[np.ndarray], np.ndarray]


def enlarged(image: np.ndarray, times: int) -> np.ndarray:
    size = 28 * times
    return np.asarray(Image.fromarray(image).resize((size, size), Image.Resampling.BICUBIC))


def disc(radius: float) -> np.ndarray:
    rows, columns = np.indices((9, 9)) - 4
    return rows**2 + columns**2 <= radius**2


def moved(image: np.ndarray, random: np.random.Generator) -> np.ndarray:
    return np.pad(enlarged(image, 4), random.integers(0, 200, (2, 2)))


def photographed(image: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Dark ink on paper that is lighter on one side, with noise."""
    ink = enlarged(image, 6) / 255
    paper = np.linspace(110, 230, len(ink)) * (1 - 0.7 * ink)
    return np.clip(paper + random.normal(0, 8, ink.shape), 0, 255).astype(np.uint8)


# Widths that are taken from or added to strokes, on each side, in MNIST's pixels: half of its strokes are 2.4 wide.
CHANGES: dict[str, Callable[[np.ndarray, np.random.Generator], np.ndarray]] = {
    "as they are": lambda image, random: image,
    "2 times as large": lambda image, random: enlarged(image, 2),
    "5 times": lambda image, random: enlarged(image, 5),
    "20 times": lambda image, random: enlarged(image, 20),
    "7 times, in squares": lambda image, random: image.repeat(7, axis=0).repeat(7, axis=1),
    "moved on a larger picture": moved,
    "inverted": lambda image, random: 255 - enlarged(image, 4),
    "thinned by 0.25": lambda image, random: scipy.ndimage.grey_erosion(enlarged(image, 4), footprint=disc(1)),
    "thinned by 0.5": lambda image, random: scipy.ndimage.grey_erosion(enlarged(image, 4), footprint=disc(2)),
    "thickened by 0.5": lambda image, random: scipy.ndimage.grey_dilation(
        np.pad(enlarged(image, 4), 12), footprint=disc(2)
    ),
    "thickened by 1": lambda image, random: scipy.ndimage.grey_dilation(
        np.pad(enlarged(image, 4), 12), footprint=disc(4)
    ),
    "on uneven paper, with noise": photographed,
}


def plain_network(images: np.ndarray, labels: np.ndarray) -> Namer:
    """A convolutional network for 28x28 digits, trained."""
    torch.manual_seed(0)
    convolutions = [nn.Conv2d(1, 16, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(16, 32, 5), nn.ReLU(), nn.MaxPool2d(2)]
    dense = [nn.Flatten(), nn.Dropout(0.3), nn.Linear(512, 128), nn.ReLU(), nn.Linear(128, 10)]
    network = nn.Sequential(*convolutions, *dense)
    optimizer = torch.optim.Adam(network.parameters())
    steps = EPOCHS * len(images) // BATCH
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 4e-3, total_steps=steps)
    inputs, targets = torch.tensor(images)[:, None].float() / 255, torch.tensor(labels).long()
    for _ in range(EPOCHS):
        for batch in torch.randperm(len(inputs)).split(BATCH):
            shift = torch.randint(-1, 2, (2,)).tolist()
            loss = nn.functional.cross_entropy(network(inputs[batch].roll(shift, (2, 3))), targets[batch])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
    network.eval()

    def classes(asked: np.ndarray) -> np.ndarray:
        with torch.no_grad():
            return network(torch.tensor(asked)[:, None].float() / 255).argmax(dim=1).numpy()

    return classes


def branch_of_netwsal() -> Namer:
    """A NetWSAL for 14x14 digits, trained; its first branch names the class."""
    with tempfile.TemporaryDirectory() as folder:
        study = twofold.Study(networks=["NetWSAL"], rounds=1, data="mnist", pairs=3000)
        study.run(store=f"{folder}/a.db", keep_models="all", progress=False)
        models = ModelStore(f"{folder}/a.models")
        model = models.load(models.records()[0]["key"])

    def classes(asked: np.ndarray) -> np.ndarray:
        pooled = asked.reshape(-1, 14, 2, 14, 2).mean(axis=(2, 4), dtype=np.float32)
        _, class_logits = outputs_of(model, np.stack([pooled, pooled], axis=1))
        return class_logits[:, 0].argmax(axis=1)

    return classes


def prepared(pictures: list[np.ndarray]) -> np.ndarray:
    """The digits of the pictures; none where it is refused, which no network takes for what it was."""
    digits = np.zeros((len(pictures), 28, 28), np.float32)
    for place, picture in enumerate(pictures):
        try:
            digits[place] = prepare_digit(picture).image
        except DataError as error:
            print("refused:", error)
    return digits


def printed(digit: int, font: str, weight: str, style: str) -> np.ndarray:
    """A digit of a font, black on white, 100 pixels high."""
    properties = FontProperties(family=font, weight=weight, style=style)
    outline = TextPath((40, 40), str(digit), size=100, prop=properties)
    places = np.stack(np.meshgrid(np.arange(160), np.arange(160, 0, -1)), axis=-1).reshape(-1, 2)
    inside = np.zeros(len(places), bool)
    for polygon in outline.to_polygons():  # a hole is inside twice
        inside ^= Outline(polygon).contains_points(places)
    return np.where(inside.reshape(160, 160), 0, 255).astype(np.uint8)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--digits", type=int, default=1000)
    arguments = parser.parse_args()
    training, labels, test, _ = (read_idx(file, axes) for file, axes in zip(find_images("mnist").files, (3, 1, 3, 1)))
    namers = {"plain network": plain_network(training, labels), "NetWSAL": branch_of_netwsal()}
    test = test[: arguments.digits]
    before = {name: classes(test.astype(np.float32)) for name, classes in namers.items()}
    print(f"of {len(test)} test digits keep their class:")
    for change, function in CHANGES.items():
        random = np.random.default_rng(0)
        digits = prepared([function(image, random) for image in test])
        kept = {name: int((classes(digits) == before[name]).sum()) for name, classes in namers.items()}
        print(f"{change:30}", "  ".join(f"{name} {count:5}" for name, count in kept.items()), flush=True)
    looks = [("normal", "normal"), ("bold", "normal"), ("normal", "italic")]
    faces = [
        (font, *look)
        for font in FONTS
        for look in (looks if font.startswith("DejaVu") or "STIX" in font else looks[:1])
    ]
    digits = prepared([printed(digit, *face) for face in faces for digit in range(10)])
    for name, classes in namers.items():
        right = classes(digits).reshape(-1, 10) == np.arange(10)
        print(
            f"printed digits read by {name}: {right.sum()} of {right.size};",
            ", ".join(f"{digit}: {count}" for digit, count in enumerate(right.sum(axis=0))),
            f"of {len(faces)} each",
        )


if __name__ == "__main__":
    main()
