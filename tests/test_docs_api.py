"""Every block of docs/api.md runs as it stands, from top to bottom, and does what the page says."""

import re
from pathlib import Path

import matplotlib
import numpy as np
import pytest

from research.probes import PROBES
from research.tasks import task as tasks
from tests.words import replace_cmudict

PAGE = Path(__file__).parents[1] / "docs" / "api.md"


@pytest.fixture(scope="module")
def page(tmp_path_factory) -> dict:
    """Run all blocks in one namespace, on a small lexicon in the place of CMUdict."""
    matplotlib.use("agg")
    registered = dict(PROBES)
    tasks.load.cache_clear()
    names: dict = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("notebook"))
        replace_cmudict(patch, tmp_path_factory.mktemp("data"), "abcdefghijklmnopqrstuvwxyz")
        text = PAGE.read_text(encoding="utf-8")
        for block in re.finditer(r"^```python\n(.*?)^```", text, re.MULTILINE | re.DOTALL):
            lines = "\n" * (text[: block.start()].count("\n") + 1)  # so that an error tells the line of the page
            exec(compile(lines + block.group(1), str(PAGE), "exec"), names)
        names["folder"] = Path.cwd()
    PROBES.clear()
    PROBES.update(registered)
    tasks.load.cache_clear()
    return names


def test_states_stop_at_the_lengths(page):
    states = np.asarray(page["states"])
    assert states.shape == (4, 50, 8)
    assert np.all(states[3, 10:] == 0) and np.any(states[3, 9] != 0)
    np.testing.assert_array_equal(states[3, 9], page["h"][3])


def test_gradients_get_smaller_back_in_time_and_are_drawn(page):
    norms = np.linalg.norm(page["gradients"]["h"], axis=(0, 2))
    assert norms.shape == (50,) and norms[-1] > norms[0] > 0
    assert (page["folder"] / "gradient_norms.png").stat().st_size > 1000


@pytest.mark.parametrize("name", ["LSTM", "GRU"])
def test_the_weights_of_torch_give_the_states_of_torch(name, page):
    torch = pytest.importorskip("torch")
    module = getattr(torch.nn, name)(3, 5, batch_first=True)
    xs = np.random.default_rng(0).normal(size=(3, 7, 3)).astype(np.float32)
    wanted, last = module(torch.from_numpy(xs))
    states, carry = page[f"{name.lower()}_of_torch"](module)(xs)
    np.testing.assert_allclose(states, wanted.detach(), atol=1e-6)
    for ours, theirs in zip(carry, last if name == "LSTM" else (last,), strict=True):
        np.testing.assert_allclose(ours, theirs[0].detach(), atol=1e-6)


def test_a_model_is_trained_and_used(page):
    (folder, *_), runs = page["runs"]["path"], page["runs"]
    assert Path(folder).parent == Path("runs/attention") and list(runs["status"]) == ["finished"]
    np.testing.assert_allclose(page["weights"].sum(axis=1), 1, rtol=1e-5)
    assert page["weights"].shape[1] == len("hello")


def test_a_quantity_of_ones_own_is_a_metric(page, monkeypatch):
    monkeypatch.chdir(page["folder"])  # paths are relative, as in a notebook
    result = page["result"]
    assert result.status == "finished"
    assert np.all(result.metrics["weights/largest_norm"] > 0)
    assert {"weights/initial/largest_norm", "weights/final/largest_norm"} <= result.summary.keys()
