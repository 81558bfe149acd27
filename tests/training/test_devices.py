"""Setting JAX up, in processes of their own: what is said once cannot be taken back."""

import os
import subprocess
import sys

import jax
import pytest
from tests.cli import program

from twofold.errors import SettingError
from twofold.training.devices import processor_share, usable_cores, use_devices


def run(code):
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120).stdout


def test_every_core_is_a_device():
    assert run("from twofold.training.devices import use_devices; print(len(use_devices(tell=print)))") == (
        run("from twofold.training.devices import processor_share; print(processor_share())")
    )


def test_where_jax_runs_already_its_devices_are_used_and_the_user_is_told():
    out = run(
        "import jax; jax.devices()\nfrom twofold.training.devices import use_devices\nprint(len(use_devices(2, print)))"
    )
    assert out.startswith("JAX was running already with 1 of 2 devices")
    assert out.endswith("\n1\n")


def test_one_worker_leaves_the_number_of_devices_and_the_flags_of_xla_alone():
    out = run(
        "import os, jax\nfrom twofold.training.devices import use_devices\nuse_devices(1)\n"
        "print(jax.config.jax_num_cpu_devices, jax.device_count(), os.environ.get('XLA_FLAGS'))"
    )
    assert out == "-1 1 None\n"


def test_fewer_workers_than_devices():
    told = []
    assert use_devices(1, told.append) == jax.devices()[:1]
    assert told == []


@pytest.mark.parametrize("workers", [0, -1, True, 10_000])
def test_impossible_numbers_are_refused(workers):
    with pytest.raises(SettingError, match="`workers`"):
        use_devices(workers)


@pytest.mark.parametrize("platform", ["cuda", "rocm", "nonsense", "cuda,nonsense"])
def test_a_kind_of_device_that_is_not_here_is_refused_in_a_line(platform, tmp_path):
    if platform in ("cuda", "rocm") and jax.default_backend() == "gpu":
        pytest.skip("this machine has a GPU")
    study = ["study", "--rounds", "1", "--epochs", "1", "--networks", "NetWS", "--quiet"]
    process = program.run(*study, cwd=tmp_path, timeout=120, JAX_PLATFORMS=platform)
    assert process.returncode == 2
    assert process.stderr.startswith(f"twofold: JAX_PLATFORMS (={platform}): JAX finds no such device here (")
    assert process.stderr.count("\n") == 1


@pytest.fixture
def groups(tmp_path):
    """Makes control groups as Linux shows them: files by path, and the lines of which groups a process is in."""

    def make(files, membership):
        for name, content in files.items():
            file = tmp_path / "cgroup" / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(content)
        lines = tmp_path / "self"
        lines.write_text(membership)
        return {"groups": tmp_path / "cgroup", "membership": lines}

    return make


@pytest.mark.parametrize(
    ("files", "membership", "share"),
    [
        ({"cpu.max": "max 100000\n"}, "0::/\n", 64),
        ({"cpu.max": "200000 100000\n"}, "0::/\n", 2),
        ({"cpu.max": "150000 100000\n"}, "0::/\n", 2),
        ({"cpu.max": "50000 100000\n"}, "0::/\n", 1),
        ({"user/own/cpu.max": "300000 100000", "user/cpu.max": "max 100000"}, "0::/user/own\n", 3),
        ({"user/own/cpu.max": "max 100000", "user/cpu.max": "400000 100000"}, "0::/user/own\n", 4),
        ({"cpu.max": "500000 100000"}, "0::/docker/of/the/host\n", 5),
        ({"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"}, "3:cpu,cpuacct:/\n", 64),
        ({"cpu/cpu.cfs_quota_us": "250000", "cpu/cpu.cfs_period_us": "100000"}, "3:cpu,cpuacct:/\n2:memory:/\n", 3),
        ({"cpu/own/cpu.cfs_quota_us": "100000", "cpu/own/cpu.cfs_period_us": "100000"}, "4:cpu:/own\n", 1),
        ({"cpu.max": "nonsense"}, "0::/\n", 64),
        ({"cpu.max": "100000 0"}, "0::/\n", 64),
        ({}, "0::/\n", 64),
        ({"cpu.max": "200000 100000"}, "no line of this kind\n", 64),
    ],
)
def test_the_share_of_a_container_is_the_number_of_workers(files, membership, share, groups, monkeypatch):
    monkeypatch.setattr("twofold.training.devices.usable_cores", lambda: 64)
    assert processor_share(**groups(files, membership)) == share


def test_without_control_groups_all_cores_are_used(tmp_path):
    assert processor_share(tmp_path / "none", tmp_path / "no file") == usable_cores()


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="only Linux keeps a process to some cores")
def test_a_process_that_is_kept_to_one_core_has_one_worker():
    code = "import os; os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})\n"
    code += "from twofold.training.devices import use_devices; print(len(use_devices(tell=print)))"
    assert run(code) == "1\n"
