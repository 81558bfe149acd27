"""What is said of networks that cannot be followed: one line with the cause and the remedy, and never a traceback."""

import sys
from contextlib import nullcontext

import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed: networks of one's own need it")

from torch import nn

from twofold.data import Task
from twofold.errors import NetworkError
from twofold.networks.own import network, resolve
from twofold.networks.pytorch.loading import OwnModule as Own
from twofold.networks.pytorch.parity import differences

TASK = Task(6, 5, channels=1, classes=10)


class Reversed(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x.view_as(x)

    @staticmethod
    def backward(ctx, gradient):
        return -gradient


def counted(self, z):
    self.calls += 1
    return z * self.calls


def kept(self, z):
    if self.last is not None:
        z = z + self.last.mean()
    self.last = z.detach()
    return z


def clamped(self, z):
    self.answer.weight.data.clamp_(-0.1, 0.1)
    return z


def asserted(self, z):
    assert z.sum() < 100
    return z


def ended(self, z):
    sys.exit(3)


def on_a_gpu(self, z):
    raise AssertionError("Torch not compiled with CUDA enabled")  # what z.cuda() raises where PyTorch is for processors


def overwritten(self, z):
    y = z.exp()
    y[:, 0] = 0
    return y


def warmed(self, z):
    self.calls += 1
    return z.detach() if self.calls > 100 else z


def hooked(self, z):
    if z.requires_grad:
        z.register_hook(lambda gradient: gradient.clamp(-1, 1))
    return z


def replaced(self, z):
    self.mean = 0.9 * self.mean + 0.1 * z.mean().detach()
    return z + self.mean


def inferred(self, z):
    with torch.inference_mode():
        y = z.exp()
    return z + y.clone()


def remembered(self, z):
    _, self.state = self.memory(z[:, None], self.state)
    return z


MISTAKES = {
    "a gradient of one's own": (lambda self, z: Reversed.apply(z), r"\.py:\d+\): Reversed has a gradient.*detach\(\)"),
    "a counter": (counted, r"differs from your module.*forward changes self.calls.*register_buffer\('calls'"),
    "a counter that counts later": (warmed, r"forward changes self.calls.*register_buffer\('calls'"),
    "a hook": (hooked, r"\.py:\d+\): a hook has a gradient of its own"),
    "a map": (lambda self, z: torch.vmap(lambda y: y * y.norm())(z), r"it uses torch.vmap; use PyTorch's operations"),
    "a tensor replaced": (replaced, r"forward changes self.mean.*register_buffer"),
    "inference mode": (inferred, r"\.py:\d+\): it uses torch.inference_mode.*use torch.no_grad\(\)"),
    "a state kept": (remembered, r"a recurrent layer is given a state of another number.*new state in each call"),
    "a tensor kept": (kept, r"last is no tensor until forward has been called.*register_buffer\('last'"),
    "data": (clamped, r"it uses .data of a tensor; use detach\(\), and write in place under torch.no_grad\(\)"),
    "an assertion": (asserted, r"\.py:\d+\).*depends on the numbers in a tensor \(if, while, assert.*torch.where"),
    "NumPy": (
        lambda self, z: torch.as_tensor(z.detach().numpy()) + z,
        r"\.py:\d+\): it leaves PyTorch with .numpy\(\)",
    ),
    "the end": (ended, r"\.py:\d+\): it ends the program \(exit code 3\)"),
    "a GPU by name": (on_a_gpu, r"\.py:\d+\): it asks for a GPU by name; write x.to\("),
    "two types": (lambda self, z: z.double() @ torch.ones(8, 8), r"mixes float32, which images are"),
    "a size written in": (lambda self, z: z.view(32, 8), r"'\[32, 8\]' is invalid.*with n from x\.shape\[0\]"),
    "what PyTorch refuses": (overwritten, "PyTorch itself cannot compute a step of it: one of the variables needed"),
}


def made(part):
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.into, self.answer = nn.Linear(60, 8), nn.Linear(8, 2)
            self.calls, self.last, self.state = 0, None, None
            self.mean, self.memory = torch.zeros(()), nn.GRU(8, 8, batch_first=True)

        def forward(self, pairs):
            return self.answer(part(self, self.into(pairs.flatten(1))))

    return Net


@pytest.mark.parametrize("name", MISTAKES)
def test_the_cause_is_named_with_what_to_do(name):
    part, said = MISTAKES[name]
    with pytest.raises(NetworkError, match=said) as raised:
        resolve([network(made(part))], TASK)[0].verify()
    assert "\n" not in str(raised.value)


class Detached(made(lambda self, z: z)):
    def forward(self, pairs):
        return super().forward(pairs).detach()


class Silent(made(lambda self, z: z)):
    def forward(self, pairs):
        super().forward(pairs)


class Differing(made(lambda self, z: z)):
    def forward(self, pairs):
        answer = super().forward(pairs)
        return answer.mean() if self.training else answer


class Formless(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(60, 2)


OUTPUTS = {
    Detached: "no gradient reaches its parameters, as after detach",
    Silent: "it returns no numbers; end it with return",
    Differing: "other outputs in training than in evaluation",
    Formless: r"its class has no forward; write def forward\(self, pairs\)",
}


@pytest.mark.parametrize("make", OUTPUTS)
def test_outputs_that_are_none(make):
    with pytest.raises(NetworkError, match=OUTPUTS[make]):
        resolve([network(make)], TASK)[0].verify()


class Listed(made(lambda self, z: self.layers[0](z))):
    """Its layers are in a list, which PyTorch does not look into."""

    def __init__(self):
        super().__init__()
        self.layers = [nn.Linear(8, 8)]


class ListedTwice(Listed):
    """Its layers are in a list, and known to PyTorch too."""

    def __init__(self):
        super().__init__()
        self.first = self.layers[0]


class Loose(made(lambda self, z: z * self.scale)):
    """What it trains is no parameter."""

    def __init__(self):
        super().__init__()
        self.scale = torch.ones(8, requires_grad=True)


class Clipped(made(lambda self, z: z)):
    """The gradient of a parameter is clipped."""

    def __init__(self):
        super().__init__()
        self.answer.weight.register_hook(lambda gradient: gradient.clamp(-1, 1))


class Compiled(made(lambda self, z: z)):
    """A part is compiled by torch.jit, and called with too much."""

    def __init__(self):
        super().__init__()
        self.into = torch.jit.script(self.into)

    def forward(self, pairs):
        return self.into(pairs.flatten(1)[:, :7])


class Ended(nn.Module):
    def __init__(self):
        super().__init__()
        sys.exit("two lines\nof reasons")


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (Listed, "layers is a list of layers or tensors.*use nn.ModuleList"),
        (Loose, "scale requires a gradient and is no parameter"),
        (Clipped, "answer.weight has a hook on its gradient"),
        (Compiled, "it has a part that torch.jit has compiled; leave torch.jit out"),
        (Ended, "Ended cannot be made: SystemExit: two lines of reasons$"),
        (lambda: 5, "gives a int, and no network: a torch.nn.Module, an equinox.Module, or two functions"),
        (
            nn.Sequential(nn.Flatten(), nn.Linear(60, 2)),
            "has been made already, and each round begins with fresh weights",
        ),
    ],
)
def test_what_cannot_be_made_is_told(make, said):
    with pytest.raises(NetworkError, match=said):
        resolve([network(make)], TASK)


