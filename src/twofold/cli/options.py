"""Options that several commands share."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Group, Parameter

TASK = Group("What is learnt", sort_key=2)
TRAINING = Group("How it is trained", sort_key=3)
RUNNING = Group("Running", sort_key=4)

SEVERAL: dict[str, Any] = {"consume_multiple": True, "negative": ""}
# A constant here, since the store's own would bring in SQLAlchemy for every help text; a test holds them together.
DEFAULT_STORE = "sqlite:///twofold.db"
StoreUrl = Annotated[str, Parameter(help="The results store: an SQLAlchemy URL, or the path of an SQLite file.")]
FLAG = {"negative": "", "show_default": False}

DATA_DIR = Parameter(
    help="Where to look for data sets before downloading, for example --data-dir ~/datasets, which holds mnist/; or "
    "set TWOFOLD_DATA_DIR."
)
MODELS = Parameter(help="The folder of kept networks, for example --models ~/networks; by default beside the store.")


@Parameter(name="*", group=TASK)
@dataclass(frozen=True, kw_only=True)
class DigitOptions:
    """The digits, the pairs drawn from them to judge a network by, and the question about a pair."""

    test_pairs: Annotated[int, Parameter(help="Test pairs a round.")] = 1000
    validation_pairs: Annotated[
        int | None,
        Parameter(
            help="Validation pairs a round, from the training pool, for example --validation-pairs 200; by default "
            "1000, or what the pool can spare."
        ),
    ] = None
    relation: Annotated[
        str, Parameter(help='What to ask of a pair (first, second): "<=", "<", "==" or "same parity".')
    ] = "<="
    data: Annotated[
        str,
        Parameter(
            help="mnist5k (embedded), mnist, fashion-mnist, kmnist, a folder of IDX files, or an .npz file with "
            "`images` (n, h, w) and `labels`."
        ),
    ] = "mnist5k"
    data_dir: Annotated[Path | None, DATA_DIR] = None
    normalise: Annotated[bool, Parameter(help="Standardise the pixels by the training pairs.", **FLAG)] = False
    seed: Annotated[int, Parameter(help="Decides every draw and every initial weight, with the round.")] = 0

    def settings(self) -> dict[str, Any]:
        """The options as `twofold.Study` takes them."""
        return dict(vars(self))


@Parameter(name="*", group=TASK)
@dataclass(frozen=True, kw_only=True)
class TaskOptions(DigitOptions):
    """All of the task: the digits, the question, and the pairs to learn from."""

    pairs: Annotated[int, Parameter(help="Training pairs a round.")] = 1000


@Parameter(name="*", group=RUNNING)
@dataclass(frozen=True, kw_only=True)
class RunOptions:
    """Where to run, where to keep results, and what to show."""

    workers: Annotated[
        int | None, Parameter(help="Devices to use, for example --workers 2; by default all cores, or all GPUs.")
    ] = None
    store: StoreUrl = DEFAULT_STORE
    out: Annotated[Path, Parameter(help="The folder for figures.")] = Path("figures")
    json: Annotated[bool, Parameter(help="Print one JSON array, a row per trial, instead of tables.", **FLAG)] = False
    quiet: Annotated[bool, Parameter(help="Show no progress.", **FLAG)] = False
