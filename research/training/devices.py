"""The devices that a program runs on, and the facts about them that a result depends on."""

import contextlib
import os
import platform
from typing import Any

import jax

from research.errors import UserError

BY_FLAG = "--xla_force_host_platform_device_count"


def use_all_cores() -> None:
    """On a CPU, make each core an XLA device, so that trials run side by side.

    In vain where the caller has set a number of devices, or has computed something already.
    """
    if jax.config.values["jax_num_cpu_devices"] >= 0 or BY_FLAG in os.environ.get("XLA_FLAGS", ""):
        return
    with contextlib.suppress(RuntimeError):  # jax has its devices already
        jax.config.update("jax_num_cpu_devices", cores())


def require() -> None:
    """See now that JAX finds a device.

    Raises:
        UserError: if it does not, as where `JAX_PLATFORMS` names one that is not there.
    """
    try:
        jax.devices()
    except (RuntimeError, AssertionError) as error:  # the latter where a platform is known and has no plugin
        reason = str(error).partition("\n")[0] or "there is no such device"
        raise UserError(f"JAX_PLATFORMS={os.environ.get('JAX_PLATFORMS', '')}: {reason}") from error


def cores() -> int:
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def environment() -> dict[str, Any]:
    """What numbers may depend on beside config and seed: equal environments give equal bits."""
    device = jax.devices()[0]
    return {
        "platform": device.platform,
        "device": device.device_kind,
        "devices": jax.device_count(),
        "processes": jax.process_count(),
        "cores": cores(),
        "machine": platform.machine(),
        "instructions": _instructions(),
        "python": platform.python_version(),
        "jax": jax.__version__,
    }


def _instructions() -> str:
    """The widest vector extension that the processor names; XLA compiles for it."""
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            flags = next((line.split() for line in file if line.startswith(("flags", "Features"))), [])
    except OSError:
        return "unknown"
    known = ("amx_tile", "avx512f", "avx2", "avx", "sve", "asimd", "sse2")
    return next((name for name in known if name in flags), "unknown")
