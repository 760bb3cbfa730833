"""The mod and the strategy, with nodes in this process."""

import importlib
import sys
from pathlib import Path

import fedfunnel
import numpy as np
import pytest

pytest.importorskip("flwr")

from fedfunnel.flower import PROTOCOL_BYTES, CodecMod, CodecStrategy  # noqa: E402
from flower_grid import LocalGrid  # noqa: E402
from flwr.app import Array, ArrayRecord, Message, MetricRecord, RecordDict  # noqa: E402
from flwr.clientapp import ClientApp  # noqa: E402
from flwr.serverapp.strategy import FedAvg  # noqa: E402

EXAMPLES = Path(__file__).parents[1] / "examples"


def client(*mods):
    """An app of no engine: each node moves the model a bit towards its own, and counts."""
    app = ClientApp(mods=list(mods))
    for mod in mods:
        if isinstance(mod, CodecMod):
            mod.attach(app)

    @app.train()
    def train(msg, context):
        arrays = msg.content.array_records["arrays"]
        who = context.node_config["partition-id"]
        moved = {}
        for name, array in arrays.items():
            values = array.numpy()
            if values.dtype.kind == "f":
                own = np.random.default_rng(who).normal(size=values.shape).astype(values.dtype)
                own += np.sin(3 * values)
                values = values + np.asarray(0.25, values.dtype) * (own - values)
            else:
                values = values + 1
            moved[name] = Array(np.asarray(values))
        content = RecordDict(
            {"arrays": ArrayRecord(moved), "metrics": MetricRecord({"num-examples": 10 + who})}
        )
        return Message(content, reply_to=msg)

    return app


def start_arrays():
    rng = np.random.default_rng(9)
    return ArrayRecord(
        {
            "conv.weight": Array(rng.normal(size=(4, 3, 3, 3)).astype(np.float32)),
            "conv.scale": Array(rng.normal(size=7).astype(np.float64)),
            "norm.count": Array(np.array(5, np.int64)),
            "bias": Array(np.zeros(5, np.float32)),
        }
    )


def strategy(codec=None, **options):
    inner = FedAvg(fraction_evaluate=0.0)
    return inner if codec is None else CodecStrategy(inner, codec=codec, **options)


def run(of, app, rounds=3, **options):
    grid = LocalGrid(app, **options)
    return of.start(grid=grid, initial_arrays=start_arrays(), num_rounds=rounds), grid


def values(result):
    return {name: array.numpy() for name, array in result.arrays.items()}


def test_a_codec_that_loses_nothing_changes_nothing():
    plain, _ = run(strategy(), client())
    coded, _ = run(strategy("raw"), client(CodecMod()))
    plain, coded = values(plain), values(coded)
    assert list(plain) == list(coded)
    for name in ("conv.weight", "conv.scale", "bias"):
        assert (coded[name].shape, coded[name].dtype) == (plain[name].shape, plain[name].dtype)
        np.testing.assert_allclose(coded[name], plain[name], rtol=1e-6, atol=1e-7)
    # What is no float goes beside the message, and is a whole number again after the average, which it is not in Flower.
    assert coded["norm.count"] == 8 and coded["norm.count"].dtype == np.int64


def test_what_goes_up_is_a_message_and_what_is_kept_lasts():
    app, text = client(CodecMod()), "delta+feedback+topk(0.05)"
    coded = strategy(text)
    result, grid = run(coded, app, rounds=12)
    plain, _ = run(strategy(), client(), rounds=12)
    for context in grid.contexts.values():
        kept = fedfunnel.Codec.from_bytes(context.state.array_records["fedfunnel"]["codec"].data)
        assert kept.last_round == 12 and kept.label.startswith("delta+feedback+topk")
    # What one round leaves out, a later one makes good.
    far = np.abs(values(plain)["conv.weight"] - start_arrays()["conv.weight"].numpy()).max()
    near = np.abs(values(plain)["conv.weight"] - values(result)["conv.weight"]).max()
    assert near < far
    assert [one.updates for one in coded.ledger] == [2] * 12
    for one in coded.ledger:
        assert 0 < one.payload < one.records
        assert one.protocol == 2 * PROTOCOL_BYTES and one.setups == 0
    assert "all       24" in coded.summary_of_bytes()


