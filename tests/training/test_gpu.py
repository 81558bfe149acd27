"""The way of GPUs, on a processor that is told to be one: trials together, the next cohort ahead, memory that ends."""

import threading
from functools import cache, partial
from types import SimpleNamespace
from unittest.mock import create_autospec

import jax
import numpy as np
import pytest
from tests.training.programs import numbers, program

from twofold.data import draw_pairs, load_images
from twofold.errors import SettingError
from twofold.native.pinning import platform
from twofold.training import cohort, compiled, engines, room
from twofold.training.cohort import Job, Work, train_cohorts, train_works
from twofold.training.run import TrialData, trial_key

DIGITS = load_images("mnist5k")
DEVICE = jax.devices()[:1]
pytestmark = pytest.mark.usefixtures("compiled_quickly")


def device(kind="NVIDIA H200", cores=132, **memory):
    """A GPU with so much memory."""
    told = {"platform": "gpu", "device_kind": kind, "core_count": cores, "compute_capability": "9.0", "id": 0}
    client = SimpleNamespace(platform="cuda", platform_version="cuda 13000")
    chip = create_autospec(jax.Device, instance=True, client=client, **told)
    chip.memory_stats.return_value = memory
    return chip


@pytest.fixture
def as_gpu(monkeypatch):
    """Whatever asks takes the processor for a GPU."""
    monkeypatch.setattr(engines, "platform_of", lambda device: "gpu")


@cache
def pairs_of(round):
    draw = partial(draw_pairs, DIGITS, seed=0, round=round, pairs=50)
    return TrialData(draw(split="train"), draw(split="test"))


def job(round, network="NetWSAL", epochs=2, **settings):
    chosen = {"optimizer": "sgd", "learning_rate": 1e-3, **settings}
    return Job((network, round), trial_key(0, round), numbers(network, **chosen), epochs, partial(pairs_of, round))


def work(network="NetWSAL", rounds=3, **settings):
    jobs = [job(round, network, **settings) for round in range(rounds)]
    return Work(program(network, optimizer="sgd", **settings), jobs, example=jobs[0])


def outcomes(works, **options):
    return {job.id: outcome for job, outcome in train_works(works, devices=DEVICE, **options)}


def assert_alike(ours, theirs, tolerance=1e-4):
    assert ours.keys() == theirs.keys()
    for id in ours:
        np.testing.assert_allclose(ours[id].train_loss, theirs[id].train_loss, rtol=tolerance)
        jax.tree.map(partial(np.testing.assert_allclose, atol=tolerance), ours[id].variables, theirs[id].variables)


@pytest.mark.parametrize("settings", [{}, {"shuffle": True}], ids=["", "shuffled"])
def test_trials_come_out_as_on_a_processor(settings, monkeypatch):
    """Equal up to rounding, in cohorts of two programs of which the last ones have idle places."""
    works = [work("NetWSAL", **settings), work("NetBase", rounds=2, **settings)]
    alone = outcomes(works)
    monkeypatch.setattr(engines, "platform_of", lambda device: "gpu")
    together = outcomes(works, together=2)
    assert_alike(together, alone)
    for id, outcome in outcomes(works, together=2).items():  # and once more, bit for bit
        jax.tree.map(np.testing.assert_array_equal, outcome.variables, together[id].variables)


def test_operations_are_those_of_the_pinned_platform():
    assert platform() == jax.default_backend()
    with engines.pinned_for(program(), device()):
        assert platform() == "gpu"
    assert platform() == jax.default_backend()


def no_memory(*_):
    raise jax.errors.JaxRuntimeError("RESOURCE_EXHAUSTED: Out of memory while trying to allocate 8589934592 bytes.")


