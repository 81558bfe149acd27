"""Networks of one's own of which several are trained together on a device, as on a GPU."""

from functools import partial

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed: networks of one's own need it")

from torch import nn

from twofold.data import draw_pairs, load_images
from twofold.networks.kinds import each_of, load
from twofold.networks.typed import parse
from twofold.settings import Settings
from twofold.training import engines
from twofold.training.cohort import Job, train_cohorts
from twofold.training.run import TrialData, numbers_of, program_of, trial_key

pytestmark = pytest.mark.usefixtures("compiled_quickly")


class Net(nn.Module):
    """State, dropout, pooling with ties, an in-place operation."""

    def __init__(self):
        super().__init__()
        self.branch = nn.Sequential(
            nn.Conv2d(1, 4, 3, stride=2), nn.BatchNorm2d(4), nn.ReLU(inplace=True), nn.MaxPool2d(2), nn.Flatten(),
            nn.Dropout(0.3), nn.Linear(36, 10),
        )  # fmt: skip
        self.head = nn.Linear(20, 2)

    def forward(self, left, right):
        a, b = self.branch(left), self.branch(right)
        return self.head(torch.cat([a, b], 1)), a, b


@pytest.mark.parametrize("platform", ["cpu", "gpu"])
def test_together_each_comes_to_what_it_comes_to_alone(platform, monkeypatch):
    digits = load_images("mnist5k")
    # Adam would make a step of the rounding in gradients that are 0.
    settings = Settings(batch_size=25, optimizer="sgd", learning_rate=0.01)
    typed = parse("file.py:Net")
    (network,) = load(typed, each_of(typed, Net, digits.task))
    structure = network.structure(settings)
    program = program_of(structure, digits.task, settings)

    def pairs(round):
        draw = partial(draw_pairs, digits, seed=0, round=round)
        return TrialData(draw(split="train", pairs=100), draw(split="test", pairs=50))

    def train(together):
        jobs = [
            Job(
                r,
                trial_key(0, r),
                numbers_of(structure, settings),
                2,
                partial(pairs, r),
                partial(structure.initial, 0, r),
            )
            for r in range(3)
        ]
        return [outcome for _, outcome in train_cohorts(program, jobs, together=together)]

    alone = train(1)
    monkeypatch.setattr(engines, "platform_of", lambda device: platform)
    engines._ENGINES.clear()
    several = train(2)
    for one, other in zip(alone, several, strict=True):
        np.testing.assert_allclose(one.train_loss, other.train_loss, rtol=1e-4)
        for a, b in zip(one.variables.parameters, other.variables.parameters, strict=True):
            np.testing.assert_allclose(a, b, atol=1e-4)
        for a, b in zip(one.variables.buffers, other.variables.buffers, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-4)
    losses = [outcome.train_loss[-1] for outcome in alone]
    assert len(set(losses)) == 3
