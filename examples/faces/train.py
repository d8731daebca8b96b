#!/usr/bin/python3
"""Trains the face embedding on drawn people and writes all that the example serves and asks.

    train.py [--people N] [--pictures N] [--epochs N]

writes model.onnx, names.txt, enrolled.npy, samples/, enrol.tar and heldout.tar beside itself, and prints the similarity
below which a face is nobody's, for pipeline.toml.  The people enrolled and the strangers were never trained on.
Needs Debian's python3-torch, python3-numpy and python3-pil; some minutes on two cores.
"""
import argparse
import io
import os
import tarfile

import numpy
import torch
from PIL import Image
from torch import nn

import generate

HERE = os.path.dirname(os.path.abspath(__file__))
SIDE, WIDTH = 64, 64                     # of the model's picture; of an embedding
NAMES = "ada alan barbara clara edsger frances grace john katherine margaret mary tim".split()
TRAIN, CHOOSE, TEST = 1000, 2000, 3000   # seeds: people are in one set only


def prepare(picture):
    """What the steps of pipeline.toml do."""
    x = numpy.asarray(picture.convert("RGB").resize((SIDE, SIDE), Image.BILINEAR), "f4")
    return ((x / 255 - 0.5) / 0.25).transpose(2, 0, 1)


def opened(files):
    return torch.from_numpy(numpy.stack([prepare(Image.open(io.BytesIO(f))) for f in files]))


class Net(nn.Module):
    """A picture to WIDTH numbers whose direction says who it is."""

    def __init__(self):
        super().__init__()
        widths = [3, 16, 32, 48, 64]
        layers = []
        for a, b in zip(widths, widths[1:]):
            layers += [nn.Conv2d(a, b, 3, stride=2, padding=1, bias=False), nn.BatchNorm2d(b), nn.ReLU()]
        self.features = nn.Sequential(*layers, nn.Flatten(), nn.Dropout(0.2))
        self.out = nn.Linear(widths[-1] * (SIDE // 16) ** 2, WIDTH)

    def forward(self, image):
        x = self.out(self.features(image))
        return x / torch.sqrt((x * x).sum(1, keepdim=True) + 1e-12)


def draw(people, pictures, seed):
    """[people][pictures] JPEG files."""
    rng = numpy.random.default_rng(seed)
    made = []
    for _ in range(people):
        person = generate.Person(rng)
        made.append([generate.as_jpeg(generate.render(person, rng)) for _ in range(pictures)])
    return made


def train(net, faces, epochs):
    """Cosine softmax with a margin.  Source: Wang et al. 2018, CosFace, arXiv:1801.09414."""
    x = opened([f for person in faces for f in person])
    y = torch.arange(len(faces)).repeat_interleave(len(faces[0]))
    towards = nn.Parameter(torch.randn(len(faces), WIDTH))
    step = torch.optim.AdamW([*net.parameters(), towards], 2e-3, weight_decay=0.02)
    batches = len(x) // 64
    rate = torch.optim.lr_scheduler.OneCycleLR(step, 4e-3, total_steps=epochs * batches)
    for epoch in range(epochs):
        net.train()
        total = 0.0
        for rows in torch.randperm(len(x))[:batches * 64].reshape(batches, 64):
            cosine = net(x[rows]) @ nn.functional.normalize(towards).T
            margin = 0.2 * nn.functional.one_hot(y[rows], len(faces))
            loss = nn.functional.cross_entropy(16 * (cosine - margin), y[rows])
            step.zero_grad()
            loss.backward()
            step.step()
            rate.step()
            total += loss.item()
        print("epoch %2d: loss %.4f" % (epoch + 1, total / batches), flush=True)


def embed(net, files):
    with torch.no_grad():
        return net.eval()(opened(files)).numpy()


def enrol(net, faces):
    """The mean of each person's embeddings, of length 1: [people, WIDTH]."""
    means = numpy.stack([embed(net, person).mean(0) for person in faces])
    return (means / numpy.linalg.norm(means, axis=1, keepdims=True)).astype("f4")


def choose_threshold(net):
    """Where as many strangers are taken for somebody as people enrolled are not known: on people of their own."""
    faces = draw(60, 6, CHOOSE)
    known = enrol(net, [f[:3] for f in faces[:30]])
    own = numpy.concatenate([(embed(net, f[3:]) @ known.T).max(1) for f in faces[:30]])
    strange = (embed(net, [x for f in faces[30:] for x in f]) @ known.T).max(1)
    at = min(numpy.linspace(0, 1, 201), key=lambda t: abs((own < t).mean() - (strange >= t).mean()))
    print("threshold %.2f: %.1f %% of strangers are taken for somebody, %.1f %% of the enrolled for nobody" %
          (at, 100 * (strange >= at).mean(), 100 * (own < at).mean()))
    return at


def write_tar(name, files):
    with tarfile.open(os.path.join(HERE, name), "w", format=tarfile.USTAR_FORMAT) as tar:
        for path, data in files:
            info = tarfile.TarInfo(path)
            info.size, info.mode = len(data), 0o644
            tar.addfile(info, io.BytesIO(data))


def write_test(net, at):
    """Three pictures to enrol each person, five to ask; 24 strangers; one sample of two people and of a stranger."""
    faces, strangers = draw(len(NAMES), 9, TEST), draw(25, 3, TEST + 1)
    known = enrol(net, [f[:3] for f in faces])
    numpy.save(os.path.join(HERE, "enrolled.npy"), known)
    with open(os.path.join(HERE, "names.txt"), "w") as file:
        file.write("\n".join(NAMES) + "\n")
    write_tar("enrol.tar", [("%s/%d.jpg" % (n, k), f[k]) for n, f in zip(NAMES, faces) for k in range(3)])
    asked = [(n, x) for n, f in zip(NAMES, faces) for x in f[3:8]] + [("nobody", f[0]) for f in strangers[:24]]
    lines = "".join("%03d.jpg %s\n" % (i, n) for i, (n, _) in enumerate(asked))
    write_tar("heldout.tar", [*(("%03d.jpg" % i, x) for i, (_, x) in enumerate(asked)), ("answers.txt", lines.encode())])
    cosines = embed(net, [x for _, x in asked]) @ known.T
    found = [NAMES[row.argmax()] if row.max() >= at else "nobody" for row in cosines]
    print("held out: %d of %d right" % (sum(f == n for f, (n, _) in zip(found, asked)), len(asked)))
    os.makedirs(os.path.join(HERE, "samples"), exist_ok=True)
    for name, data in (("ada", faces[0][8]), ("grace", faces[6][8]), ("stranger", strangers[24][0])):
        with open(os.path.join(HERE, "samples", name + ".jpg"), "wb") as file:
            file.write(data)
    write_tar("stranger.tar", [("stranger/%d.jpg" % k, strangers[24][k]) for k in (1, 2)])


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--people", type=int, default=1000)
    parser.add_argument("--pictures", type=int, default=6)
    parser.add_argument("--epochs", type=int, default=18)
    args = parser.parse_args()
    torch.manual_seed(7)
    net = Net()
    train(net, draw(args.people, args.pictures, TRAIN), args.epochs)
    write_test(net, choose_threshold(net))
    torch.onnx.export(net, torch.zeros(1, 3, SIDE, SIDE), os.path.join(HERE, "model.onnx"), opset_version=13,
                      input_names=["image"], output_names=["embedding"],
                      dynamic_axes={"image": {0: "batch"}, "embedding": {0: "batch"}})


main()
