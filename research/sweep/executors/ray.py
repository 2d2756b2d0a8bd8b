"""Workers of a Ray cluster: each pack is a task with its cores and accelerators.

The run directories are the result, so all machines of the cluster must share their folder. A pack whose worker dies
starts again on another one, from its last checkpoint. Without an address, Ray starts on this machine for the sweep.

`requirements-cluster.txt` installs Ray, which is imported when a sweep asks for it.
"""

import functools
import logging
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from research.config.naming import NamedConfig
from research.errors import UserError
from research.options import require_between
from research.sweep.executors.executor import Executor, Work, never
from research.training.options import group_by_program

if TYPE_CHECKING:
    from research.training.pack import PackCache
    from research.training.trial import TrialResult

ROOT = Path(__file__).parents[3]
LEAST_DEVICES = 2
"""XLA devices of a worker on a CPU: with one, XLA optimizes differently, and numbers are rounded otherwise."""
WAIT_SECONDS = 1.0


@dataclass(frozen=True)
class Ray(Executor):
    """Workers of a Ray cluster, or of Ray on this machine."""

    name: ClassVar[str] = "ray"
    address: str = ""
    """Ray: address of a running cluster; by default that of RAY_ADDRESS, or Ray on this machine."""
    cpus_per_worker: float = 1.0
    """Ray: cores of a pack."""
    gpus_per_worker: float = 0.0
    """Ray: GPUs of a pack."""
    tpus_per_worker: float = 0.0
    """Ray: TPU chips of a pack, which the cluster must offer as the resource TPU."""

    def __post_init__(self) -> None:
        require_between(self, "", cpus_per_worker=(0, 1e4), gpus_per_worker=(0, 1e4), tpus_per_worker=(0, 1e4))

    def describe(self, pack_size: int) -> str:
        asked = {"CPU": self.cpus_per_worker, "GPU": self.gpus_per_worker, "TPU": self.tpus_per_worker}
        each = ", ".join(f"{count:g} {name}" for name, count in asked.items() if count) or "nothing reserved"
        even = "" if pack_size else "; without --pack-size, trials are divided evenly among the workers, not as above"
        return f"workers    of the cluster, a pack at a time on {each}{even}"

    def train(self, work: Work) -> Sequence["TrialResult"]:
        ray = self._start()
        resources = {"TPU": self.tpus_per_worker} if self.tpus_per_worker else None
        task = ray.remote(_train_pack).options(
            num_cpus=self.cpus_per_worker, num_gpus=self.gpus_per_worker, resources=resources, max_retries=-1
        )
        most = work.pack_size or max(1, -(-len(work.trials) // self._workers(ray)))
        packs = group_by_program(work.trials, lambda trial: (trial.name, trial.config), most)
        # A function of the launcher, such as `enough`, may hold what cannot be sent.
        rest = replace(work, trials=(), directory=work.directory.absolute(), enough=never)
        cores = round(self.cpus_per_worker)
        return self._collect(ray, lambda pack: task.remote(replace(rest, trials=pack), cores), packs, work.enough)

    def _collect(
        self,
        ray: Any,
        start: Callable[[Sequence[NamedConfig]], Any],
        packs: list[list[NamedConfig]],
        enough: Callable[[], bool],
    ) -> Sequence["TrialResult"]:
        """Train the packs, as many at a time as there are workers; start no more once there are results `enough`."""
        from research.tracking.progress import ProgressBar
        from research.tracking.run_directory import RunDirectory
        from research.training.trial import TrialResult

        results: list[TrialResult] = []
        running: dict[Any, list[NamedConfig]] = {}
        with ProgressBar() as bar:
            bar.expect(sum(map(len, packs)))
            try:
                while packs or running:
                    if packs and enough():
                        left = [(name, RunDirectory(Path(name))) for pack in packs for name, _ in pack]
                        results += [TrialResult.unfinished(name, run, "waiting") for name, run in left]
                        packs = []
                    while packs and len(running) < self._workers(ray):
                        pack = packs.pop(0)
                        running[start(pack)] = pack
                    bar.doing(f"{len(running)} packs on Ray, {len(packs)} waiting")
                    done, _ = ray.wait(list(running), num_returns=1, timeout=WAIT_SECONDS) if running else ((), ())
                    for reference in done:
                        bar.advance(len(running.pop(reference)))
                        results += ray.get(reference)
            except ray.exceptions.RayTaskError as error:
                self._cancel(ray, list(running))
                raise error.cause if isinstance(error.cause, UserError) else error from error
            except BaseException:
                self._cancel(ray, list(running))
                raise
        return results

    def _cancel(self, ray: Any, running: list[Any]) -> None:
        """Interrupt the packs that train, which save a checkpoint."""
        for reference in running:
            ray.cancel(reference)
        if running:
            ray.wait(running, num_returns=len(running), timeout=10 * WAIT_SECONDS)

    def _start(self) -> Any:
        """Return the module `ray`, connected."""
        try:
            import ray
        except ImportError as error:
            raise UserError("--executor=ray: needs Ray; pip install -r requirements-cluster.txt") from error
        if ray.is_initialized():
            return ray
        address = self.address or os.environ.get("RAY_ADDRESS") or None
        paths = [str(ROOT), os.getcwd(), os.environ.get("PYTHONPATH", "")]
        environment = {"env_vars": {"PYTHONPATH": os.pathsep.join(filter(None, paths))}}
        options: dict[str, Any] = {} if address else {"include_dashboard": False}
        try:
            ray.init(address, log_to_driver=False, logging_level=logging.ERROR, runtime_env=environment, **options)
        except (ConnectionError, ValueError, RuntimeError) as error:
            raise UserError(f"--address={address}: {str(error).strip().splitlines()[0]}") from error
        return ray

    def _workers(self, ray: Any) -> int:
        """Return how many packs the cluster trains at a time."""
        asked = {"CPU": self.cpus_per_worker, "GPU": self.gpus_per_worker, "TPU": self.tpus_per_worker}
        total = ray.cluster_resources()
        fits = [int(total.get(name, 0) // count) for name, count in asked.items() if count]
        if not min(fits, default=1):
            wanted = ", ".join(f"{count:g} {name}" for name, count in asked.items() if count)
            there = ", ".join(f"{total.get(name, 0):g} {name}" for name in asked)
            raise UserError(f"--executor=ray: a pack needs {wanted}; the cluster has {there}")
        return min(fits, default=1)


def _train_pack(work: Work, cores: int) -> Sequence["TrialResult"]:
    import jax

    from research.errors import Stopped
    from research.training.pack import Sharing
    from research.training.trainer import train_trials

    if jax.config.values["jax_num_cpu_devices"] < 0:
        jax.config.update("jax_num_cpu_devices", max(LEAST_DEVICES, cores))
    sharing = Sharing(_packs(), pause=work.pause, peers=work.peers, leave_busy=True)
    try:
        return train_trials(work.trials, work.directory, work.rerun, work.restart, sharing)
    except Stopped as error:
        raise UserError(f"a worker was stopped by signal {error.number}; the same command resumes") from error


@functools.cache
def _packs() -> "PackCache":
    """Return the compiled packs of this worker."""
    from research.training.pack import PackCache

    return PackCache()
