"""Codecs: messages of weights and back, what sides keep, and the command line's own files."""

import os
import pickle
import shutil
import subprocess
from pathlib import Path

import fedfunnel
import numpy as np
import pytest
import safetensors_files
from interrupted import interrupted

P = 15_910


@pytest.fixture(scope="module")
def updates(trained):
    """A global model and three that were trained from it."""
    start, weights, _ = trained
    rng = np.random.default_rng(1)
    noise = rng.normal(0, 1e-3, (3, P)).astype(np.float32)
    return start, [weights + noise[0], weights + noise[1], weights + noise[2]]


def error(arrived, sent, start):
    return np.linalg.norm(arrived - sent) / np.linalg.norm(sent - start)


@pytest.mark.parametrize(
    ("text", "most_bytes", "most_error"),
    [
        ("raw", 3 + 4 * P, 0.0),
        ("delta+f16", 3 + 2 * P, 1e-3),
        ("delta+quantize(bits=8)", 3 + P + 64, 0.02),
        ("delta+topk(part=0.05)", 3 + P // 20 * 6 + 64, 0.95),
    ],
)
def test_what_is_encoded_is_decoded(updates, text, most_bytes, most_error):
    start, models = updates
    sender = fedfunnel.Codec(text, parameters=P, collaborator=5)
    receiver = fedfunnel.Codec(text, parameters=P)
    for place, weights in enumerate(models, 1):
        message = sender.encode(weights, start)
        assert type(message) is bytes and len(message) <= most_bytes
        assert sender.last_round == place
        arrived = receiver.decode(message, start)
        assert arrived.dtype == np.float32 and arrived.shape == (P,)
        assert error(arrived, weights, start) <= most_error


def test_a_learned_codec_is_set_up_once_and_sends_ten_floats_in_23_bytes(trained):
    start, weights, snapshots = trained
    text = "prior+pca(floats=6)+f16"
    sender = fedfunnel.Codec(text, parameters=P, collaborator=2)
    receiver = fedfunnel.Codec(text, parameters=P)
    assert sender.learns
    with pytest.raises(ValueError, match="set it up first"):
        sender.encode(weights, start)
    setup = sender.setup(snapshots)
    assert 4 * 6 * P < len(setup) < 4 * 8 * P + 64
    message = sender.encode(weights, start)
    assert len(message) == 3 + 2 * 6
    with pytest.raises(ValueError, match="set it up first"):
        receiver.decode(message, start)
    assert receiver.install(setup) == 2
    assert error(receiver.decode(message, start), weights, start) < 0.3


def test_an_autoencoder_fits_any_number_of_weights():
    rng = np.random.default_rng(0)
    basis, start = rng.normal(0, 1, (2, 301)), np.zeros(301, np.float32)
    snapshots = (rng.normal(0, 1, (24, 2)) @ basis).astype(np.float32)
    codec = fedfunnel.Codec("prior+autoencoder(3)", parameters=301, autoencoder={"epochs": 1500})
    assert codec.label == "prior+autoencoder(3)"
    codec.install(codec.setup(snapshots))
    message = codec.encode(snapshots[7], start)
    assert len(message) == 3 + 4 * 3
    assert error(codec.decode(message, start), snapshots[7], start) < 0.2
    with pytest.raises(ValueError, match="autoencoder"):
        fedfunnel.Codec("autoencoder", parameters=301, autoencoder={"latend": 3})
    with pytest.raises(ValueError, match="15910"):
        fedfunnel.Codec("autoencoder", parameters=301, autoencoder={"model": "ae-mnist"})


def test_stages_that_look_at_tensors_need_them(updates):
    start, models = updates
    model = fedfunnel.Classifier("mnist-mlp")
    text = "delta+lowrank(rank=2)"
    for of in (model, "mnist-mlp", model.state_dict()):
        codec = fedfunnel.Codec(text, model=of)
        assert codec.parameters == P
        message = codec.encode(models[0], start)
        assert error(codec.decode(message, start), models[0], start) < 1.0


def test_what_is_kept_goes_through_bytes(updates):
    start, models = updates
    text = "delta+feedback+topk(0.01)"
    straight = fedfunnel.Codec(text, parameters=P)
    through = fedfunnel.Codec(text, parameters=P)
    for weights in models:
        through = fedfunnel.Codec.from_bytes(through.to_bytes())
        assert through.encode(weights, start) == straight.encode(weights, start)
    # Without what was kept, it is another message.
    anew = fedfunnel.Codec(text, parameters=P)
    assert anew.encode(models[2], start, round=3) != straight.encode(models[2], start, round=4)
    copy = pickle.loads(pickle.dumps(straight))
    assert (copy.last_round, copy.label) == (4, straight.label)
    for damaged in (b"", straight.to_bytes()[:-1], straight.to_bytes() + b"x", bytes(100)):
        with pytest.raises(ValueError, match="the bytes of a codec"):
            fedfunnel.Codec.from_bytes(damaged)
    flipped = bytearray(straight.to_bytes())
    flipped[-9] ^= 1
    with pytest.raises(ValueError, match="codec"):
        fedfunnel.Codec.from_bytes(bytes(flipped))


def test_a_call_that_fails_changes_nothing(updates):
    start, models = updates
    codec = fedfunnel.Codec("delta+feedback+topk(0.01)", parameters=P)
    codec.encode(models[0], start)
    before = codec.to_bytes()
    with pytest.raises(ValueError, match="round 1 is not after round 1"):
        codec.encode(models[1], start, round=1)
    with pytest.raises(ValueError, match="15909 values"):
        codec.encode(models[1][1:].copy(), start)
    with pytest.raises(TypeError, match="global_: an array of float64"):
        codec.encode(models[1], start.astype(float))
    with pytest.raises(ValueError, match="end"):
        codec.decode(b"\x23\x02", start)
    with pytest.raises(ValueError):
        codec.decode(codec_message_cut(codec, models, start), start)
    assert codec.to_bytes() == before


def codec_message_cut(codec, models, start):
    return fedfunnel.Codec.from_bytes(codec.to_bytes()).encode(models[1], start)[:-5]


@pytest.mark.parametrize(
    ("said", "text"),
    [
        ("did you mean", "delta+topq(part=0.1)"),
        ("nothing closes", "topk(part=0.1"),
        ("learns from logged weights", "delta+pca(floats=3)"),
        ("simulate", "fetchsgd(columns=100)"),
        ("part", "topk(part=2)"),
        ("latent", "autoencoder(99999)"),
    ],
)
def test_codecs_that_cannot_work_are_refused_in_words(said, text):
    with pytest.raises(ValueError, match=said):
        fedfunnel.Codec(text, parameters=P)


def test_a_codec_needs_to_know_what_it_is_for():
    for options in ({}, {"parameters": 3, "model": "mnist-mlp"}, {"parameters": 0}):
        with pytest.raises(ValueError, match="parameters"):
            fedfunnel.Codec("raw", **options)


def test_snapshots_that_cannot_be_learned_from_are_refused_in_words(trained):
    _, _, snapshots = trained
    codec = fedfunnel.Codec("pca(floats=3)", parameters=P)
    with pytest.raises(ValueError, match="1 of them"):
        codec.setup(snapshots[:1])
    with pytest.raises(ValueError, match="15909 values"):
        codec.setup(snapshots[:, 1:].copy())
    with pytest.raises(TypeError, match="float64"):
        codec.setup(snapshots.astype(float))
    broken = snapshots.copy()
    broken[2, 7] = np.nan
    with pytest.raises(ValueError, match="row 2 has a value of NaN"):
        codec.setup(broken)
    with pytest.raises(ValueError, match="learns nothing"):
        fedfunnel.Codec("raw", parameters=P).setup(snapshots)


def test_codes_are_tuned_on_images(trained, sample):
    (images, labels), _ = sample
    start, weights, snapshots = trained
    model = fedfunnel.Classifier("mnist-mlp")
    text = "prior+pca(floats=6)+f16+tune(epochs=2)"
    codec = fedfunnel.Codec(text, model=model)
    codec.install(codec.setup(snapshots))
    with pytest.raises(ValueError, match="pass classifier, images and labels"):
        codec.encode(weights, start)
    with pytest.raises(ValueError, match="pass classifier, images and labels"):
        codec.encode(weights, start, images=images)
    message = codec.encode(weights, start, classifier=model, images=images[:600], labels=labels[:600])
    plain = fedfunnel.Codec("prior+pca(floats=6)+f16", model=model)
    plain.install(plain.setup(snapshots))
    untuned = plain.encode(weights, start)
    assert len(message) == len(untuned) == 15 and message != untuned
    losses = []
    for codec, message in ((codec, message), (plain, untuned)):
        model.weights = codec.decode(message, start)
        losses.append(model.evaluate(images[:600], labels[:600])["loss"])
    assert losses[0] < losses[1]


def test_ctrl_c_ends_a_setup_and_leaves_the_codec_usable(trained):
    _, _, snapshots = trained
    codec = fedfunnel.Codec("autoencoder(8)", parameters=P, autoencoder={"epochs": 1_000_000})
    before = codec.to_bytes()
    with interrupted(after=1.5):
        codec.setup(snapshots)
    assert codec.to_bytes() == before


def program():
    """The command line's program, where it was built."""
    built = Path(__file__).parents[2] / "target" / "release" / "fedfunnel"
    named = os.environ.get("FEDFUNNEL_PROGRAM")
    found = named or (str(built) if built.exists() else shutil.which("fedfunnel"))
    if not found:
        pytest.skip("the program is not built (cargo build --release, or name it in FEDFUNNEL_PROGRAM)")
    return found


@pytest.mark.parametrize("text", ["delta+feedback+topk(part=0.01)", "delta+quantize(bits=4)", "raw"])
def test_messages_are_those_of_the_command_line(updates, tmp_path, text):
    start, models = updates
    weights, out = tmp_path / "mine.safetensors", tmp_path / "message"
    global_, arrived = tmp_path / "global.safetensors", tmp_path / "arrived.safetensors"
    safetensors_files.write(global_, {"weights": start})
    codec = fedfunnel.Codec(text, parameters=P, collaborator=4)
    common = ["--codec", text, "--global", global_]
    for model in models[:2]:
        safetensors_files.write(weights, {"weights": model})
        command = [program(), "encode", *common, "--in", weights, "--out", out, "--id", "4"]
        subprocess.run([*command, "--state", tmp_path / "state"], check=True, capture_output=True)
        message = codec.encode(model, start)
        assert message == out.read_bytes()
        command = [program(), "decode", *common, "--in", out, "--out", arrived]
        subprocess.run(command, check=True, capture_output=True)
        assert np.array_equal(codec.decode(message, start), safetensors_files.read(arrived)["weights"])
