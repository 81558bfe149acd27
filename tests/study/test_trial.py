"""What a trial is: its identity, and the values that it refuses."""

import dataclasses

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.training.programs import MNIST

from twofold.data import RELATIONS, find_relation
from twofold.errors import SettingError
from twofold.networks import NETWORKS
from twofold.networks.finding import Network, remember
from twofold.networks.paper import SLOPES
from twofold.settings import SETTINGS, of_role
from twofold.study import Trial
from twofold.training.optimizers import OPTIMIZERS
from twofold.training.run import numbers_of, program_of

WSAL = Trial(network="NetWSAL", round=3, data="mnist5k", fingerprint="f" * 32)

# SHA-256 of the JSON text {"aux_weight": 1.0, "batch_size": 25, ..., "version": 1} of the trial above, as `sha256sum`
# gives it. Keys are in the stores of users: a change here makes them train everything again, and needs a new version.
WSAL_KEY = "9d5415e7fdaf9dda9176fd5ef0ff668350057ff095e6adc2492266702328dc97"

# A network of one's own that gives embeddings, as far as a trial asks.
remember(Network("Embed", None, False, frozenset({"contrastive_margin"}), identity="a" * 64))
EMBED = Trial(network="Embed", identity="a" * 64, round=3, data="mnist5k", fingerprint="f" * 32, relation="==")


def other_value(declared):
    """Another value of a setting than its default."""
    if declared.type is bool:
        return not declared.default
    if declared.choices:
        return declared.choices[0] if declared.default != declared.choices[0] else declared.choices[1]
    if declared.name == "batch_size":
        return 50  # it divides the pairs
    return (declared.default or 0) * 2 + 1


# For each field that decides the outcome, another value than the trial above has.
OTHER_VALUES = {
    "network": "NetAL",
    "identity": "d" * 64,
    "round": 4,
    "fingerprint": "e" * 32,
    **{name: other_value(declared) for name, declared in SETTINGS.items() if declared.role != "images"},
    "pairs": 2000,
    # The same words for another table of answers, as a function can have that was changed.
    "asked": dataclasses.replace(find_relation("abs(a - b) <= 1"), text="<="),
}


def test_the_key_is_stable():
    assert WSAL.key == WSAL_KEY


def test_weights_of_the_trials_own_round_are_no_part_of_the_key():
    assert dataclasses.replace(WSAL, weight_round=3) == WSAL
    assert (WSAL.weight_round, WSAL.key) == (3, WSAL_KEY)
    others = [dataclasses.replace(WSAL, weight_round=number) for number in (0, 1, 2, 4)]
    assert len({trial.key for trial in (WSAL, *others)}) == 5


@pytest.mark.parametrize("number", [-1, 1_000_000, True])
def test_weights_are_those_of_a_round(number):
    with pytest.raises(SettingError, match="`weight_round`"):
        dataclasses.replace(WSAL, weight_round=number)


def test_every_field_is_either_part_of_the_key_or_says_where_images_came_from():
    assert {*OTHER_VALUES, *of_role("images")} == {field.name for field in dataclasses.fields(Trial)}
    assert dataclasses.replace(WSAL, data="others", pool=1, size=32).key == WSAL_KEY


@pytest.mark.parametrize("field", OTHER_VALUES)
def test_the_key_changes_with_what_decides_the_outcome(field):
    trial = EMBED if field == "contrastive_margin" else WSAL
    assert dataclasses.replace(trial, **{field: OTHER_VALUES[field]}).key != trial.key


def test_the_margin_counts_only_where_there_are_embeddings():
    assert dataclasses.replace(WSAL, contrastive_margin=3.0).key == WSAL.key
    assert dataclasses.replace(WSAL, contrastive_margin=3.0).contrastive_margin == 1.0
    assert dataclasses.replace(EMBED, contrastive_margin=3.0).contrastive_margin == 3.0


@pytest.mark.parametrize("relation", RELATIONS)
def test_embeddings_answer_what_is_the_same_in_either_order(relation):
    if relation in ("==", "same parity"):
        assert dataclasses.replace(EMBED, relation=relation).relation == relation
        return
    with pytest.raises(SettingError, match=r"cannot be answered by the embeddings of Embed.*choose == or same parity"):
        dataclasses.replace(EMBED, relation=relation)


def test_the_key_does_not_change_with_the_name_of_the_data():
    assert dataclasses.replace(WSAL, data="/home/ada/mnist5k.npz").key == WSAL.key


