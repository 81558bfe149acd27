"""All that is to be known of a GPU, in one run of at most eight minutes.

    python benchmarks/gpu.py [--small] [--parts NAME ...] [--minutes 8] [--out gpu.json]

The parts are tried one after another, each in a process of its own and for a time of its own: one that fails, or takes
too long, is told of, and the others go on. It writes one JSON, and beside it one page of Markdown. With `--small`
there is little of everything, in one process, on whatever device there is: so the tests run it on a processor.

Trainings are those of the paper: 1,000 pairs in batches of 25, 100 epochs, Adam, mnist5k. "Steps alone" is the
difference between more epochs and fewer, scaled up to a training. Of PyTorch a few epochs are scaled up, without its
evaluation.
"""

import argparse
import hashlib
import json
import os
import platform
import re
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from twofold.files import write_whole

EPOCHS, BATCH = 100, 25
FOUR = ("NetBase", "NetWS", "NetAL", "NetWSAL")
OWN = ("16 and 32 channels, padded", "residual, 24 channels")
PRECISIONS = ("tf32", "float32")

# Test errors of a processor, round by round, and how they were made: `--keep-errors` writes them from a store.
STORED = Path(__file__).with_name("errors_of_a_processor.json")

# What a part finds, as it finds it.
Rows = Iterator[dict[str, Any]]


@dataclass(frozen=True)
class Sizes:
    """How much of everything is measured."""

    together: tuple[int, ...] = (16, 64, 256)
    epochs: tuple[int, int] = (2, 12)
    whole: int = EPOCHS
    networks: tuple[str, ...] = FOUR
    own: tuple[str, ...] = OWN
    pairs: int = 1000
    rounds: int = 24
    torch_together: int = 64
    torch_epochs: int = 1
    study: tuple[str, ...] = ()
    grid: tuple[str, ...] | None = ()


SMALL = Sizes(
    together=(2,),
    epochs=(1, 2),
    whole=2,
    networks=("NetWSAL",),
    own=OWN[:1],
    pairs=100,
    rounds=2,
    torch_together=2,
    study=("--rounds", "1", "--epochs", "1", "--networks", "NetWSAL"),
    grid=None,
)


def machine(sizes: Sizes) -> Rows:
    """The card, what drives it, and the versions of what computes."""
    import jax

    card = ["nvidia-smi", "--query-gpu=name,driver_version,memory.total", "--format=csv,noheader"]
    try:
        driver = subprocess.run(card, capture_output=True, text=True, check=True, timeout=30).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        driver = "no nvidia-smi"
    device = jax.devices()[0]
    versions = {name: _version(name) for name in ("jax", "jaxlib", "jax-cuda13-plugin", "torch", "numpy")}
    told = {"device": device.device_kind, "platform": device.platform, "driver": driver, "cores": os.cpu_count()}
    yield {**told, "python": platform.python_version(), **versions}


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"


def throughput(sizes: Sizes) -> Rows:
    """Trainings a second against the number trained together, steps alone, and whole ones with the largest number."""
    for network in (*sizes.networks, *sizes.own):
        for precision in _precisions():
            train = _trainer(network, precision, sizes.pairs)
            for together in sizes.together:
                few, more = sizes.epochs
                train(few, together)  # compiled, and warm
                step = (train(more, together) - train(few, together)) / (more - few)
                row = {"network": network, "precision": precision, "together": together}
                row["steps alone, trainings / s"] = together / (EPOCHS * step)
                if together == max(sizes.together):
                    row["whole, trainings / s"] = together / (train(sizes.whole, together) * EPOCHS / sizes.whole)
                yield row


def _precisions() -> tuple[str, ...]:
    """Those that the device has: a processor has one."""
    import jax

    return PRECISIONS if jax.devices()[0].platform != "cpu" else ("float32",)


@cache
def _digits() -> Any:
    from twofold.data import load_images

    return load_images("mnist5k")


@cache
def _pairs(round: int, pairs: int) -> Any:
    from twofold.data import draw_pairs
    from twofold.training.run import TrialData

    draw = partial(draw_pairs, _digits(), seed=0, round=round, pairs=pairs)
    return TrialData(draw(split="train"), draw(split="test"))


