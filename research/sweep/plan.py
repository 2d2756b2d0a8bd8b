"""What a sweep would do, for `--dry-run`: its trials, packs, programs, time and memory. Nothing is started or written.

The time of an update is that of finished runs in the folder of the sweep; if they have none of a kind of program, it is
measured here: one program of the kind is compiled, and a few updates are timed. The memory is what XLA says of these
programs. Programs are of a kind if they differ neither in the task nor in the model and its batches.
"""

import contextlib
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from operator import attrgetter
from pathlib import Path
from typing import Any

import jax

from research.config.naming import NamedConfig
from research.options import static_key
from research.sweep import search
from research.sweep.executors import Local
from research.sweep.runner import Runner
from research.sweep.spec import Sweep
from research.sweep.status import clock
from research.tracking.run_directory import RunDirectory
from research.training import devices, loader
from research.training.options import TrialOptions, group_by_program
from research.training.pack import PackCache, build_pack
from research.training.trial import Trial, decide_shards

NUM_NAMES = 3
"""Trials whose names are shown."""
KIND = ("task.", "cell.name", "attention.name", "model.", "optimizer.name", "training.batch_size")
"""Prefixes of the keys in which programs of a kind do not differ."""
MEASURE_SECONDS = 60.0
"""No more programs are compiled after this time."""
TIMED_SECONDS = 0.5
MAX_UPDATES = 50
"""Updates of a program are timed for so long, or until they are so many."""


@dataclass(frozen=True)
class Measurement:
    """A program that was compiled and timed."""

    compile_seconds: float
    update_seconds: float
    """Of one update of one trial, its share of that of the pack."""
    updates: int
    """Updates that were timed."""
    memory: int
    """Bytes on each device."""


@dataclass
class Plan:
    """What a sweep would do."""

    sweep: Sweep
    total: int
    """Trials, those of later rounds of `method: bayes` included."""
    finished: list[Trial]
    packs: list[list[Trial]]
    """The trials to train."""
    speeds: dict[Any, float]
    """Seconds of an update of a trial in finished runs, by kind of program."""
    measured: dict[Any, Measurement] = field(default_factory=dict)
    """By kind of program."""

    @property
    def programs(self) -> dict[Any, list[list[Trial]]]:
        programs: dict[Any, list[list[Trial]]] = {}
        for pack in self.packs:
            programs.setdefault(static_key(pack[0].config), []).append(pack)
        return programs

    def measure(self) -> None:
        """Compile and time the first pack of each kind that no finished run tells the speed of, for a limited time."""
        started = time.monotonic()
        for pack in self.packs:
            kind = _kind(pack[0].config)
            if kind in self.speeds or kind in self.measured:
                continue
            program = static_key(pack[0].config)
            peers = sum(len(other) for other in self.programs[program])
            peers += sum(static_key(trial.config) == program for trial in self.finished)
            self.measured[kind] = _measure(pack, 1 if pack[0].config.training.max_seconds else peers)
            if time.monotonic() - started > MEASURE_SECONDS:
                return

    def seconds(self) -> tuple[float, float]:
        """Return the time of the updates of the trials to train, and that of compilation."""
        known = {**{kind: item.update_seconds for kind, item in self.measured.items()}, **self.speeds}
        usual = sum(known.values()) / len(known)
        training = 0.0
        for trial in (trial for pack in self.packs for trial in pack):
            options = trial.config.training
            seconds = options.steps * known.get(_kind(trial.config), usual)
            training += min(seconds, options.max_seconds or seconds)
        compilations = [item.compile_seconds for item in self.measured.values()]
        later = (self.total - len(self.finished)) / sum(map(len, self.packs))  # trials of later rounds
        compiling = sum(compilations) / len(compilations) * len(self.programs) if compilations else 0.0
        return training * later, compiling

    def describe(self) -> Iterator[str]:
        """Yield the lines that are printed."""
        trials = [trial for pack in self.packs for trial in pack]
        done = f", {len(self.finished)} of them done" if self.finished else ""
        yield f"{self.sweep.name}: {_count(self.total, 'trial')}{done}"
        if not trials:
            return
        yield from (f"  {trial.name}" for trial in trials[:NUM_NAMES])
        if len(trials) > NUM_NAMES:
            yield f"  and {len(trials) - NUM_NAMES} more"
        if self.total > len(trials) + len(self.finished):
            yield f"  the first {len(trials) + len(self.finished)} are planned; the others depend on their metrics"
        if any(trial.run.path.parent.name.endswith("-tuning") for trial in trials):
            yield "  those of the sweep itself take the options that the first choose, and are named by them"
        sizes = Counter(map(len, self.packs))
        listed = ", ".join(f"{count} of {_count(size, 'trial')}" for size, count in sorted(sizes.items(), reverse=True))
        yield f"packs      {listed}"
        yield f"devices    {_devices(max(self.packs, key=len))}"
        kinds = {_kind(pack[0].config) for pack in self.packs}
        yield f"programs   {len(self.programs)} to compile, of {_count(len(kinds), 'kind')}"
        training, compiling = self.seconds()
        more = f"and {clock(compiling)} of compilation" if compiling else "and compilation"
        yield f"time       about {clock(training)} of training {more}, on this machine"
        yield from self._sources(kinds)
        memory = max((item.memory for item in self.measured.values()), default=0)
        if memory:
            yield f"memory     {memory / 2**20:,.0f} MiB on each device, by XLA, for updates"
        else:
            yield "memory     not known: no program was compiled"

    def _sources(self, kinds: set[Any]) -> Iterator[str]:
        indent = " " * 11
        if recorded := kinds & self.speeds.keys():
            yield f"{indent}from finished runs: {_count(len(recorded), 'kind')}"
        if self.measured:
            updates = sorted({item.updates for item in self.measured.values()})
            span = "–".join(str(number) for number in dict.fromkeys((updates[0], updates[-1])))
            timed = _count(len(self.measured), "kind")
            yield f"{indent}timed here: {span} updates of one pack of each of {timed}"
        if rest := len(kinds) - len(recorded) - len(self.measured):
            yield f"{indent}not timed: {_count(rest, 'kind')}, taken as the mean of the others"
        yield f"{indent}evaluation and saving come on top"
        if self.sweep.early_terminate or (self.sweep.metric and self.sweep.metric.target is not None):
            yield f"{indent}trials that stop early, or a target that is met, take off some"


