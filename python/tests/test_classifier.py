"""Classifiers: weights in and out, training, and what is refused."""

import threading
import time

import fedfunnel
import numpy as np
import pytest
from interrupted import interrupted


@pytest.fixture
def model():
    return fedfunnel.Classifier("mnist-mlp", seed=3)


def test_training_learns_and_says_so(model, sample):
    (images, labels), (test_images, test_labels) = sample
    before = model.evaluate(test_images, test_labels)
    heard = []
    metrics = model.train(images, labels, epochs=2, batch=32, progress=heard.append)
    after = model.evaluate(test_images, test_labels)
    assert [line["epoch"] for line in metrics] == [1, 2] and heard == metrics
    assert metrics[0]["samples"] == len(labels)
    assert metrics[1]["loss"] < metrics[0]["loss"]
    assert before["accuracy"] < 0.3 < 0.6 < after["accuracy"] <= 1.0
    assert after["samples"] == len(test_labels)


def test_the_same_seed_gives_the_same_bits(sample):
    (images, labels), _ = sample

    def train(seed):
        model = fedfunnel.Classifier("mnist-mlp", seed=1)
        model.train(images[:200], labels[:200], epochs=2, seed=seed)
        return model.weights

    assert np.array_equal(train(5), train(5))
    assert not np.array_equal(train(5), train(6))


def test_weights_are_one_vector_or_pytorch_shaped(model):
    weights = model.weights
    assert weights.dtype == np.float32 and weights.shape == (15_910,)
    state = model.state_dict()
    assert {name: tensor.shape for name, tensor in state.items()} == {
        "0.weight": (20, 784),
        "0.bias": (20,),
        "2.weight": (10, 20),
        "2.bias": (10,),
    }
    assert np.array_equal(np.concatenate([tensor.ravel() for tensor in state.values()]), weights)
    state["2.bias"] = state["2.bias"] + 1
    model.load_state_dict(state)
    assert np.array_equal(model.weights[:-10], weights[:-10])
    assert np.array_equal(model.weights[-10:], weights[-10:] + 1)
    # What is handed out is a copy.
    weights[:] = 0
    assert not np.array_equal(model.weights, weights)
    model.weights = weights
    assert not model.weights.any()


