"""Log every trial of a study to MLflow, as soon as it is stored: parameters, errors, and the loss of every epoch.

    pip install mlflow-skinny
    python examples/log_to_mlflow.py                            some minutes
    python examples/log_to_mlflow.py --rounds 2 --epochs 2 --pairs 100    a look at how it works: some seconds

The runs are files in the folder mlruns; no server is asked. `mlflow ui` (of the package mlflow) shows them. The same
command again trains nothing, and logs nothing twice.
"""

import argparse
import math
import os
from pathlib import Path

# Before MLflow is imported: nothing leaves this machine, and runs may be files.
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("MLFLOW_ALLOW_FILE_STORE", "true")

import time

from mlflow import MlflowClient
from mlflow.entities import Metric, Param

import twofold
from twofold.settings import SETTINGS


def logger(folder: Path, experiment: str):
    """What is called with each new row: it makes a run of MLflow of it."""
    client = MlflowClient(tracking_uri=folder.resolve().as_uri())
    known = client.get_experiment_by_name(experiment)
    number = known.experiment_id if known else client.create_experiment(experiment)

    def log(row: dict) -> None:
        run = client.create_run(number, run_name=f"{row['network']}, round {row['round']}", tags={"key": row["key"]})
        now = int(1000 * time.time())
        settings = [Param(name, str(row[name])) for name in ("network", "round", *SETTINGS)]
        errors = {name: row[name] for name in ("train_error", "validation_error", "test_error", "digit_error")}
        metrics = [Metric(name, value, now, 0) for name, value in errors.items() if value is not None]
        # A loss that is no number, of a training that diverged, is None.
        losses = [math.nan if loss is None else loss for loss in row["train_loss"]]
        metrics += [Metric("train_loss", loss, now, epoch) for epoch, loss in enumerate(losses, 1)]
        client.log_batch(run.info.run_id, metrics=metrics, params=settings)
        client.set_terminated(run.info.run_id)

    return log


def main() -> None:
    """Run the study, and print where its runs are."""
    parser = argparse.ArgumentParser(description="Log every trial of a study to MLflow.")
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--epochs", type=int, default=100)
    parser.add_argument("--pairs", type=int, default=1000)
    arguments = parser.parse_args()

    study = twofold.Study(rounds=arguments.rounds, epochs=arguments.epochs, pairs=arguments.pairs)
    result = study.run(on_row=logger(Path("mlruns"), "twofold"))
    print(result)


if __name__ == "__main__":
    main()
