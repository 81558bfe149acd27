"""Networks kept as they begin, without a training: what is done with kept ones does not depend on how good they are."""

import numpy as np

from twofold.data import Task, find_relation
from twofold.networks.importing import import_home
from twofold.networks.kinds import each_of, load
from twofold.networks.protocol import Variables
from twofold.networks.typed import parse
from twofold.results import ModelStore
from twofold.settings import SETTINGS

# Of a row of the store, what a record of a network that was never trained can have.
_ROW = {"seed": 0, "round": 0, "auxiliary_losses": False, "weight_sharing": None, "diverged": False, "kept": "all"}
_ERRORS = {"validation_pairs": 0, "train_error": 0.5, "validation_error": 0.5, "test_error": 0.5, "digit_error": None}


def keep(folder, text, *, size=(14, 14), channels=1, classes=10, key="", **others):
    """Keep one network of the user's, as it is typed, in its first state; the file. `others` go into the record."""
    typed, task = parse(text), Task(*size, channels=channels, classes=classes)
    imported = import_home(typed.home)
    make = imported.find(typed.name)
    (network,) = load(typed, each_of(typed, make, task, None, imported.there, imported.digest()))
    settings = {name: 0 if declared.follows else declared.default for name, declared in SETTINGS.items()} | {
        name: value for name, value in others.items() if name in SETTINGS
    }
    first = network.structure().initial(0, 0)
    # Running means that nothing has run through would hide what they do.
    buffers = [
        (array + np.abs(np.sin(np.arange(array.size).reshape(array.shape)))).astype(array.dtype)
        for array in first.buffers
    ]
    described = network.description
    named = [
        dict(zip(described[kind], arrays)) for kind, arrays in (("parameters", first.parameters), ("buffers", buffers))
    ]
    names = others.get("class_names") or [str(number) for number in range(classes)]
    asked = find_relation(settings["relation"], tuple(names))
    record = {
        **settings, **_ROW, **_ERRORS, "key": key or network.identity, "network": network.name,
        "class_names": names, "answers": asked.packed,
        "identity": network.identity, "source": network.source, "torch_version": described.get("torch_version"),
        "image_size": list(size), "channels": channels, "classes": classes, "pixel_mean": 33.0, "pixel_deviation": 77.0,
        "arguments": {name: repr(value) for name, value in network.arguments.items()}, "outputs": described["roles"],
        "parameters": described["parameters"], "buffers": described["buffers"], "twofold_version": "0.2.0", **others,
    }  # fmt: skip
    return ModelStore(folder).add(Variables(*named), record)