def _program_and_jobs(network: str, precision: str, pairs: int) -> tuple[Any, Callable[[int, int], list]]:
    """The program of a network of the paper's or of one's own, and jobs of so many epochs for it."""
    from twofold.networks import NETWORKS
    from twofold.settings import Settings
    from twofold.training.cohort import Job
    from twofold.training.run import numbers_of, program_of, trial_key

    settings = Settings(batch_size=BATCH, precision=precision)
    if network in NETWORKS:
        settings = replace(settings, aux_weight=settings.aux_weight if NETWORKS[network].auxiliary_losses else 0.0)
        structure = NETWORKS[network].structure()
    else:
        structure = _own(network)
    program, numbers = program_of(structure, _digits().task, settings), numbers_of(structure, settings)

    def jobs(epochs: int, count: int) -> list[Job]:
        return [
            Job(
                round,
                trial_key(0, round),
                numbers,
                epochs,
                partial(_pairs, round % 8, pairs),
                partial(structure.initial, 0, round),
            )
            for round in range(count)
        ]

    return program, jobs


@cache
def _own(name: str) -> Any:
    from own_kinds import IMAGE, users
    from own_networks import structure_of

    return structure_of(partial(users, name), IMAGE)


def _trainer(network: str, precision: str, pairs: int) -> Callable[[int, int], float]:
    """A function that trains for so many epochs so many together, and gives the seconds that took."""
    import jax

    from twofold.training.cohort import train_cohorts

    program, jobs = _program_and_jobs(network, precision, pairs)

    def train(epochs: int, together: int) -> float:
        some = jobs(epochs, together)
        begin = time.perf_counter()
        list(train_cohorts(program, some, devices=jax.devices()[:1], together=together))
        return time.perf_counter() - begin

    return train


# The first pattern that an operation's line of the compiled program has names its part.
STEP = {
    "products": r"gemm|dot|cublas|twofold_",
    "copies and transposes": r" (copy|transpose|bitcast-convert)\(|copy_fusion|transpose_fusion|memcpy",
    "patches": r"concatenate|slice",
    "sums": r"reduce|scatter|pad",
    "other": "",
}


def step(sizes: Sizes) -> Rows:
    """The parts of a step, by JAX's profiler: milliseconds a step of all that are trained together."""
    for network in dict.fromkeys((sizes.networks[0], sizes.networks[-1])):
        yield from _step(sizes, network)


def _step(sizes: Sizes, network: str) -> Rows:
    import gzip

    import jax

    from twofold.training import cohort, engines
    from twofold.training.cohort import Work

    together, (epochs, _) = max(sizes.together), sizes.epochs
    program, jobs = _program_and_jobs(network, _precisions()[0], sizes.pairs)
    line = cohort._Line([Work(program, jobs(EPOCHS, together))], tuple(jax.devices()[:1]), together)
    (some,) = line
    _, (arguments, data) = cohort._placed(some)
    engine = some.engine.result()
    train = engine.train_epochs.result()
    with engines.pinned_for(program, jax.devices()[0]), tempfile.TemporaryDirectory() as folder:
        state, batches = engine.start.result()(arguments, data.train)
        state, _ = train(state, arguments, data.train, batches, data.test, _int32(epochs))
        jax.block_until_ready(state)
        with jax.profiler.trace(folder):
            jax.block_until_ready(train(state, arguments, data.train, batches, data.test, _int32(epochs)))
        (path,) = Path(folder).rglob("*.trace.json.gz")
        events = json.loads(gzip.decompress(path.read_bytes()))["traceEvents"]
    steps = epochs * sizes.pairs // BATCH
    lines = dict(re.findall(r"^ *(?:ROOT )?%?([\w.\-]+) = (.*)$", train.as_text(), re.MULTILINE))
    parts: dict[str, float] = dict.fromkeys(STEP, 0.0)
    for event in events:
        operation = event.get("args", {}).get("hlo_op", event.get("name", ""))
        line = lines.get(operation)
        if event.get("ph") == "X" and line is not None and not re.search(r" (while|conditional|call)\(", line):
            text = f"{event['name']} {operation} = {line}"
            parts[next(part for part, pattern in STEP.items() if re.search(pattern, text))] += event["dur"]
    total = sum(parts.values()) or 1.0
    for part, micro in parts.items():
        yield {"network": network, "part": part, "ms": micro / 1000 / steps, "%": 100 * micro / total}


def _int32(number: int) -> Any:
    import numpy as np

    return np.int32(number)


