#!/usr/bin/env python3
"""Trains the CIFAR-10 classifier in PyTorch from given weights, on the images and in the order that
`fedfunnel train cifar10-vgg3 --no-shuffle` uses, so that accuracies can be compared.

    pip install torch safetensors numpy
    fedfunnel train cifar10-vgg3 --data cifar10 --limit 64 --epochs 1 --lr 1e-30 --optimizer sgd --out start
    python benches/peers/cifar_accuracy.py --data DIR --init start/model.safetensors --limit 10000 --epochs 10
    fedfunnel train cifar10-vgg3 --data cifar10 --init start/model.safetensors --limit 10000 --epochs 10 \
        --optimizer sgd --lr 0.01 --no-shuffle --standardize --out run

DIR is the folder of the canonical binary files (`fedfunnel data list --json` shows it). One JSON object per
epoch: epoch, train_loss, test_accuracy, images_per_second.
"""
import argparse
import json
import pathlib
import time

import numpy as np
import torch
from safetensors.torch import load_file


def vgg():
    def conv(inputs, outputs):
        return [torch.nn.Conv2d(inputs, outputs, 3, padding=1), torch.nn.ReLU()]

    blocks = []
    for inputs, outputs in ((3, 32), (32, 64), (64, 128)):
        blocks += conv(inputs, outputs) + conv(outputs, outputs) + [torch.nn.MaxPool2d(2)]
    head = [torch.nn.Flatten(), torch.nn.Linear(2048, 128), torch.nn.ReLU(), torch.nn.Linear(128, 10)]
    return torch.nn.Sequential(*blocks, *head)


def read(folder, names):
    raw = np.concatenate([np.frombuffer((folder / n).read_bytes(), np.uint8).reshape(-1, 3073) for n in names])
    return raw[:, 1:].reshape(-1, 3, 32, 32).astype(np.float32) / 255, raw[:, 0].astype(np.int64)


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--data", type=pathlib.Path, required=True)
    p.add_argument("--init", required=True)
    p.add_argument("--limit", type=int, default=10_000)
    p.add_argument("--epochs", type=int, default=10)
    p.add_argument("--batch", type=int, default=64)
    p.add_argument("--lr", type=float, default=0.01)
    p.add_argument("--device", default="cpu")
    a = p.parse_args()
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    x, y = read(a.data, [f"data_batch_{i}.bin" for i in range(1, 6)])
    tx, ty = read(a.data, ["test_batch.bin"])
    x, y = x[: a.limit], y[: a.limit]
    mean, std = x.mean((0, 2, 3), keepdims=True), x.std((0, 2, 3), keepdims=True)
    x, y, tx, ty = (torch.tensor(v, device=a.device) for v in ((x - mean) / std, y, (tx - mean) / std, ty))
    model = vgg().to(a.device)
    model.load_state_dict(load_file(a.init))
    optimizer = torch.optim.SGD(model.parameters(), a.lr, momentum=0.9)
    loss_of = torch.nn.CrossEntropyLoss()
    for epoch in range(1, a.epochs + 1):
        start, total = time.perf_counter(), 0.0
        for i in range(0, len(x), a.batch):
            optimizer.zero_grad(set_to_none=True)
            loss = loss_of(model(x[i : i + a.batch]), y[i : i + a.batch])
            loss.backward()
            optimizer.step()
            total += loss.item() * len(y[i : i + a.batch])
        seconds = time.perf_counter() - start
        with torch.no_grad():
            right = sum((model(tx[i : i + 500]).argmax(1) == ty[i : i + 500]).sum().item() for i in range(0, len(tx), 500))
        line = dict(epoch=epoch, train_loss=total / len(x), test_accuracy=right / len(tx), images_per_second=len(x) / seconds)
        print(json.dumps(line), flush=True)


main()