def test_where_memory_ends_cohorts_are_halved(as_gpu, monkeypatch):
    """Those that fit are trained, what was told of the others is taken back, and the cohorts after them are smaller."""
    sizes, train = [], cohort._trained

    def trained(some, placed, tell):
        sizes.append(some.together)
        if some.together > 1:
            tell(1)
            no_memory()
        return train(some, placed, tell)

    monkeypatch.setattr(cohort, "_trained", trained)
    told = []
    found = outcomes([work(rounds=5)], together=4, on_progress=told.append)
    assert sorted(id for _, id in found) == [0, 1, 2, 3, 4]
    assert sum(told) == 5 * 2
    # The second cohort, of one trial, was under way when the first ended.
    assert sizes == [4, 4, 2, 2, 1, 1, 1, 1, 1]


def test_a_training_that_does_not_fit_alone_is_told_in_a_line(as_gpu, monkeypatch):
    monkeypatch.setattr(cohort, "_trained", no_memory)
    with pytest.raises(SettingError, match=r"^`batch_size` \(=25\): one training of this network needs more memory"):
        outcomes([work(rounds=1)], together=1)


def test_another_error_is_not_taken_for_want_of_memory(as_gpu, monkeypatch):
    def broken(*_):
        raise jax.errors.JaxRuntimeError("INTERNAL: CUDA error")

    monkeypatch.setattr(cohort, "_trained", broken)
    with pytest.raises(jax.errors.JaxRuntimeError, match="INTERNAL"):
        outcomes([work()], together=2)


def test_the_next_cohort_is_loaded_while_one_trains(as_gpu, monkeypatch):
    """The trials of the second program: what the first's cohort waits for is the loading of the second's pairs."""
    loaded, train = threading.Event(), cohort._trained
    waited = []

    def trained(some, placed, tell):
        if not waited:
            waited.append(loaded.wait(60))
        return train(some, placed, tell)

    def load(round):
        if threading.current_thread().name.startswith("loader"):
            loaded.set()
        return pairs_of(round)

    monkeypatch.setattr(cohort, "_trained", trained)
    second = work("NetBase", rounds=2)
    later = [Job(each.id, each.key, each.numbers, each.epochs, partial(load, 0)) for each in second.jobs]
    assert len(outcomes([work(rounds=2), second._replace(jobs=later)], together=2)) == 4
    assert waited == [True]


@pytest.mark.parametrize("way", ["processor", "gpu"])
def test_the_next_program_is_compiled_while_one_trains(way, monkeypatch):
    """The first cohort ends only when the compilation of the second program has begun."""
    engines._ENGINES.clear()
    if way == "gpu":
        monkeypatch.setattr(engines, "platform_of", lambda device: "gpu")
    begun, compiling = threading.Event(), engines._compile

    def compile(program, *rest):
        if not program.structure.weight_sharing:
            begun.set()
        return compiling(program, *rest)

    monkeypatch.setattr(engines, "_compile", compile)
    waited = []
    done = train_works(
        [work(rounds=1), work("NetBase", rounds=1)],
        devices=DEVICE,
        on_progress=lambda epochs: waited.append(begun.wait(60)),
        together=1,
    )
    next(done)  # the first program's only trial
    assert waited
    assert all(waited)
    assert len(list(done)) == 1


def test_what_is_wrong_with_a_later_program_shows_when_its_turn_comes():
    def broken():
        raise ValueError("no such pairs")

    bad = Job("bad", trial_key(0, 0), numbers("NetBase"), 1, broken)
    done = train_works([work(rounds=1), Work(program("NetBase"), [bad], example=bad)], devices=DEVICE)
    assert next(done)[0].id == ("NetWSAL", 0)
    with pytest.raises(ValueError, match="no such pairs"):
        next(done)


def test_who_stops_listening_stops_the_training(as_gpu):
    """The thread that trains ends between two chunks of epochs."""
    before = threading.active_count()
    done = train_works([work(rounds=6, epochs=3)], devices=DEVICE, together=2)
    next(done)
    done.close()
    assert threading.active_count() <= before + 1 + engines.COMPILERS  # those that trace and compile stay