def commands(sizes: Sizes) -> Rows:
    """Whole commands, from start to finish: with nothing kept of an earlier run, with that kept, with nothing to do."""
    with tempfile.TemporaryDirectory() as folder:
        study = ("study", *sizes.study, "--quiet")
        cases = [("study, cold", study, "a"), ("study, warm", study, "b"), ("study, nothing to train", study, "b")]
        if sizes.grid is not None:
            cases += [("grid, the study's programs kept", ("grid", *sizes.grid, "--quiet"), "c")]
        environment = {**os.environ, "XDG_CACHE_HOME": f"{folder}/cache"}
        if sizes is SMALL:  # else our own operations would be compiled for the processor
            environment = dict(os.environ)
        for name, words, store in cases:
            command = [sys.executable, "-c", "from twofold.cli import main; main()", *words]
            command += ["--store", f"{folder}/{store}.db", "--out", f"{folder}/{store}"]
            begin = time.perf_counter()
            done = subprocess.run(command, env=environment, cwd=folder, capture_output=True, text=True, check=False)
            row = {"command": name, "seconds": time.perf_counter() - begin}
            yield row if done.returncode == 0 else {**row, "failed": done.stderr.strip()[-300:]}


def errors(sizes: Sizes) -> Rows:
    """Test errors beside those of a processor in the same rounds: means, and of the differences a 95 % interval."""
    import numpy as np
    from scipy.stats import t

    from twofold import Study

    stored = json.loads(STORED.read_text(encoding="utf-8"))["test_error"]
    for precision in _precisions():
        settings: dict[str, Any] = {"networks": list(sizes.networks), "rounds": sizes.rounds, "precision": precision}
        if sizes is SMALL:
            settings |= {"epochs": 1, "pairs": 100}
        table = Study(**settings).run(store="sqlite://", progress=False).histories
        for network, some in table.groupby("network", sort=False):
            theirs = np.array(stored.get(network, [])[: len(some)])
            ours = some.sort_values("round").test_error.to_numpy()
            row = {"network": network, "precision": precision, "rounds": len(ours), "error, %": 100 * ours.mean()}
            if len(theirs) > 1:
                apart = 100 * (ours[: len(theirs)] - theirs)
                half = t.ppf(0.975, len(apart) - 1) * apart.std(ddof=1) / len(apart) ** 0.5
                row |= {"rounds of a processor": len(theirs), "its error, %": 100 * theirs.mean()}
                row |= {
                    "difference, points": apart.mean(),
                    "95 %, from": apart.mean() - half,
                    "to": apart.mean() + half,
                }
            yield row


def keep_errors(store: Path) -> None:
    """Keep the test errors of a store that has `twofold study` on mnist5k, trained on a processor, from round 0 on."""
    from twofold.results import Store

    table = Store(store, create=False).read()
    (device,), (jax_version,) = table.device.unique(), table.jax_version.unique()
    kept = {
        str(network): some.sort_values("round").test_error.tolist()
        for network, some in table.groupby("network", sort=True)
        if sorted(some["round"]) == list(range(len(some)))
    }
    told = {
        "command": f"twofold study --data mnist5k --rounds {max(map(len, kept.values()))}",
        "device": device,
        "jax": jax_version,
    }
    STORED.write_text(json.dumps({**told, "test_error": kept}) + "\n", encoding="utf-8")


def repetition(sizes: Sizes) -> Rows:
    """Whether the same trainings come out the same, bit for bit: again in this process, and in another one."""
    for precision in _precisions():
        first, again = (_hash(sizes, precision) for _ in range(2))
        row = {"precision": precision, "in one process": first == again}
        if sizes is not SMALL:
            with tempfile.TemporaryDirectory() as folder:  # which has no compiled programs
                words = ["--hash-of", precision]
                environment = {**os.environ, "XDG_CACHE_HOME": folder, "XLA_PYTHON_CLIENT_MEM_FRACTION": "0.2"}
                command = [sys.executable, __file__, *words]
                done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
            row["compiled anew in another"] = first == done.stdout.split()[-1]
        yield row


def _hash(sizes: Sizes, precision: str) -> str:
    """Of all losses and final weights of some trainings of each network."""
    import jax

    from twofold.training.cohort import train_cohorts

    found = hashlib.sha256()
    for network in sizes.networks:
        program, jobs = _program_and_jobs(network, precision, sizes.pairs)
        together, device = min(sizes.together), jax.devices()[:1]
        some = jobs(max(sizes.epochs), together)
        for _, outcome in train_cohorts(program, some, devices=device, together=together):
            for array in jax.tree.leaves((outcome.train_loss, outcome.variables)):
                found.update(array.tobytes())
    return found.hexdigest()


