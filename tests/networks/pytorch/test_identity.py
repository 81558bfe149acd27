"""What a network is in a store: what it computes, whatever things are called."""

import re

import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed: networks of one's own need it")

from twofold.data import Task
from twofold.errors import NetworkError
from twofold.networks.own import resolve

TASK = Task(8, 8, channels=1, classes=10)

NET = """
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self, share=True, width=4, loss="plain"):
        super().__init__()
        self.branch = nn.Sequential(nn.Conv2d(1, width, 3), nn.ReLU(), nn.Flatten())
        self.other = self.branch if share else nn.Sequential(nn.Conv2d(1, width, 3), nn.ReLU(), nn.Flatten())
        self.head = nn.Linear(2 * width * 36, 2)

    def forward(self, pairs):
        left, right = self.branch(pairs[:, :1]), self.other(pairs[:, 1:])
        return self.head(torch.cat([left, right], 1))
"""

SAME = {
    "a comment": ("import torch\n", "import torch  # of all libraries\n\n\n"),
    "a variable": ("left, right", "first, right"),
    "an attribute": ("self.branch", "self.zwilling"),
    "the class": ("class Net", "class Other"),
}
OTHER = {
    "a layer more": (
        "nn.ReLU(), nn.Flatten())\n        self.other",
        "nn.ReLU(), nn.ReLU6(), nn.Flatten())\n        self.other",
    ),
    "another activation": ("nn.ReLU()", "nn.GELU()"),
    "another size": ("Conv2d(1, width, 3)", "Conv2d(1, width, 3, padding=1, stride=2)"),
    "a constant": ("self.head(torch.cat([left, right], 1))", "0.5 * self.head(torch.cat([left, right], 1))"),
    "another order": ("[left, right]", "[right, left]"),
}


def identities(folder, text, typed="Net"):
    (folder / "net.py").write_text(text.replace("left,", "left,"), "utf-8")
    return {each.name: each.identity for each in resolve([f"{folder}/net.py:{typed}"], TASK)}


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    return identities(tmp_path_factory.mktemp("plain"), NET)["Net"]


@pytest.mark.parametrize("change", SAME)
def test_a_name_changes_nothing(change, plain, tmp_path):
    before, after = SAME[change]
    assert before in NET
    text = NET.replace(before, after)
    if change == "a variable":
        text = text.replace("[left, right]", "[first, right]")
    if change == "an attribute":
        text = text.replace("self.branch if", "self.zwilling if")
    assert list(identities(tmp_path, text, "Other" if change == "the class" else "Net").values()) == [plain]


@pytest.mark.parametrize("change", OTHER)
def test_what_is_computed_changes_it(change, plain, tmp_path):
    before, after = OTHER[change]
    assert before in NET
    text = NET.replace(before, after)
    if change == "another size":
        text = text.replace("2 * width * 36", "2 * width * 16")
    assert identities(tmp_path, text)["Net"] != plain


def test_every_level_is_a_network(plain, tmp_path):
    found = identities(tmp_path, NET, "Net(share=[True, False], width=[4, 5])")
    assert list(found) == [
        "Net(share=True, width=4)",
        "Net(share=True, width=5)",
        "Net(share=False, width=4)",
        "Net(share=False, width=5)",
    ]
    assert len(set(found.values())) == 4
    assert found["Net(share=True, width=4)"] == plain


def test_levels_that_make_no_difference_are_refused(tmp_path):
    said = "twofold sees no difference between Net(loss='plain') and Net(loss='contrastive')"
    with pytest.raises(NetworkError, match=re.escape(said)):
        identities(tmp_path, NET, "Net(loss=['plain', 'contrastive'])")


def test_what_draws_in_evaluation_is_refused_with_its_line(tmp_path):
    text = NET.replace("self.head(torch", "self.head(nn.functional.dropout(torch").replace(
        "right], 1))", "right], 1)))"
    )
    with pytest.raises(NetworkError, match=r"net\.py:\d+.*draws random numbers in evaluation too") as error:
        identities(tmp_path, text)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("Net(depth=3)", "Net(depth=3) cannot be made: TypeError: "),
        ("Net(width=0.5)", "Net(width=0.5) cannot be made: ValueError: out_channels"),
        ("torch.tensor", "cannot be made"),
    ],
)
def test_a_class_that_cannot_be_made_is_told(typed, said, tmp_path):
    with pytest.raises(NetworkError, match=re.escape(said)) as error:
        identities(tmp_path, NET, typed)
    assert "\n" not in str(error.value)
