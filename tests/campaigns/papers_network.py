"""The paper's NetWSAL as a user would write it in PyTorch, beside the one that is built in, on the same rounds.

    python -m tests.campaigns.papers_network [--rounds 2000-2039] [--data mnist] [--store papers.db]

Both are trained on the same pairs, from weights that are drawn by different programs. What is printed is the mean of
the paired difference of their test errors over the rounds, with Student's 95 % interval, which should lie within 0.6
points of 0.
"""

import argparse

import numpy as np
import scipy.stats
import torch
from torch import nn
from torch.nn import functional as F

from twofold import Study


class Papers(nn.Module):
    """Two digits (n, 2, 14, 14) to the answer, and to what each of them is."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, 32, 3)
        self.conv2 = nn.Conv2d(32, 64, 3)
        self.dense1 = nn.Linear(256, 128)
        self.dense2 = nn.Linear(128, 10)
        self.head = nn.Sequential(nn.Linear(20, 128), nn.ReLU(), nn.Linear(128, 2))

    def branch(self, image: torch.Tensor) -> torch.Tensor:
        x = F.relu(F.max_pool2d(self.conv1(image), 2))
        x = F.relu(F.max_pool2d(self.conv2(x), 2))
        return self.dense2(F.relu(self.dense1(x.view(x.size(0), -1))))

    def forward(self, pairs: torch.Tensor) -> tuple[torch.Tensor, ...]:
        left, right = self.branch(pairs[:, 0:1]), self.branch(pairs[:, 1:2])
        answer = self.head(F.relu(torch.cat((left, right), dim=1)))
        return answer, left, right


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", default="2000-2039")
    parser.add_argument("--data", default="mnist")
    parser.add_argument("--store", default="papers.db")
    arguments = parser.parse_args()
    networks = ["NetWSAL", f"{__file__}:Papers"]
    study = Study(networks=networks, rounds=arguments.rounds, data=arguments.data)
    table = study.run(store=arguments.store).table
    errors = 100 * table.pivot(index="round", columns="network", values="test_error")
    difference = (errors["Papers"] - errors["NetWSAL"]).to_numpy()
    low, high = scipy.stats.t.interval(
        0.95, len(difference) - 1, loc=difference.mean(), scale=difference.std(ddof=1) / np.sqrt(len(difference))
    )
    for name in ("NetWSAL", "Papers"):
        print(f"{name}: {errors[name].mean():.2f} % test error, sd {errors[name].std():.2f}")
    print(
        f"Papers - NetWSAL: {difference.mean():+.2f} points, 95 % interval {low:+.2f} to {high:+.2f}, "
        f"{len(difference)} rounds ({arguments.rounds}) of {arguments.data}"
    )


if __name__ == "__main__":
    main()
