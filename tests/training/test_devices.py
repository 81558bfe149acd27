"""Setting JAX up, in processes of their own: what is said once cannot be taken back."""

import subprocess
import sys

import jax
import pytest

from twofold.errors import SettingError
from twofold.training.devices import use_devices


def run(code):
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120).stdout


def test_every_core_is_a_device():
    assert run("from twofold.training.devices import use_devices; d, notes = use_devices(); print(len(d), notes)") == (
        run("import os; print(len(os.sched_getaffinity(0)), [])")
    )


def test_where_jax_runs_already_its_devices_are_used_and_a_note_says_so():
    out = run(
        "import jax; jax.devices()\nfrom twofold.training.devices import use_devices\n"
        "devices, notes = use_devices(2)\nprint(len(devices), notes)"
    )
    assert out.startswith("1 ['JAX was running already with 1 of 2 devices")


def test_fewer_workers_than_devices():
    assert use_devices(1) == (jax.devices()[:1], [])


@pytest.mark.parametrize("workers", [0, -1, True, 10_000])
def test_impossible_numbers_are_refused(workers):
    with pytest.raises(SettingError, match="`workers`"):
        use_devices(workers)
