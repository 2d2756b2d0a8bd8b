"""W&B's own package `sweeps` reads sweep files: `PYTHON wandb_sweeps.py` runs in an environment of its own.

The package needs numpy<2. `wandb_sweeps.py schema` prints its schema. `wandb_sweeps.py judge`, with the path of a file
on each line of standard input, prints what the package makes of each file.
"""

# pyright: reportMissingImports=false, reportAttributeAccessIssue=false

import json
import sys
import warnings
from pathlib import Path
from typing import Any

POINTS = (0.001, 0.013, 0.123, 0.307, 0.499, 0.612, 0.777, 0.951, 0.9991)
MOST_TRIALS = 1000
"""Grids are compared up to this size."""
DEPRECATED = "where min/max specify base-e exponents"
"""In what the package says of log_uniform and two others, which it samples nevertheless."""


def judge(content: Any) -> dict[str, Any]:
    """Return what the package makes of a file: why it refuses it, its trials, quantiles, and defaults."""
    from sweeps.config import fill_validate_early_terminate, schema_violations_from_proposed_config
    from sweeps.config.schema import fill_validate_metric
    from sweeps.hyperband_stopping import hyperband_stop_runs
    from sweeps.params import HyperParameterSet

    from sweeps import next_runs

    answer: dict[str, Any] = {"refused": "", "quantiles": {}}
    try:
        violations = schema_violations_from_proposed_config(content)
        faults = [text for text in violations if DEPRECATED not in text]
        if faults:
            return {"refused": "; ".join(faults)}
        answer["deprecated"] = bool(violations)
        runs = next_runs(content, [], n=MOST_TRIALS if content["method"] == "grid" else 1)
        configs = [{key: item["value"] for key, item in run.config.items()} for run in runs if run]
        answer["trials"] = [_flat(content["parameters"], config) for config in configs]
        answer["complete"] = runs[-1] is None
        for parameter in HyperParameterSet.from_config(content["parameters"]):
            key = parameter.name.replace(HyperParameterSet.NESTING_DELIMITER, ".")
            values = [parameter.ppf(x) for x in POINTS]
            answer["quantiles"][key] = [value.item() if hasattr(value, "item") else value for value in values]
        if "metric" in content:
            answer["metric"] = fill_validate_metric(content)["metric"]
        if "early_terminate" in content:
            hyperband_stop_runs([], content)
            answer["early_terminate"] = fill_validate_early_terminate(content)["early_terminate"]
    except Exception as error:
        return {"refused": f"{type(error).__name__}: {error}"}
    return answer


def _flat(parameters: dict[str, Any], values: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return the values of a run by dotted key."""
    pairs: dict[str, Any] = {}
    for key, entry in parameters.items():
        nested = "parameters" in entry
        pairs |= _flat(entry["parameters"], values[key], f"{prefix}{key}.") if nested else {prefix + key: values[key]}
    return pairs


def main() -> None:
    """Print the schema, or the answers."""
    import yaml
    from sweeps.config.schema import sweep_config_jsonschema

    if sys.argv[1] == "schema":
        print(json.dumps(sweep_config_jsonschema))
        return
    paths = sys.stdin.read().splitlines()
    answers = {path: judge(yaml.safe_load(Path(path).read_text(encoding="utf-8"))) for path in paths}
    print(json.dumps(answers, default=str))


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    main()
