"""Text to `Config`: the flags of `train`, and the same text for each trial of a sweep.

A flag is `--dotted.key=value` or `--dotted.key value`, for any key of `research.dotted.flatten`. tyro reads the values
and writes the help; this is the only module that imports it. Every mistake is a `UserError` of one line.
"""

import contextlib
from collections.abc import Sequence

import tyro
from tyro import _errors as tyro_errors  # private, but the only way to tyro's parse errors; tyro is pinned

from research import experiment
from research.config import Config, task_types
from research.dotted import draft, flatten, kept, override, suggestion
from research.errors import UserError

MARKERS = (tyro.conf.AvoidSubcommands, tyro.conf.FlagConversionOff)
ALLOWED = {bool: "true or false", int: "a whole number", float: "a number", str: "a word"}
HELP = ("-h", "--help")


def read_flags(args: Sequence[str]) -> dict[str, str]:
    """The text of each flag by its dotted key, in the order given. Hyphens in a key count as underscores.

    Raises:
        UserError: for a flag without a value, a flag given twice, or a word that is no flag.
    """
    flags: dict[str, str] = {}
    words = list(args)
    while words:
        word = words.pop(0)
        if not word.startswith("--") or word == "--":
            raise UserError(f"{word!r}: not a flag; flags are written --key=value")
        key, equals, text = word[2:].partition("=")
        key = key.replace("-", "_")
        if not equals:
            if not words or words[0].startswith("--"):
                raise UserError(f"{word}: needs a value, as in {word}=VALUE")
            text = words.pop(0)
        if key in flags:
            raise UserError(f"--{key}: given twice, {flags[key]!r} and {text!r}")
        flags[key] = text
    return flags


def parse(base: Config, args: Sequence[str]) -> Config:
    """The config with the options that the flags name changed; `--task.name` takes the new task's default options.

    Raises:
        UserError: for an unknown key, or a value of the wrong type or outside its range.
    """
    flags = read_flags(args)
    base = _freed(base, flags)
    defaults = flatten(base)
    _check_keys(flags, base)
    for key, text in flags.items():
        if isinstance(defaults[key], bool) and text in ("true", "false"):  # as YAML and JSON write them
            flags[key] = text.capitalize()

    def fail(event: tyro_errors.ParseErrorEvent) -> None:
        raise UserError(_explain(event, flags, defaults))

    words = [f"--{key}={text}" for key, text in flags.items()]
    with tyro_errors.on_parse_error(fail):
        return _tyro(base, words)


def config_of(name: str, args: Sequence[str]) -> Config:
    """The config of one trial of the experiment: its base, the setting, the arm, then the other flags.

    Raises:
        UserError: if there is no such experiment, or for a wrong flag.
    """
    flags = read_flags(args)
    base = experiment.load(name).config(flags.get("setting", ""), flags.get("arm", ""))
    given = flags.pop("experiment", name)
    if given != name:
        raise UserError(f"experiment={given}: must be {name}, the experiment that is trained")
    return parse(override(base, {"experiment": name}), [f"--{key}={text}" for key, text in flags.items()])


def print_help(name: str, args: Sequence[str]) -> None:
    """Print all options with the values that they have in this experiment, with the setting, arm and task of the flags.

    Raises:
        UserError: for a flag that there is not.
    """
    declared = experiment.load(name)
    flags = read_flags([word for word in args if word not in HELP])
    flags.pop("runs_dir", None)  # is explained below, and no key of the config
    base = _freed(declared.config(flags.get("setting", ""), flags.get("arm", "")), flags)
    _check_keys(flags, base)
    lines = [declared.claim, "", f"--task.name: {', '.join(task_types())}; the options of the task follow it."]
    for key, named in (("setting", declared.settings), ("arm", declared.arms)):
        if named:
            lines.append(f"--{key}: {', '.join(repr(choice) if ' ' in choice else choice for choice in named)}.")
    lines.append("--runs-dir DIR: where run directories go (default: runs).")
    with contextlib.suppress(SystemExit):  # tyro leaves after its help
        _tyro(base, ["--help"], prog=f"python -m research train {name}", description="\n".join(lines))


def _check_keys(flags: dict[str, str], base: Config) -> None:
    known = flatten(base)
    for key, text in flags.items():
        if key not in known:
            raise UserError(f"--{key}={text}: no such option{suggestion(key, base)}")


def _tyro(base: Config, words: Sequence[str], prog: str = "research", description: str = "") -> Config:
    return tyro.cli(
        Config, args=words, default=base, use_underscores=True, config=MARKERS, prog=prog, description=description
    )


def _freed(base: Config, flags: dict[str, str]) -> Config:
    """The base config with defaults in the place of what the flags replace, and with their task, not yet checked."""
    return draft({**kept(base, flags), "task.name": flags.get("task.name", base.task.name)})


def _explain(event: tyro_errors.ParseErrorEvent, flags: dict[str, str], defaults: dict[str, object]) -> str:
    """What tyro found wrong, in one line: the key, the value and what is allowed."""
    argument = getattr(event, "argument", None)
    if argument is None:  # no other kind of error is left after `read_flags` and the check of the keys
        return f"cannot read the flags: {getattr(event, 'message', type(event).__name__)}"
    key = argument.lowered.name_or_flags[-1].removeprefix("--")
    allowed = ALLOWED[type(defaults[key])]
    if isinstance(event, tyro_errors.InvalidChoice) and not isinstance(defaults[key], bool):
        allowed = f"one of {', '.join(event.choices)}"
    return f"{key}={flags.get(key, '')}: must be {allowed}"