def pytorch(sizes: Sizes) -> Rows:
    """PyTorch on the same card: a training after the other, eager, and many together by torch.func.vmap."""
    import torch

    device = "cuda" if torch.cuda.is_available() else "cpu"
    if device == "cpu" and sizes is not SMALL:
        raise RuntimeError("PyTorch finds no GPU: install it for CUDA")
    for network in (*sizes.networks, *sizes.own):
        for precision in PRECISIONS if device == "cuda" else ("float32",):
            torch.set_float32_matmul_precision("high" if precision == "tf32" else "highest")
            torch.backends.cudnn.allow_tf32 = precision == "tf32"
            row: dict[str, Any] = {"network": network, "precision": precision, "on": device}
            for way, measure, together in (("eager", _eager, 1), ("vmap", _vmapped, sizes.torch_together)):
                try:
                    seconds = measure(network, device, sizes, together)
                    row[f"{way}, ms / training"] = 1000 * seconds * EPOCHS / sizes.torch_epochs / together
                except Exception as error:  # of another way than ours: the rest still says something
                    row[f"{way} failed"] = f"{type(error).__name__}: {error}"[:200]
            yield row


def _torch_module(network: str) -> Any:
    from own_kinds import users

    from twofold.export.pytorch import module_for

    return module_for(network) if network in FOUR else users(network)


def _torch_loss(outputs: Any, targets: Any, classes: Any) -> Any:
    from torch.nn import functional

    if not isinstance(outputs, tuple):
        return functional.cross_entropy(outputs, targets)
    logits, digits = outputs
    named = sum(functional.cross_entropy(digits[:, side], classes[:, side]) for side in (0, 1))
    return functional.cross_entropy(logits, targets) + named


def _torch_batches(device: str, sizes: Sizes, together: int) -> Iterator[tuple]:
    """An epoch's batches of so many trainings, each with a leading axis of trainings."""
    import numpy as np
    import torch

    some = [_pairs(round % 8, sizes.pairs).train for round in range(together)]
    arrays = [np.stack([np.asarray(each[place]) for each in some]) for place in range(3)]
    images, targets, classes = (torch.from_numpy(array).to(device) for array in arrays)
    for first in range(0, sizes.pairs, BATCH):
        rows = slice(first, first + BATCH)
        yield images[:, rows], targets[:, rows].long(), classes[:, rows].long()


def _seconds(device: str, work: Callable[[], None], times: int) -> float:
    """The seconds of so many runs of the work, after one that warms up."""
    import torch

    def all_done() -> float:
        if device == "cuda":
            torch.cuda.synchronize()
        return time.perf_counter()

    work()
    begin = all_done()
    for _ in range(times):
        work()
    return all_done() - begin


def _eager(network: str, device: str, sizes: Sizes, together: int) -> float:
    import torch

    torch.manual_seed(0)
    module = _torch_module(network).train().to(device)
    optimizer = torch.optim.Adam(module.parameters(), lr=0.001, fused=device == "cuda")
    batches = [[each[0] for each in batch] for batch in _torch_batches(device, sizes, together)]

    def epoch() -> None:
        for images, targets, classes in batches:
            loss = _torch_loss(module(images), targets, classes)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()

    return _seconds(device, epoch, sizes.torch_epochs)


def _vmapped(network: str, device: str, sizes: Sizes, together: int) -> float:
    import torch
    from torch.func import functional_call, grad, replace_all_batch_norm_modules_, stack_module_state, vmap

    modules = []
    for number in range(together):
        torch.manual_seed(number)
        modules.append(replace_all_batch_norm_modules_(_torch_module(network).train().to(device)))
    stacked, buffers = stack_module_state(modules)
    parameters = {name: each.detach() for name, each in stacked.items()}
    first, second = ({name: torch.zeros_like(each) for name, each in parameters.items()} for _ in range(2))
    batches, steps = list(_torch_batches(device, sizes, together)), 0

    def loss(parameters: dict, buffers: dict, images: Any, targets: Any, classes: Any) -> Any:
        outputs = functional_call(modules[0], (parameters, buffers), (images,))
        return _torch_loss(outputs, targets, classes)

    gradients = vmap(grad(loss), randomness="different")

    @torch.no_grad()
    def epoch() -> None:
        nonlocal steps
        for batch in batches:
            steps += 1
            found = gradients(parameters, buffers, *batch)
            each = [[group[name] for name in parameters] for group in (found, first, second, parameters)]
            torch._foreach_lerp_(each[1], each[0], 0.1)
            torch._foreach_mul_(each[2], 0.999)
            torch._foreach_addcmul_(each[2], each[0], each[0], 0.001)
            size = torch._foreach_sqrt(each[2])
            torch._foreach_div_(size, (1 - 0.999**steps) ** 0.5)
            torch._foreach_add_(size, 1e-8)
            torch._foreach_addcdiv_(each[3], each[1], size, value=-0.001 / (1 - 0.9**steps))

    return _seconds(device, epoch, sizes.torch_epochs)


