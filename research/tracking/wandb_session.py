"""Whether a process can use W&B, and how: the login, the server, the variables of the environment.

Only this module imports wandb, when it is asked for.
"""

import functools
import os
import re
import sys
import threading
from types import ModuleType

from research.errors import UserError, first_line

ANSWER_SECONDS = 20.0
"""How long to wait for the answer to a question."""
_asking = threading.Lock()


def mode_of(mode: str) -> str:
    """Return online, offline or disabled. auto is WANDB_MODE if set, else online if the user is logged in."""
    if mode == "auto":
        mode = os.environ.get("WANDB_MODE", "auto")
    if mode in ("disabled", "offline"):
        return mode
    if logged_in():
        return "online"
    if mode == "online":
        raise UserError("wandb.mode=online: not logged in; run `wandb login`, or choose auto or offline")
    return "offline"


@functools.cache
def logged_in() -> bool:
    from wandb.sdk.lib import wbauth

    wandb = load()
    try:
        host = wandb.setup(wandb.Settings(silent=True)).settings.base_url
        return wbauth.authenticate_session(host=host, source="", prompt=False, update_session=False) is not None
    except Exception as error:  # a malformed key
        warn(f"W&B login cannot be used, runs stay offline: {first_line(error)}")
        return False


def unreachable() -> str:
    """Return why W&B's server cannot be used, as found in the first call of the process; "" if it can."""
    with _asking:
        return _ask()


@functools.cache
def _ask() -> str:
    wandb = load()
    try:
        wandb.Api(timeout=ANSWER_SECONDS)
    except Exception as error:
        refused = re.search(r"error 40[13]", str(error))
        reason = f"{wandb.setup().settings.base_url} {'refuses the API key' if refused else 'does not answer'}"
        warn(f"{reason}, W&B gets the runs later")
        return reason
    return ""


@functools.cache
def saves_code() -> bool | None:
    """Return whether the account's setting has runs save code; None if it says nothing, or the environment decides.

    W&B itself reads that setting only where it prints who is logged in, which `silent` prevents.
    """
    if in_environment("save_code") or in_environment("disable_code"):
        return None
    account = load().setup()._resolve_identity()
    return account.flags.get("code_saving_enabled") if account else None


def by_agent() -> bool:
    """Return whether an agent of a W&B sweep has started this process and its run."""
    return bool(os.environ.get("WANDB_SWEEP_ID"))


def sweep_name() -> str:
    """Return the `name` in the file of the agent's sweep; "" without an agent, a name or an answer of the server."""
    sweep = os.environ.get("WANDB_SWEEP_ID")
    if not sweep or mode_of("auto") != "online":
        return ""
    path = "/".join(filter(None, [os.environ.get("WANDB_ENTITY"), os.environ.get("WANDB_PROJECT"), sweep]))
    try:
        return str(load().Api(timeout=ANSWER_SECONDS).sweep(path).config.get("name") or "")
    except Exception as error:
        warn(f"W&B does not tell the name of sweep {path}, the folder is that of the experiment: {first_line(error)}")
        return ""


def in_environment(setting: str) -> bool:
    """Return whether the user has set W&B's variable of a setting, which W&B ignores where the setting is given."""
    name = setting.upper()  # X_DISABLE_STATS is set by WANDB__DISABLE_STATS too
    return not os.environ.keys().isdisjoint((f"WANDB_{name}", f"WANDB_{name.removeprefix('X')}"))


def asks_for_machine() -> bool:
    """Return whether the user has told W&B to collect the commit or statistics of the machine, offline as well."""
    words = [
        os.environ.get(name, "") for name in ("WANDB_DISABLE_GIT", "WANDB__DISABLE_STATS", "WANDB_X_DISABLE_STATS")
    ]
    return any(word.lower() in ("false", "0") for word in words)


def load() -> ModuleType:
    os.environ.setdefault("WANDB_ERROR_REPORTING", "false")  # no crash reports over the network
    import wandb

    return wandb


@functools.cache
def warn(line: str) -> None:
    """Print the line, once."""
    print(f"warning: {line}", file=sys.stderr)