def test_who_stops_takes_no_program_from_another_run():
    """Both wait for one that is not begun; once nobody does, it is never traced."""
    engines._ENGINES.clear()
    told, busy = threading.Event(), threading.Event()
    engines._TRACER.submit(lambda: (told.set(), busy.wait(60)))
    told.wait(60)
    try:
        one, other, third = (cohort._Line([each], tuple(DEVICE), 1) for each in (work(), work(), work("NetBase")))
        cohorts = [next(iter(line)) for line in (one, other, third)]
        assert cohorts[0].engine is cohorts[1].engine
        one.leave()
        third.leave()
    finally:
        busy.set()
    assert cohorts[1].engine.result(timeout=60).size == 1
    assert cohorts[2].engine.cancelled()
    other.leave()
    assert not {each.engine for each in cohorts} & set(engines._WANTED)


def shapes(network="NetWSAL", **settings):
    each = job(0, network, **settings)
    return engines.shapes_of((cohort._arguments(each), each.load()))


@pytest.mark.parametrize("network", ["NetWSAL", "NetBase"])
def test_the_memory_of_a_trial_is_about_what_the_compiled_program_takes(network, as_gpu, monkeypatch):
    """A program as it is compiled for trainings."""
    monkeypatch.setattr(engines, "compile_or_load", compiled.compile_or_load)
    training, together = program(network, optimizer="adam"), 4
    with engines.pinned_for(training, DEVICE[0]):
        estimated = together * room.bytes_of_trial(training, shapes(network))
    engine = engines.engine(training, shapes(network), tuple(DEVICE), together).result()
    found = engine.train_epochs.result().memory_analysis()
    needed = found.argument_size_in_bytes + found.output_size_in_bytes + found.temp_size_in_bytes
    assert needed < estimated < 4 * needed


def test_as_many_are_trained_together_as_half_of_the_free_memory_holds():
    training = program()
    with engines.pinned_for(training, device()):
        each = room.bytes_of_trial(training, shapes())
    for fit in (1, 7, 255):
        free = room.free_memory(device(bytes_limit=2 * fit * each + each, bytes_in_use=each // 2))
        assert room.fitting(training, device(), shapes(), free) == fit
    assert room.fitting(training, device(), shapes(), free=each / 10) == 1
    assert room.fitting(training, device(), shapes(), room.free_memory(device())) == room.MOST_TOGETHER
    assert room.fitting(training, jax.devices("cpu")[0], shapes(), free=1e12) == 1


def test_a_program_kept_for_a_gpu_is_of_that_chip_and_that_software(monkeypatch):
    lowered = jax.jit(lambda x: x + 1).lower(jax.ShapeDtypeStruct((4,), np.float32))

    def digest(kind="NVIDIA H200", cores=132, software=(("jax-cuda13-plugin", "0.10.2"),)):
        monkeypatch.setattr(compiled, "_software", lambda: list(software))
        return compiled._digest(lowered, [device(kind, cores)], {})

    others = [digest(kind="NVIDIA H100"), digest(cores=16), digest(software=(("jax-cuda13-plugin", "0.11.2"),))]
    assert digest() == digest()
    assert len({digest(), *others}) == 4


def test_the_software_of_a_device_is_told_by_its_packages(monkeypatch):
    names = ("jax", "jax-cuda13-plugin", "NVIDIA-cublas", "numpy", "libtpu", None)
    found = [SimpleNamespace(metadata={"Name": name}, version="1") for name in names]
    monkeypatch.setattr(compiled, "distributions", lambda: found)
    compiled._software.cache_clear()
    assert compiled._software() == [("jax-cuda13-plugin", "1"), ("libtpu", "1"), ("nvidia-cublas", "1")]
    compiled._software.cache_clear()


def test_train_cohorts_is_for_one_program(as_gpu):
    some = work(rounds=2)
    found = list(train_cohorts(some.program, some.jobs, devices=DEVICE, together=2))
    assert [job.id for job, _ in found] == [("NetWSAL", 0), ("NetWSAL", 1)]