def test_a_codec_that_learns_asks_any_app_for_weights_once():
    coded = strategy("prior+pca(floats=3)", snapshots=6)
    result, grid = run(coded, client(CodecMod()), rounds=4)
    queries = [m for m, _ in grid.sent if m.metadata.message_type.startswith("query")]
    trains = [m for m, _ in grid.sent if m.metadata.message_type == "train"]
    assert (len(queries), len(trains)) == (2, 8)
    assert [one.setups > 0 for one in coded.ledger] == [True, False, False, False]
    assert [one.payload for one in coded.ledger] == [2 * (3 + 4 * 3)] * 4
    # Three axes of six snapshots say most of where a node's weights go.
    plain, _ = run(strategy(), client(), rounds=4)
    apart = values(result)["conv.weight"] - values(plain)["conv.weight"]
    moved = values(plain)["conv.weight"] - start_arrays()["conv.weight"].numpy()
    assert np.linalg.norm(apart) < 0.5 * np.linalg.norm(moved)


def test_the_apps_state_is_as_it_was_before_weights_were_logged():
    app = CodecMod().client_app()
    inner = client()

    @app.train()
    def train(msg, context):
        before = context.state.metric_records.get("mine", MetricRecord({"calls": 0}))
        context.state["mine"] = MetricRecord({"calls": before["calls"] + 1})
        return inner(msg, context)

    _, grid = run(strategy("prior+pca(floats=2)", snapshots=4), app, rounds=2)
    assert [c.state.metric_records["mine"]["calls"] for c in grid.contexts.values()] == [2, 2]


def test_a_node_that_fails_is_survived_and_set_up_when_it_is_back():
    tries = []

    def broken(message):
        if message.metadata.dst_node_id == 7_000_000_001:
            tries.append(message.metadata.message_type)
            if len(tries) in (1, 3):
                raise OSError("the power is out")

    coded = strategy("prior+pca(floats=2)", snapshots=4)
    run(coded, client(CodecMod()), rounds=4, broken=broken)
    # Its setup fails in the first round, its training in the second.
    assert tries == ["query.fedfunnel_setup"] * 2 + ["train"] * 3
    assert [one.updates for one in coded.ledger] == [1, 1, 2, 2]


def test_an_update_that_cannot_be_decoded_is_left_out(caplog):
    def damage(msg, context, call_next):
        reply = call_next(msg, context)
        if context.node_config["partition-id"] == 0 and msg.metadata.message_type == "train":
            record = reply.content.config_records["fedfunnel"]
            record["message"] = record["message"][:-3]
        return reply

    coded = strategy("delta+f16")
    result, _ = run(coded, client(damage, CodecMod()), rounds=2)
    assert [one.updates for one in coded.ledger] == [1, 1]
    assert np.isfinite(values(result)["bias"]).all()


def test_a_node_cannot_speak_for_another():
    def pose(msg, context, call_next):
        if context.node_config["partition-id"] == 0:
            record = msg.content.config_records["fedfunnel"]
            record["collaborator"] = 1 - record["collaborator"]
        return call_next(msg, context)

    coded = strategy("delta+f16")
    run(coded, client(pose, CodecMod()), rounds=1)
    assert [one.updates for one in coded.ledger] == [1]


def test_messages_of_other_strategies_go_through():
    plain, _ = run(strategy(), client())
    through, _ = run(strategy(), client(CodecMod()))
    for name, array in values(plain).items():
        np.testing.assert_array_equal(values(through)[name], array)


def test_nodes_without_the_mod_are_taken_as_they_are():
    plain, _ = run(strategy(), client())
    coded = strategy("delta+f16")
    result, _ = run(coded, client())
    assert [one.updates for one in coded.ledger] == [0, 0, 0]
    for name in ("conv.weight", "bias"):
        np.testing.assert_allclose(values(result)[name], values(plain)[name], rtol=1e-6)


