"""What is drawn at random in a training step: how often, on what scale, and the same for value and gradient."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed: what is compared with it is left out")

from torch import nn

from twofold.native import quickly
from twofold.networks.graphs.drawing import first_that_draws
from twofold.networks.graphs.interpret import run
from twofold.networks.pytorch.export import export
from twofold.networks.pytorch.weights import fresh

N = 64


class Dropping(nn.Module):
    def __init__(self, layer):
        super().__init__()
        self.layer = layer
        self.scale = nn.Parameter(torch.ones(2, 12, 10))

    def forward(self, x):
        x = x * self.scale
        return self.layer(x), self.layer(x)


def computed(layer, images):
    found = export(Dropping(layer), (12, 10), training=[N], evaluation=[N])
    graph = found.graph(training=True, pairs=N)

    def total(scale):
        (one, other), _ = run(graph, [scale], [], images, jax.random.key(0))
        return one.sum(), (one, other)

    step = jax.jit(jax.value_and_grad(total, has_aux=True), compiler_options=quickly.OPTIONS)
    (_, (one, other)), gradient = step(jnp.ones((2, 12, 10)))
    plain, _ = run(found.graph(training=False, pairs=N), [jnp.ones((2, 12, 10))], [], images)
    return *(np.asarray(each) for each in (one, other, gradient)), [np.asarray(each) for each in plain]


@pytest.fixture(scope="module")
def images():
    return np.random.default_rng(0).uniform(0.5, 1, (N, 2, 12, 10)).astype(np.float32)


@pytest.mark.parametrize("p", [0.1, 0.5, 0.8])
def test_dropout_drops_its_part_and_scales_the_rest(images, p):
    one, other, gradient, plain = computed(nn.Dropout(p), images)
    kept = one != 0
    assert abs(kept.mean() - (1 - p)) < 4 * np.sqrt(p * (1 - p) / kept.size)
    np.testing.assert_allclose(one[kept], images[kept] / (1 - p), rtol=1e-6)
    np.testing.assert_allclose(gradient, one.sum(0), rtol=1e-5)  # the same elements in value and gradient
    agree = ((other != 0) == kept).mean()
    assert abs(agree - (p**2 + (1 - p) ** 2)) < 0.02  # each call draws by itself
    for each in plain:
        np.testing.assert_array_equal(each, images)


def test_dropout_of_channels_drops_whole_channels(images):
    one, *_ = computed(nn.Dropout2d(0.3), images)
    kept = (one != 0).reshape(N, 2, -1)
    assert (kept.all(-1) == kept.any(-1)).all()
    assert abs(kept.mean() - 0.7) < 0.15


@pytest.mark.parametrize("layer", [nn.AlphaDropout(0.4), nn.FeatureAlphaDropout(0.4)])
def test_alpha_dropout_keeps_mean_and_variance(layer):
    normal = np.random.default_rng(1).normal(size=(N, 2, 12, 10)).astype(np.float32)
    one, *_ = computed(layer, normal)
    assert abs(one.mean() - normal.mean()) < (0.05 if isinstance(layer, nn.AlphaDropout) else 0.3)
    assert abs(one.var() - 1) < (0.05 if isinstance(layer, nn.AlphaDropout) else 0.3)


def test_a_step_has_numbers_of_its_own_and_a_key_repeats_them(images):
    graph = export(Dropping(nn.Dropout(0.5)), (12, 10), training=[N], evaluation=[N]).graph(training=True, pairs=N)
    step = jax.jit(
        lambda key: run(graph, [jnp.ones((2, 12, 10))], [], images, key)[0][0], compiler_options=quickly.OPTIONS
    )
    first, again, other = (np.asarray(step(jax.random.key(number))) for number in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert (first != other).mean() > 0.4


def test_everything_may_be_dropped(images):
    one, _, gradient, _ = computed(nn.Dropout(1.0), images)
    assert not one.any()
    assert not gradient.any()


class Noisy(nn.Module):
    def forward(self, x):
        noise = torch.randn_like(x), torch.rand(x.shape), torch.bernoulli(torch.full_like(x, 0.2))
        drawn = torch.zeros_like(x).normal_(3, 2), torch.empty_like(x).uniform_(-1, 0), torch.randint(2, 5, x.shape)
        return *noise, *drawn, torch.zeros_like(x).bernoulli_(0.7)


def test_noise_has_its_distribution(images):
    graph = export(Noisy(), (12, 10), training=[N], evaluation=[N]).graph(training=True, pairs=N)
    step = jax.jit(lambda key: run(graph, [], [], images, key)[0], compiler_options=quickly.OPTIONS)
    outputs = step(jax.random.key(4))
    means, deviations = (0, 0.5, 0.2, 3, -0.5, 3, 0.7), (1, 12**-0.5, 0.4, 2, 12**-0.5, (2 / 3) ** 0.5, 0.21**0.5)
    for output, mean, deviation in zip(outputs, means, deviations, strict=True):
        assert abs(np.mean(output) - mean) < 0.06
        assert abs(np.std(output) - deviation) < 0.06


class Attention(nn.Module):
    def __init__(self, p, causal):
        super().__init__()
        self.p, self.causal = p, causal

    def forward(self, x):
        p = self.p if self.training else 0.0
        return torch.nn.functional.scaled_dot_product_attention(x, x, x, dropout_p=p, is_causal=self.causal)


ENCODER = {"d_model": 10, "nhead": 2, "dim_feedforward": 6, "batch_first": True}


@pytest.mark.parametrize(
    ("layer", "in_training"),
    [
        (lambda: Attention(0.5, causal=False), True),
        (lambda: Attention(0.5, causal=True), True),
        (lambda: Attention(0.0, causal=True), False),
        (lambda: nn.TransformerEncoderLayer(dropout=0.1, **ENCODER), True),
        (lambda: nn.TransformerEncoderLayer(dropout=0.0, **ENCODER), False),
        (lambda: nn.RReLU(), True),
        (lambda: nn.Dropout2d(0.2), True),
        (lambda: nn.AlphaDropout(0.0), False),
    ],
)
def test_it_is_known_what_draws_and_that_nothing_does_in_evaluation(layer, in_training):
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = layer()

        def forward(self, left, right):
            rows = [self.layer(each) if isinstance(self.layer, nn.Dropout2d) else self.layer(each[:, 0])
                    for each in (left, right)]  # fmt: skip
            return torch.cat(rows, 1)

    found = export(Net(), (12, 10), training=[4], evaluation=[3])
    assert (first_that_draws(found.graph(training=True, pairs=4)) is not None) == in_training
    evaluation = found.graph(training=False, pairs=3)
    assert first_that_draws(evaluation) is None
    run(evaluation, *fresh(Net, found, seed=0, round=0), np.ones((3, 2, 12, 10), np.float32))