def test_snapshots_are_rows_and_the_last_is_where_it_ended(trained):
    _, weights, snapshots = trained
    assert snapshots.dtype == np.float32 and snapshots.shape == (4 * 19 // 9, 15_910)
    assert not np.array_equal(snapshots[-1], snapshots[0])
    model = fedfunnel.Classifier("mnist-mlp")
    assert model.snapshots.shape == (0, 15_910)
    assert weights.shape == (15_910,)


def test_a_model_of_ones_own_is_a_dict(sample):
    (images, labels), _ = sample
    layers = [
        {"kind": "conv", "outputs": 4, "kernel": 3, "stride": 2, "activation": "relu"},
        {"kind": "flatten"},
        {"kind": "dense", "outputs": 10},
    ]
    model = fedfunnel.Classifier({"input": [1, 28, 28], "layers": layers})
    assert model.parameters == 4 * 9 + 4 + 4 * 14 * 14 * 10 + 10
    assert model.train(images[:64], labels[:64])[0]["samples"] == 64
    with pytest.raises(ValueError, match="layers"):
        fedfunnel.Classifier({"input": [1, 28, 28], "layers": []})


def test_labels_may_be_any_whole_numbers_and_images_need_no_channel(model, sample):
    (images, labels), _ = sample
    start = model.weights
    model.train(images[:64], labels[:64])
    first = model.weights
    model.weights = start
    model.train(images[:64, 0], labels[:64].astype(np.int64))
    assert np.array_equal(model.weights, first)


WRONG = [
    (TypeError, "float32 where uint8", lambda i, l: (i.astype(np.float32), l)),
    (TypeError, "list where a numpy array", lambda i, l: (i.tolist(), l)),
    (TypeError, "float64 where whole numbers", lambda i, l: (i, l.astype(float))),
    (ValueError, "3 labels for 4 images", lambda i, l: (i, l[:3])),
    (ValueError, r"shape \[4\]", lambda i, l: (i[:, 0, 0, 0].copy(), l)),
    (ValueError, "1x27x28", lambda i, l: (i[:, :, 1:].copy(), l)),
    (ValueError, "with gaps", lambda i, l: (i[:, :, :, ::-1], l)),
    (ValueError, "a label of 30", lambda i, l: (i, l.astype(np.int64) + 300)),
    (ValueError, "11 classes", lambda i, l: (i, np.full(4, 10, np.uint8))),
    (ValueError, "there are none", lambda i, l: (i[:0], l[:0])),
]


@pytest.mark.parametrize(("error", "said", "wrong"), WRONG, ids=[case[1] for case in WRONG])
def test_images_that_do_not_fit_are_refused_in_words(model, sample, error, said, wrong):
    (images, labels), _ = sample
    with pytest.raises(error, match=said):
        model.train(*wrong(images[:4], labels[:4]))
    with pytest.raises(error, match=said):
        model.evaluate(*wrong(images[:4], labels[:4]))


def test_weights_that_do_not_fit_are_refused_in_words(model):
    before = model.weights
    for error, said, wrong in [
        (TypeError, "float64 where float32", np.zeros(15_910)),
        (TypeError, "list where a numpy array", [0.0] * 15_910),
        (ValueError, "15909 values for a model of 15910", np.zeros(15_909, np.float32)),
        (ValueError, "1 axes are due", np.zeros((2, 7_955), np.float32)),
        (ValueError, "with gaps", np.zeros(31_820, np.float32)[::2]),
    ]:
        with pytest.raises(error, match=said):
            model.weights = wrong
    state = model.state_dict()
    with pytest.raises(ValueError, match=r"state\[\"2.bias\"\]: it is not there"):
        model.load_state_dict({name: state[name] for name in list(state)[:3]})
    with pytest.raises(ValueError, match="no tensor \"more\""):
        model.load_state_dict({**state, "more": state["2.bias"]})
    with pytest.raises(ValueError, match=r"shape \[20, 10\]"):
        model.load_state_dict({**state, "2.weight": state["2.weight"].T})
    assert np.array_equal(model.weights, before)


@pytest.mark.parametrize(
    ("said", "options"),
    [
        ("epochs: 0", {"epochs": 0}),
        ("batch: 0", {"batch": 0}),
        ("lr: -1", {"lr": -1.0}),
        ("optimizer: \"sdg\"", {"optimizer": "sdg"}),
        ("snapshots", {"snapshots": "sometimes"}),
        ("crop: 99", {"crop": 99}),
        ("lr: training diverged", {"lr": 1e30, "optimizer": "sgd", "epochs": 3}),
    ],
)
def test_settings_that_cannot_work_are_refused_in_words(model, sample, said, options):
    (images, labels), _ = sample
    before = model.weights
    with pytest.raises(ValueError, match=said):
        model.train(images[:64], labels[:64], **options)
    assert np.array_equal(model.weights, before)


def test_a_model_that_is_not_there_names_one_that_is():
    with pytest.raises(ValueError, match="did you mean mnist-mlp"):
        fedfunnel.Classifier("mnist-mpl")
    with pytest.raises(OSError, match="there is no such file"):
        fedfunnel.Classifier("missing.toml")
    with pytest.raises(TypeError, match="pass a name, a path or a dict"):
        fedfunnel.Classifier(7)


def test_ctrl_c_ends_training_within_a_fifth_of_a_second_and_leaves_the_model_usable(model, sample):
    (images, labels), _ = sample
    model.train(images[:64], labels[:64])
    with interrupted(after=0.7):
        model.train(images, labels, epochs=100_000, batch=32)
    assert model.train(images[:64], labels[:64])[0]["samples"] == 64
    assert np.isfinite(model.weights).all()


def test_what_a_callback_raises_ends_training_after_that_epoch(model, sample):
    (images, labels), _ = sample
    before = model.weights

    def refuse(metrics):
        raise LookupError(metrics["epoch"])

    with pytest.raises(LookupError, match="1"):
        model.train(images[:64], labels[:64], epochs=5, progress=refuse)
    after = model.weights
    other = fedfunnel.Classifier("mnist-mlp")
    other.weights = before
    other.train(images[:64], labels[:64], epochs=1)
    assert np.array_equal(after, other.weights)


def test_other_threads_go_on_while_it_trains(sample):
    (images, labels), _ = sample
    models = [fedfunnel.Classifier("mnist-mlp", seed=7) for _ in range(2)]
    threads = [threading.Thread(target=model.train, args=(images, labels, 8)) for model in models]
    ticks = 0
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        ticks += 1
        time.sleep(0.005)
    assert ticks > 5
    assert np.array_equal(models[0].weights, models[1].weights)