# Each part, and the most seconds that it may take of the whole run.
PARTS: dict[str, tuple[Callable[[Sizes], Rows], int]] = {
    "machine": (machine, 40),
    "commands": (commands, 150),
    "throughput": (throughput, 210),
    "errors": (errors, 90),
    "step": (step, 60),
    "repetition": (repetition, 60),
    "pytorch": (pytorch, 90),
}


def tried(part: str, sizes: Sizes, out: Path | None = None) -> dict[str, Any]:
    """What a part found, how it failed, if it did, and what it took; it is written to a file as it comes."""
    begin = time.perf_counter()
    found: dict[str, Any] = {"rows": []}

    def write() -> None:
        found["seconds"] = time.perf_counter() - begin
        if out:
            write_whole(out, json.dumps(found).encode())

    try:
        for row in PARTS[part][0](sizes):
            found["rows"].append(row)
            write()
    except Exception as error:  # of whatever kind: the other parts go on
        found["failed"] = f"{type(error).__name__}: {error}"[:300]
        found["traceback"] = "".join(traceback.format_exception(error))[-1500:]
    write()
    return found


def tried_apart(part: str, seconds: float) -> dict[str, Any]:
    """The same in a process of its own, which is ended when its time is over; what it has found by then stays."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder, "part.json")
        command = [sys.executable, __file__, "--part-to", str(out), "--parts", part]
        failed = "its process ended without a word"
        begin = time.perf_counter()
        try:
            ended = subprocess.run(command, timeout=seconds, check=False, stdout=sys.stderr).returncode
        except subprocess.TimeoutExpired:
            ended, failed = 1, f"it took more than {seconds:.0f} s"
        found = json.loads(out.read_text(encoding="utf-8")) if out.exists() else {"rows": []}
        return found if ended == 0 else {**found, "failed": failed, "seconds": time.perf_counter() - begin}


def markdown(results: dict[str, dict[str, Any]]) -> str:
    """The page: a table for each part, or why there is none."""
    lines = ["# Measured by benchmarks/gpu.py", ""]
    for part, found in results.items():
        told = (PARTS[part][0].__doc__ or "").strip()
        lines += [f"## {part.capitalize()}", "", f"{told} ({found['seconds']:.0f} s)", ""]
        if "failed" in found:
            lines += [f"Failed: {found['failed']}", ""]
        if not found["rows"]:
            continue
        columns = list(dict.fromkeys(name for row in found["rows"] for name in row))
        lines += [f"| {' | '.join(columns)} |", "|---" * len(columns) + "|"]
        lines += [f"| {' | '.join(_cell(row.get(name)) for name in columns)} |" for row in found["rows"]]
        lines.append("")
    return "\n".join(lines)


def _cell(value: Any) -> str:
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:.3g}" if isinstance(value, float) else re.sub(r"[|\s]+", " ", str(value))


def measure(parts: Sequence[str], minutes: float, *, small: bool) -> dict[str, dict[str, Any]]:
    """All parts in turn, within so many minutes."""
    end, results = time.monotonic() + 60 * minutes, {}
    for part in parts:
        left = end - time.monotonic()
        if left < 5:
            results[part] = {"rows": [], "failed": "no time was left for it", "seconds": 0.0}
        else:
            results[part] = tried(part, SMALL) if small else tried_apart(part, min(left, PARTS[part][1]))
        print(part, results[part].get("failed", f"{results[part]['seconds']:.0f} s"), file=sys.stderr, flush=True)
    return results


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--small", action="store_true")
    parser.add_argument("--parts", nargs="*", default=list(PARTS), choices=list(PARTS))
    parser.add_argument("--minutes", type=float, default=8.0)
    parser.add_argument("--out", type=Path, default=Path("gpu.json"))
    parser.add_argument("--keep-errors", type=Path, metavar="STORE", help=keep_errors.__doc__)
    parser.add_argument("--part-to", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--hash-of", choices=PRECISIONS, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.keep_errors:
        keep_errors(arguments.keep_errors)
    elif arguments.hash_of:
        print(_hash(Sizes(), arguments.hash_of))
    elif arguments.part_to:
        (part,) = arguments.parts
        tried(part, Sizes(), arguments.part_to)
    else:
        results = measure(arguments.parts, arguments.minutes, small=arguments.small)
        arguments.out.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
        arguments.out.with_suffix(".md").write_text(markdown(results), encoding="utf-8")


if __name__ == "__main__":
    main()