def test_a_list_of_layers_that_pytorch_knows_is_no_mistake():
    resolve([network(ListedTwice)], TASK)[0].verify()


def test_an_attribute_that_changes_and_counts_for_nothing_is_no_mistake():
    def counts(self, z):
        self.calls += 1
        return z

    resolve([network(made(counts))], TASK)[0].verify()


class OneOrTwo(nn.Module):
    """Of one image it gives an embedding, of two the answer."""

    def __init__(self):
        super().__init__()
        self.into, self.answer = nn.Linear(30, 8), nn.Linear(16, 2)

    def forward(self, left, right=None):
        if right is None:
            return self.into(left.flatten(1))
        return self.answer(torch.cat([self.into(left.flatten(1)), self.into(right.flatten(1))], 1))


def test_a_second_image_that_may_be_left_out_is_given_where_one_has_no_answer():
    own = Own("OneOrTwo", OneOrTwo, TASK, None, nullcontext, "")
    assert (own.exported.convention.name, own.roles.answer) == ("two images", "two logits")
    assert all(each.is_right for each in own.within(differences))


class OneWithAnOption(nn.Module):
    def __init__(self):
        super().__init__()
        self.answer = nn.Linear(60, 2)

    def forward(self, pairs, mask=None):
        return self.answer((pairs if mask is None else pairs * mask).flatten(1))


def test_where_one_has_an_answer_the_second_is_left_out():
    assert Own("Net", OneWithAnOption, TASK, None, nullcontext, "").exported.convention.name == "pairs"


class Inverse(nn.Module):
    def __init__(self):
        super().__init__()
        self.into, self.answer = nn.Linear(60, 4), nn.Linear(4, 2)

    def forward(self, pairs):
        left = self.into(pairs.flatten(1).clone()).view(-1, 2, 2) + 3 * torch.eye(2)
        pairs[:, :, 0] = 0  # of images that are nobody else's
        return self.answer(torch.linalg.inv(left).flatten(1) + self.into(pairs.flatten(1).clone()))


def test_a_network_may_write_to_its_images():
    own = Own("Net", Inverse, TASK, None, nullcontext, "")
    assert all(each.is_right for each in own.within(differences))
