#!/usr/bin/python3
"""Trains the X-ray model on rendered pictures and writes all that the example serves and asks.

    train.py [--pictures N] [--epochs N]

writes model.onnx, samples/ and heldout.tar beside itself.  The same seeds give the same pictures; the same weights
also need the same torch and processor.  Needs Debian's python3-torch, python3-numpy and python3-pil; some minutes.
"""
import argparse
import io
import multiprocessing
import os
import tarfile

import numpy
import torch
from PIL import Image
from torch import nn

import generate

HERE = os.path.dirname(os.path.abspath(__file__))
SIDE, CELLS = 96, 12                        # as pipeline.toml resizes and crops; places in a row
TRAIN, HELD_OUT, SAMPLES = 1000, 2000, 3000  # seeds: no picture is in two sets


def fit(picture):
    """What the steps of pipeline.toml do but for the scale: shorter side to 96, the middle."""
    width, height = picture.size
    scale = SIDE / min(width, height)
    size = max(SIDE, round(width * scale)), max(SIDE, round(height * scale))
    x = numpy.asarray(picture.resize(size, Image.BILINEAR), "f4")
    top, left = (x.shape[0] - SIDE) // 2, (x.shape[1] - SIDE) // 2
    return x[top:top + SIDE, left:left + SIDE]


class Net(nn.Module):
    """Scores of findings for each of CELLS x CELLS places; a picture has what its best place has."""

    def __init__(self):
        super().__init__()
        layers = []
        for a, b, stride in ((1, 8, 2), (8, 24, 2), (24, 32, 2), (32, 32, 1), (32, 32, 1)):
            layers += [nn.Conv2d(a, b, 3, stride=stride, padding=1, bias=False), nn.BatchNorm2d(b), nn.ReLU()]
        self.places = nn.Sequential(*layers, nn.Conv2d(32, len(generate.LABELS) - 1, 1))
        self.normal = nn.Parameter(torch.zeros(1))

    def forward(self, image):
        best = self.places(image).amax((2, 3))
        return torch.cat([self.normal + 0 * best[:, :1], best], 1)


def make_one(of):
    """of: (seed, index).  JPEG file, picture [1, SIDE, SIDE] from -1 to 1, answer, places of findings [2, CELLS, CELLS]."""
    answer, rng = of[1] % len(generate.LABELS), numpy.random.default_rng(of)
    picture, found = generate.render(generate.LABELS[answer], rng)
    file = generate.as_jpeg(picture)
    x = (fit(Image.open(io.BytesIO(file)))[None] / 255 - 0.5) / 0.5
    where = numpy.zeros((len(generate.LABELS) - 1, CELLS, CELLS), "f4")
    if answer:
        where[answer - 1] = fit(found).reshape(CELLS, SIDE // CELLS, CELLS, SIDE // CELLS).max((1, 3)) > 0.1
    return file, x.astype("f4"), answer, where


def make_set(count, seed):
    with multiprocessing.Pool() as pool:
        files, x, answers, where = zip(*pool.map(make_one, [(seed, i) for i in range(count)], 20))
    return files, torch.from_numpy(numpy.stack(x)), torch.tensor(answers), torch.from_numpy(numpy.stack(where))


def train(net, x, y, where, epochs):
    """Places first, and what follows for the picture."""
    step = torch.optim.AdamW(net.parameters(), 3e-3, weight_decay=0.02)
    batches = len(x) // 32
    rate = torch.optim.lr_scheduler.OneCycleLR(step, 6e-3, total_steps=epochs * batches)
    for epoch in range(epochs):
        net.train()
        total = 0.0
        for rows in torch.randperm(len(x))[:batches * 32].reshape(batches, 32):
            places = net.places(x[rows])
            best = places.amax((2, 3))
            loss = nn.functional.cross_entropy(torch.cat([net.normal + 0 * best[:, :1], best], 1), y[rows]) + \
                nn.functional.binary_cross_entropy_with_logits(places, where[rows], pos_weight=torch.tensor(4.0))
            step.zero_grad()
            loss.backward()
            step.step()
            rate.step()
            total += loss.item()
        print("epoch %2d: loss %.4f" % (epoch + 1, total / batches), flush=True)


def write_held_out(files, answers):
    """A tar of the pictures and answers.txt: FILE LABEL."""
    lines = ["%03d.jpg %s\n" % (i, generate.LABELS[a]) for i, a in enumerate(answers)]
    with tarfile.open(os.path.join(HERE, "heldout.tar"), "w", format=tarfile.USTAR_FORMAT) as tar:
        members = [("%03d.jpg" % i, f) for i, f in enumerate(files)]
        for name, data in [*members, ("answers.txt", "".join(lines).encode())]:
            info = tarfile.TarInfo(name)
            info.size, info.mode = len(data), 0o644
            tar.addfile(info, io.BytesIO(data))


def write_samples():
    rng = numpy.random.default_rng(SAMPLES)
    os.makedirs(os.path.join(HERE, "samples"), exist_ok=True)
    for label in generate.LABELS:
        picture, _ = generate.render(label, rng)
        if label == "effusion":  # one as JPEG
            picture.save(os.path.join(HERE, "samples", label + ".jpg"), quality=85)
        else:
            picture.save(os.path.join(HERE, "samples", label + ".png"), optimize=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pictures", type=int, default=2400)
    parser.add_argument("--epochs", type=int, default=10)
    args = parser.parse_args()
    torch.manual_seed(7)
    held_files, held, held_answers, _ = make_set(90, HELD_OUT)
    _, x, answers, where = make_set(args.pictures, TRAIN)
    net = Net()
    train(net, x, answers, where, args.epochs)
    net.eval()
    with torch.no_grad():
        found = net(held).argmax(1)
    print("held out: %d of %d right" % ((found == held_answers).sum(), len(found)))
    torch.onnx.export(net, torch.zeros(1, 1, SIDE, SIDE), os.path.join(HERE, "model.onnx"), opset_version=13,
                      input_names=["image"], output_names=["logits"],
                      dynamic_axes={"image": {0: "batch"}, "logits": {0: "batch"}})
    write_held_out(held_files, held_answers.tolist())
    write_samples()


if __name__ == "__main__":
    main()
