"""The measurement of a GPU (benchmarks/gpu.py): its small form on a processor, and what it says of parts that fail."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from benchmarks import gpu

ROOT = Path(__file__).parents[1]


def test_the_small_form_measures_every_part(tmp_path):
    pytest.importorskip("torch", reason="PyTorch is not installed: networks of one's own need it")
    command = [sys.executable, ROOT / "benchmarks" / "gpu.py", "--small", "--out", tmp_path / "gpu.json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=600)
    assert done.returncode == 0, done.stderr
    results = json.loads((tmp_path / "gpu.json").read_text())
    assert list(results) == list(gpu.PARTS)
    for part, found in results.items():
        assert "failed" not in found, (part, found)
        assert found["rows"]
        assert not [name for row in found["rows"] for name in row if "failed" in name]
    speeds = [row["steps alone, trainings / s"] for row in results["throughput"]["rows"]]
    assert min(speeds) > 0
    assert [row["in one process"] for row in results["repetition"]["rows"]] == [True]
    assert {row["part"] for row in results["step"]["rows"] if row["ms"] > 0} >= {"products"}
    page = (tmp_path / "gpu.md").read_text(encoding="utf-8")
    assert page.count("\n## ") == len(gpu.PARTS)
    assert "Failed" not in page


def test_a_part_that_fails_is_told_and_the_others_go_on(monkeypatch):
    def broken(sizes):
        raise RuntimeError("no such card | at all")

    def whole(sizes):
        """Something."""
        return [{"a": 1.23456, "b": True}, {"a": None, "c": "x|y"}]

    monkeypatch.setattr(gpu, "PARTS", {"first": (broken, 1), "second": (whole, 1)})
    results = gpu.measure(["first", "second"], 1, small=True)
    assert results["first"]["failed"] == "RuntimeError: no such card | at all"
    assert "broken" in results["first"]["traceback"]
    lines = gpu.markdown(results).splitlines()
    assert "Failed: RuntimeError: no such card | at all" in lines
    assert lines[-4:] == ["| a | b | c |", "|---|---|---|", "| 1.23 | yes | – |", "| – | – | x y |"]


def test_a_part_has_its_time_and_the_whole_run_its_own(monkeypatch):
    monkeypatch.setattr(gpu, "PARTS", {"machine": (gpu.machine, 1)})
    assert gpu.tried_apart("machine", seconds=0.01)["failed"] == "it took more than 0 s"
    assert gpu.measure(["machine"], minutes=0.01, small=False)["machine"]["failed"] == "no time was left for it"
