"""Twofold measures what an architectural prior is worth.

    import twofold
    result = twofold.Study(rounds=20).run()
    result.table      # a row per trial
    result.figure()   # every round of every network

Importing this is cheap: the engine is loaded when one of the names is first used.
"""

from typing import TYPE_CHECKING, Any

__version__ = "0.2.0"

if TYPE_CHECKING:
    from twofold.api import Study as Study
    from twofold.api import StudyResult as StudyResult
    from twofold.api import TuneResult as TuneResult
    from twofold.api import export_model as export_model
    from twofold.api import predict as predict
    from twofold.errors import DataError as DataError
    from twofold.errors import NetworkError as NetworkError
    from twofold.errors import SettingError as SettingError
    from twofold.errors import StoreError as StoreError
    from twofold.errors import TwofoldError as TwofoldError
    from twofold.export.trained import trained as trained
    from twofold.networks.own import network as network

_HOMES = {
    "Study": "twofold.api",
    "StudyResult": "twofold.api",
    "TuneResult": "twofold.api",
    "export_model": "twofold.api",
    "predict": "twofold.api",
    "network": "twofold.networks.own",
    "trained": "twofold.export.trained",
    "DataError": "twofold.errors",
    "NetworkError": "twofold.errors",
    "SettingError": "twofold.errors",
    "StoreError": "twofold.errors",
    "TwofoldError": "twofold.errors",
}

__all__ = sorted([*_HOMES, "__version__"])


def __getattr__(name: str) -> Any:
    import importlib

    if name not in _HOMES:
        raise AttributeError(f"module 'twofold' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return __all__