def example(name):
    """The modules of an example."""
    folder = str(EXAMPLES / name)
    if folder not in sys.path:
        sys.path.insert(0, folder)
    package = name.replace("-", "_")
    return [importlib.import_module(f"{package}.{part}") for part in ("client_app", "server_app")]


SETTINGS = {"images": 1200, "prepass-epochs": 4, "snapshot-every": 6}


def strictly_equal(weights, due, relative=2e-6, floor=0.1):
    """Whether weights are within the strict tolerance of others: tensor by tensor, 2e-6 of each value, or of a tenth of
    the largest. With other numbers, within another tolerance of the library's."""
    model = fedfunnel.Classifier("mnist-mlp")
    model.weights = weights
    found = model.state_dict()
    model.weights = due
    return all(
        (np.abs(found[name] - of) <= relative * np.maximum(np.abs(of), floor * np.abs(of).max())).all()
        for name, of in model.state_dict().items()
    )


def play_mnist(codec, tmp_path, app=None):
    client_app, server_app = example("flower-mnist")
    out = tmp_path / "weights.npy"
    run_config = {**SETTINGS, "codec": codec, "out": str(out)}
    grid = LocalGrid(app or client_app.app, run_config=run_config)
    context = next(iter(grid.contexts.values()))
    server_app.app(grid, context)
    return np.load(out), grid


@pytest.mark.parametrize("codec", ["raw", "prior+pca(10)+f16"])
def test_the_app_comes_to_the_weights_of_the_simulation(codec, tmp_path, capsys):
    weights, grid = play_mnist(codec, tmp_path)
    spec = importlib.import_module("simulate").spec(**{**SETTINGS, "codec": codec})
    simulated = list(fedfunnel.simulate(spec).weights.values())
    due = simulated[-1]
    assert strictly_equal(weights, due)
    if codec != "raw":
        assert not strictly_equal(simulated[0], simulated[1])
    said = capsys.readouterr().out
    assert "accuracy 0." in said
    if codec != "raw":
        # Two nodes in two rounds: ten floats of two bytes, and a header of three.
        payload = next(line for line in said.splitlines() if line.strip().startswith("all")).split()[2]
        assert int(payload) == 4 * (3 + 10 * 2)
    assert len(grid.sent) == (4 if codec == "raw" else 6)


def test_codes_that_nodes_tune_come_to_the_weights_of_the_simulation(tmp_path):
    client_app, _ = example("flower-mnist")
    task = importlib.import_module("flower_mnist.task")

    def local(msg, context):
        _, images, labels = task.share(context)
        return {"classifier": fedfunnel.Classifier(task.MODEL), "images": images, "labels": labels, "batch": 32}

    app = CodecMod(snapshots=client_app.log_weights, local=local).client_app()
    app.train()(client_app.train_round)
    codec = "prior+pca(10)+f16+tune(epochs=2)"
    weights, _ = play_mnist(codec, tmp_path, app)
    spec = importlib.import_module("simulate").spec(**{**SETTINGS, "codec": codec})
    simulated = list(fedfunnel.simulate(spec).weights.values())
    # One unit in the last place apart after thousands of steps: the balanced tolerance.
    assert strictly_equal(weights, simulated[-1], 2e-5, 1.0)
    assert not strictly_equal(weights, simulated[0], 2e-5, 1.0)


def test_the_pytorch_app_learns_with_a_codec():
    pytest.importorskip("torch")
    client_app, server_app = example("flower-pytorch")
    for codec in ("delta+feedback+topk(0.05)", "prior+pca(2)+f16"):
        grid = LocalGrid(client_app.app, run_config={"codec": codec, "num-server-rounds": 2})
        server_app.app(grid, next(iter(grid.contexts.values())))
        assert not any(reply.has_error() for _, reply in grid.sent)
