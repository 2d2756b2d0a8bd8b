"""When a random network turns chaotic: the largest Lyapunov exponent against the gain, next to mean-field theory.

Takes tanh networks of random weights, nearly without input, and measures the exponent before the one update that each
trial makes. Then makes the tables and the figure, where the theory is dashed:

    research sweep critical_gain
    research report runs/critical_gain
"""

from research.config import Column, Experiment, unflatten

EXPERIMENT = Experiment(
    claim="A large random tanh network is stable below a gain of 1 and chaotic above it (Sompolinsky, Crisanti, "
    "Sommers 1988). Below 1 its largest Lyapunov exponent is the logarithm of the gain; above, that of mean-field "
    "theory (Engelken, Wolf, Abbott 2023).",
    base=unflatten(
        {
            "task.name": "adding",
            "task.length": 1000,
            "cell.name": "rnn",
            "model.tbptt_steps": 10,  # the gradient of the whole sequence overflows; the exponent is not of a gradient
            "init.recurrent": "normal",
            "init.input": "normal",
            "init.input_gain": 0.01,  # enough to leave the state 0, and too little to drive the network
            "training.steps": 1,
            "training.batch_size": 2,
            "training.eval_examples": 2,
            "probes.jacobian.every": 1,
            "probes.jacobian.exponents": 1,
            "probes.jacobian.lags": "",
        }
    ),
    settings={f"{size} units": {"model.hidden_size": size} for size in (64, 128, 256, 512)},
    variants={f"gain {gain:g}": {"init.gain": gain} for gain in (0.5, 0.8, 0.9, 1.0, 1.1, 1.2, 1.5, 2.0, 3.0)},
    columns=(
        Column("largest Lyapunov exponent (nats a step)", "jacobian/initial/*lyapunov_exponent"),
        Column("spectral radius of U", "jacobian/initial/*spectral_radius"),
    ),
    figures=("critical_gain",),
)