@pytest.mark.parametrize("network", NETWORKS)
def test_the_auxiliary_weight_counts_only_where_there_are_auxiliary_losses(network):
    one, two = (dataclasses.replace(WSAL, network=network, aux_weight=weight) for weight in (1.0, 2.0))
    assert (one.key != two.key) == NETWORKS[network].auxiliary_losses
    assert two.aux_weight == (2.0 if NETWORKS[network].auxiliary_losses else 0.0)


trials = st.builds(
    Trial,
    network=st.sampled_from(list(NETWORKS)),
    round=st.integers(0, 3),
    seed=st.integers(0, 3),
    data=st.sampled_from(["mnist", "/a/folder"]),
    fingerprint=st.sampled_from(["e", "f"]),
    optimizer=st.sampled_from(list(OPTIMIZERS)),
    learning_rate=st.sampled_from([0.1, 1.0]),
    aux_weight=st.sampled_from([0.0, 0.5]),
    relation=st.sampled_from(list(RELATIONS)),
    shuffle=st.booleans(),
    normalise=st.booleans(),
    bottleneck_activation=st.sampled_from(list(SLOPES)),
)


@settings(deadline=None)
@given(trials, trials)
def test_two_trials_have_one_key_if_and_only_if_they_are_one_training(one, two):
    assert (one.key == two.key) == (dataclasses.replace(one, data="") == dataclasses.replace(two, data=""))


@settings(deadline=None)
@given(trials)
def test_the_program_is_that_of_the_settings(trial):
    structure = trial.architecture.structure(trial)
    program = program_of(structure, MNIST, trial)
    assert program.structure.weight_sharing == NETWORKS[trial.network].weight_sharing
    for name, declared in SETTINGS.items():
        compiled = declared.role == "program"
        assert getattr(program.settings, name) == (getattr(trial, name) if compiled else declared.default)
    numbers = numbers_of(structure, trial)
    assert set(numbers) == set(program.numbers) == {"learning_rate", "aux_weight", "negative_slope"}
    assert numbers["negative_slope"] == {"relu": 0.0, "leaky_relu": 0.01}[trial.bottleneck_activation]


@pytest.mark.parametrize(
    ("field", "value", "says"),
    [
        ("network", "NetWSLA", r"`network` \(='NetWSLA'\) is unknown; did you mean NetWSAL\? known: NetBase, NetWS,"),
        ("network", "netbase", r"did you mean NetBase\?"),
        ("network", "zzz", r"`network` \(='zzz'\) is unknown; known: NetBase"),
        ("optimizer", "Adams", r"did you mean adam\? known: sgd, adam, adadelta, adagrad, rmsprop"),
        ("relation", ">", r"`relation` \(='>'\) is unknown; .*known: <=, <, ==, same parity"),
        ("bottleneck_activation", "leaky", r"did you mean leaky_relu\?"),
        ("round", -1, r"`round` \(=-1\) must be at least 0"),
        ("seed", -1, r"`seed` \(=-1\) must be at least 0"),
        ("seed", 2**63, r"`seed` \(=9223372036854775808\) must be at most 9223372036854775807"),
        ("epochs", 0, r"`epochs` \(=0\) must be at least 1"),
        ("pairs", 0, r"`pairs` \(=0\) must be at least 1"),
        ("test_pairs", 0, r"`test_pairs` \(=0\) must be at least 1"),
        ("validation_pairs", -1, r"`validation_pairs` \(=-1\) must be at least 0"),
        ("epochs", True, r"`epochs` \(=True\) must be a whole number"),
        ("learning_rate", 0.0, r"`learning_rate` \(=0\.0\) must be greater than 0"),
        ("learning_rate", -0.1, r"`learning_rate` \(=-0\.1\) must be greater than 0"),
        ("learning_rate", float("nan"), r"`learning_rate` \(=nan\) must be a finite number"),
        ("learning_rate", float("inf"), r"`learning_rate` \(=inf\) must be a finite number"),
        ("aux_weight", -0.5, r"`aux_weight` \(=-0\.5\) must be at least 0"),
        ("contrastive_margin", 0.0, r"`contrastive_margin` \(=0\.0\) must be greater than 0"),
        ("aux_weight", float("nan"), r"`aux_weight` \(=nan\) must be a finite number"),
        ("batch_size", 0, r"`batch_size` \(=0\) must be at least 1"),
        ("batch_size", 30, r"`batch_size` \(=30\) must divide `pairs` \(=1000\); the nearest that does is 25"),
        ("batch_size", 5000, r"the nearest that does is 1000"),
    ],
)
def test_values_that_cannot_be_used_are_named(field, value, says):
    with pytest.raises(SettingError, match=says) as caught:
        dataclasses.replace(WSAL, **{field: value})
    assert "\n" not in str(caught.value)
