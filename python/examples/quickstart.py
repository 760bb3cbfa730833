"""A tour of a notebook's size: train, learn a codec, send updates by it, simulate a federation, and plot.

    pip install 'fedfunnel[plots]' && python quickstart.py
"""

import fedfunnel
import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt  # noqa: E402
import numpy as np  # noqa: E402

# %% The device, and a sample of MNIST that comes with the package
print(fedfunnel.Device())
(images, labels), (test_images, test_labels) = fedfunnel.load_data("mnist-sample")

# %% Train, and log the weights on the way
model = fedfunnel.Classifier("mnist-mlp", seed=1)
start = model.weights
history = model.train(images, labels, epochs=12, batch=32, snapshots=24)
print(f"{model}: {model.evaluate(test_images, test_labels)['accuracy']:.1%} of the test images are right")

# %% Codecs: what a message takes, and how far what arrives is from what was sent
sent = model.weights
codecs = ["raw", "delta+f16", "delta+topk(0.01)", "prior+pca(10)+f16", "prior+autoencoder(32)+f16"]
print(f"{'codec':30}{'bytes':>8}{'setup':>10}{'error':>8}{'accuracy':>10}")
for text in codecs:
    codec = fedfunnel.Codec(text, model=model)
    setup = codec.setup(model.snapshots) if codec.learns else b""
    if codec.learns:
        codec.install(setup)
    message = codec.encode(sent, start)
    model.weights = codec.decode(message, start)
    error = np.linalg.norm(model.weights - sent) / np.linalg.norm(sent - start)
    accuracy = model.evaluate(test_images, test_labels)["accuracy"]
    print(f"{text:30}{len(message):8,}{len(setup):10,}{error:8.3f}{accuracy:10.1%}")
    model.weights = sent

# %% A federation of four collaborators with few classes each
result = fedfunnel.simulate(
    "demo",
    settings={
        "collaborators": 4,
        "rounds": 6,
        "partition": {"kind": "dirichlet", "alpha": 0.5},
        "codecs": ["raw", ["delta", "feedback", {"stage": "topk", "part": 0.01}], ["prior", {"stage": "pca", "floats": 10}, "f16"]],
    },
)
figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.5), layout="constrained")
for label, rounds in result.rounds.items():
    sent_bytes = np.cumsum([line["bytes_up"] for line in rounds])
    accuracy = [line["test_accuracy"] for line in rounds]
    left.plot([line["round"] for line in rounds], accuracy, marker="o", label=label)
    right.plot(sent_bytes, accuracy, marker="o", label=label)
left.set(xlabel="round", ylabel="test accuracy")
right.set(xlabel="bytes of updates, setups not counted", xscale="log")
left.legend()
figure.savefig("quickstart.png", dpi=120)
print("quickstart.png")

# %% When does a decoder pay for itself?
found = fedfunnel.savings(model.parameters, 32, rounds=10, collaborators=2)
print(f"a decoder of 32 floats pays for itself after {found['break_even_rounds']:.1f} rounds")