def make(sweep: Sweep, directory: Path, pack_size: int = 0, limit: int | None = None, rerun: bool = False) -> Plan:
    """Return the plan of a sweep, after a look at its run directories, which may not exist.

    `pack_size` and `limit` are as in the command; `rerun`: finished trials are trained anew.

    Raises:
        UserError: if a directory holds a run of another config, or a result that cannot be read.
    """
    runner, trials = Runner(sweep, directory, Local()), list[Trial]()
    if tuning := runner.check():
        tuner = runner.tuner(tuning)
        trials = [_planned(trial, tuner.directory) for trial in tuner.sweep.trials]
        if all(trial.run.result_file.exists() for trial in trials):
            sweep = tuner.choose(tuning)
    first = next(iter(search.rounds(sweep, lambda trial: 0.0, limit)), ())
    total = len(trials) + len(first)
    if sweep.method == "bayes":
        total = min(sweep.run_cap or 0, limit or sweep.run_cap or 0)
    trials += [_planned(trial, directory) for trial in first]
    results = {trial.name: result for trial in trials if (result := _result(trial))}
    done = set() if rerun else {*results}
    finished = [trial for trial in trials if trial.name in done]
    waiting = [trial for trial in trials if trial.name not in done]
    packs = group_by_program(waiting, attrgetter("name", "options"), pack_size)
    return Plan(sweep, total, finished, packs, _recorded_speeds(trials, results))


def _planned(trial: NamedConfig, directory: Path) -> Trial:
    """Return a trial without its data: they are read for the trials that are measured."""
    return Trial(trial.name, trial.config, trial.config, trial.config.task, RunDirectory(directory / trial.name))


def _result(trial: Trial) -> Mapping[str, Any] | None:
    trial.run.check_config(trial.config)
    return trial.run.result()


def _recorded_speeds(trials: Sequence[Trial], results: Mapping[str, Mapping[str, Any]]) -> dict[Any, float]:
    """Return the mean seconds of an update of a trial, by kind of program."""
    times: dict[Any, list[float]] = {}
    for trial in trials:
        summary = results.get(trial.name, {}).get("summary", {})
        if speed := summary.get("train/steps_per_second"):
            times.setdefault(_kind(trial.config), []).append(1.0 / speed)
    return {kind: sum(seconds) / len(seconds) for kind, seconds in times.items()}


def _measure(trials: Sequence[Trial], peers: int) -> Measurement:
    """Compile the program of a pack, which trains `peers` trials of the sweep, and time some of its updates."""
    resolved = [Trial.resolve(trial.name, trial.config, trial.run) for trial in trials]
    options = resolved[0].options
    pack = build_pack(resolved, decide_shards(options, peers), PackCache())
    analyses: list[Any] = []
    pack.tell_compiled(lambda compiled: analyses.append(compiled.memory_analysis()))
    with contextlib.closing(loader.create(pack, 0)) as source:
        state = jax.block_until_ready(pack.init())
        start = time.monotonic()
        state, record = source.run(state, 0, 0)  # 0 updates: compiles the program
        jax.block_until_ready(record)
        compile_seconds = time.monotonic() - start
        step, seconds, most = 0, 0.0, min(source.span or MAX_UPDATES, MAX_UPDATES, options.training.steps)
        while step < most and seconds < TIMED_SECONDS:
            start, stop = time.monotonic(), min(most, 2 * step + 1)
            state, record = source.run(state, step, stop)
            jax.block_until_ready(record)
            seconds, step = seconds + time.monotonic() - start, stop
    sizes = (getattr(analyses[0], f"{kind}_size_in_bytes") for kind in ("argument", "output", "temp", "generated_code"))
    memory = sum(sizes) - analyses[0].alias_size_in_bytes
    return Measurement(compile_seconds, seconds / step / len(resolved), step, memory)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'s' * (number != 1)}"


def _devices(pack: Sequence[Trial]) -> str:
    """Return how the devices share the trials of a pack, as `Pack` places them."""
    count, shards = jax.device_count(), decide_shards(pack[0].options, len(pack))
    each = -(-len(pack) // min(len(pack), count // shards))
    busy = -(-len(pack) // each) * shards
    share = f"{shards} devices for each trial" if shards > 1 else f"up to {_count(each, 'trial')} on each"
    idle = f", {count - busy} idle" if busy < count else ""
    return f"{count} ({jax.devices()[0].device_kind}): of a pack of {len(pack)}, {share}{idle}"


def _kind(config: TrialOptions) -> Any:
    return tuple(pair for pair in static_key(config) if pair[0].startswith(KIND))


def describe(plan: Plan) -> Iterator[str]:
    """Measure what is not known, and yield the lines that are printed."""
    devices.use_all_cores()
    devices.require()
    plan.measure()
    yield from plan.describe()
