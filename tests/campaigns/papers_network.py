"""The paper's NetWSAL as a user would write it in PyTorch and in Equinox, beside the one that is built in.

    python -m tests.campaigns.papers_network [--rounds 2000-2039] [--data mnist] [--store papers.db]

All are trained on the same pairs, from weights that are drawn by different programs. What is printed of each is the
time that a training takes, and the mean of the paired difference of its test errors from the built-in's over the
rounds, with Student's 95 % interval, which should lie within 0.6 points of 0.
"""

import argparse

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import scipy.stats
import torch
from torch import nn
from torch.nn import functional as F

from twofold import Study

BUILT_IN = "NetWSAL"


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


class PapersInEquinox(eqx.Module):
    """The same for one pair (2, 14, 14)."""

    conv1: eqx.nn.Conv2d
    conv2: eqx.nn.Conv2d
    dense1: eqx.nn.Linear
    dense2: eqx.nn.Linear
    head1: eqx.nn.Linear
    head2: eqx.nn.Linear
    pool: eqx.nn.MaxPool2d

    def __init__(self, *, key: jax.Array) -> None:
        keys = jax.random.split(key, 6)
        self.conv1 = eqx.nn.Conv2d(1, 32, 3, key=keys[0])
        self.conv2 = eqx.nn.Conv2d(32, 64, 3, key=keys[1])
        self.dense1 = eqx.nn.Linear(256, 128, key=keys[2])
        self.dense2 = eqx.nn.Linear(128, 10, key=keys[3])
        self.head1 = eqx.nn.Linear(20, 128, key=keys[4])
        self.head2 = eqx.nn.Linear(128, 2, key=keys[5])
        self.pool = eqx.nn.MaxPool2d(2, 2)

    def branch(self, image: jax.Array) -> jax.Array:
        x = jax.nn.relu(self.pool(self.conv1(image)))
        x = jax.nn.relu(self.pool(self.conv2(x)))
        return self.dense2(jax.nn.relu(self.dense1(x.ravel())))

    def __call__(self, pair: jax.Array) -> tuple[jax.Array, ...]:
        left, right = self.branch(pair[:1]), self.branch(pair[1:])
        hidden = jax.nn.relu(self.head1(jax.nn.relu(jnp.concatenate([left, right]))))
        return self.head2(hidden), left, right


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", default="2000-2039")
    parser.add_argument("--data", default="mnist")
    parser.add_argument("--store", default="papers.db")
    arguments = parser.parse_args()
    written = [each.__name__ for each in (Papers, PapersInEquinox)]
    networks = [BUILT_IN, *(f"{__file__}:{name}" for name in written)]
    study = Study(networks=networks, rounds=arguments.rounds, data=arguments.data)
    table = study.run(store=arguments.store).table
    errors = 100 * table.pivot(index="round", columns="network", values="test_error")
    seconds = table.groupby("network").seconds.median()
    for name in (BUILT_IN, *written):
        print(
            f"{name}: {errors[name].mean():.2f} % test error, sd {errors[name].std():.2f}; {seconds[name]:.2f} s a "
            f"training (median), {seconds[name] / seconds[BUILT_IN]:.2f} times the built-in's"
        )
    for name in written:
        print(f"{name} - {BUILT_IN}: {compared(errors, name)} ({arguments.rounds}) of {arguments.data}")


def compared(errors: pd.DataFrame, name: str) -> str:
    """The mean of the paired difference from the built-in network, with its interval."""
    difference = (errors[name] - errors[BUILT_IN]).to_numpy()
    low, high = scipy.stats.t.interval(
        0.95, len(difference) - 1, loc=difference.mean(), scale=difference.std(ddof=1) / np.sqrt(len(difference))
    )
    return f"{difference.mean():+.2f} points, 95 % interval {low:+.2f} to {high:+.2f}, {len(difference)} rounds"


if __name__ == "__main__":
    main()
