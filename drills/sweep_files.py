"""Sweep files that hypothesis makes from W&B's schema."""

import copy
import random
from typing import Any

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

VALUES = st.one_of(
    st.integers(-3, 3),
    st.floats(-3, 3).map(lambda value: round(value, 3)),
    st.booleans(),
    st.none(),
    st.sampled_from(["gru", "1", "true", "a b", "é", ""]),
    st.sampled_from([0, 0.0, 2, 2.0]),
    st.lists(st.integers(0, 9), max_size=2),
)
"""For what the schema leaves open."""
BOUNDS = {"min": (-3, 0), "max": (1, 4), "mu": (-2, 2), "sigma": (0, 2), "a": (0.1, 4), "b": (0.1, 4), "q": (0.4, 2)}
"""Of the options of a distribution: grids stay small, and `min` is less than `max`."""
LAUNCH = ("image_uri", "job", "metrics", "scheduler")
COMMANDS = [
    [*start, *words]
    for start in (["python", "${program}"], ["${env}", "${interpreter}", "-m", "research", "train", "gradient_norms"])
    for words in (
        ["${args}"],
        ["--fixed=1", "${args_no_hyphens}"],
        ["${args_no_boolean_flags}", "--fixed", "1"],
        ["${args_no_equals}", "--fixed=${envvar:USER_OF_DRILL}"],
    )
]
KEYS = st.from_regex(r"[a-z_][a-z0-9_]{0,2}(\.[a-z]{1,2})?", fullmatch=True)


def schemas(schema: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the schema, that of files that can be run here, and that of grids among them, by name."""
    whole, runnable = copy.deepcopy(schema), copy.deepcopy(schema)
    for each in (whole, runnable):
        each["properties"]["run_cap"]["maximum"] = 30
        for name in [name for name in each["definitions"] if name.startswith("param_")]:
            entry = each["definitions"][name]
            for options in (item.get("properties", {}) for item in entry.get("anyOf", [entry])):
                for key in options.keys() & BOUNDS.keys():
                    least, most = BOUNDS[key]
                    positive = "exclusiveMinimum" in options[key] and key == "min"
                    options[key].update(minimum=0.1 if positive else least, maximum=0.9 if positive else most)
    whole["required"] += ["parameters"]
    properties = runnable["properties"]
    for key in LAUNCH:
        del properties[key]
    runnable["definitions"]["metric"]["properties"]["name"] = {"enum": ["validation/loss"]}
    hyperband = runnable["definitions"]["hyperband_stopping"]["properties"]
    hyperband["max_iter"].update(minimum=1, maximum=81)
    hyperband["s"] = {"type": "integer", "minimum": 1, "maximum": 4}
    hyperband["eta"]["maximum"] = 4
    properties |= {"program": {"enum": ["experiments/gradient_norms.py"]}, "command": {"enum": COMMANDS}}
    properties["method"] = {"enum": ["grid", "random", "random", "bayes"]}
    runnable["required"] = ["method", "metric", "parameters", "program", "run_cap"]
    grid = copy.deepcopy(runnable)
    grid["properties"]["method"] = {"enum": ["grid"]}
    grid["required"].remove("run_cap")
    kinds = ("categorical", "int_uniform", "quniform", "single_value", "dict")
    grid["definitions"]["parameter"]["anyOf"] = [{"$ref": f"#/definitions/param_{kind}"} for kind in kinds]
    return {"whole schema": whole, "runnable": runnable, "grids": grid}


def make(schema: dict[str, Any], count: int, number: int) -> list[Any]:
    """Return files that hypothesis makes of a schema."""
    made: list[Any] = []

    @seed(number)
    @settings(
        max_examples=count,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much],
    )
    @given(_strategy(schema, schema["definitions"], 2))
    def collect(value: Any) -> None:
        made.append(_with_probabilities(copy.deepcopy(value)))

    collect()
    return made


def damage(content: dict[str, Any], rng: random.Random) -> dict[str, Any]:
    """Return a copy in which one key, anywhere, is absent, new, or has another value."""
    content = copy.deepcopy(content)
    node: Any = content
    while True:
        key = rng.choice(sorted(node))
        if not isinstance(node[key], dict) or not node[key] or rng.random() < 0.15:
            break
        node = node[key]
    values = (None, True, 0, -1, 2.0, 2.5, "x", "", [], {}, [1, 1.0, "1"], {"value": 1})
    change = rng.randrange(3)
    if change == 0:
        del node[key]
    elif change == 1:
        node[key] = rng.choice(values)
    else:
        node[rng.choice(("min", "max", "value", "values", "q", "mu", "distribution", "other"))] = rng.choice(values)
    return content


def _strategy(schema: dict[str, Any], definitions: dict[str, Any], depth: int) -> st.SearchStrategy[Any]:
    """Return the strategy of a schema; nested parameters are at most `depth` levels deep."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return _strategy(definitions[name], definitions, depth - (name == "param_dict"))
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    choices = [item for key in ("anyOf", "oneOf") for item in schema.get(key, ()) if item.keys() & {"$ref", "type"}]
    if choices:
        deepest = [item for item in choices if depth or not item.get("$ref", "").endswith("param_dict")]
        return st.one_of([_strategy(item, definitions, depth) for item in deepest])
    least, most = schema.get("minimum", schema.get("exclusiveMinimum", -5)), schema.get("maximum", 100)
    match schema.get("type"):
        case "object":
            return _object(schema, definitions, depth)
        case "array":
            items = _strategy(schema.get("items", {}), definitions, depth)
            return st.lists(items, min_size=schema.get("minItems", 0), max_size=schema.get("maxItems", 4))
        case "number":
            fractions = st.floats(least, most, exclude_min="exclusiveMinimum" in schema, allow_subnormal=False)
            whole = st.integers(int(least) + 1, int(most)) if most - least > 2 else fractions
            return fractions | whole
        case "integer":
            return st.integers(int(least) + ("exclusiveMinimum" in schema), int(most))
        case "string":
            return st.sampled_from(["validation/loss", "x", "два слова", ""])
        case "boolean":
            return st.booleans()
        case _:
            return VALUES


def _object(schema: dict[str, Any], definitions: dict[str, Any], depth: int) -> st.SearchStrategy[Any]:
    if isinstance(schema.get("additionalProperties"), dict):
        entries = _strategy(schema["additionalProperties"], definitions, depth)
        return st.dictionaries(KEYS, entries, min_size=schema["minProperties"], max_size=3)
    options = {key: _strategy(item, definitions, depth) for key, item in schema.get("properties", {}).items()}
    required = {key: options.pop(key) for key in schema.get("required", ())}
    alternatives = [item["required"] for item in schema.get("anyOf", ())] or [[]]
    return st.one_of(
        [
            st.fixed_dictionaries(
                {**required, **{key: options[key] for key in keys}},
                optional={key: item for key, item in options.items() if key not in keys},
            )
            for keys in alternatives
        ]
    )


def _with_probabilities(node: Any) -> Any:
    """Give each value a probability, which add up to 1: a schema cannot ask for it."""
    if isinstance(node, dict):
        for item in node.values():
            _with_probabilities(item)
        if "probabilities" in node and "values" in node:
            total = sum(range(1, len(node["values"]) + 1))
            node["probabilities"] = [(index + 1) / total for index in range(len(node["values"]))]
    return node
