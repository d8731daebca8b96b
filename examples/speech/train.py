#!/usr/bin/python3
"""Trains the speech model on what espeak-ng says and writes all that the example serves and asks.

    train.py [--utterances N] [--epochs N] [--rate R] [--weights FILE]

writes model.onnx, symbols.txt, samples/ and heldout.tar beside itself.  The held-out utterances are spoken by voices
that were never trained on.  weights.pt is written after each epoch: --weights starts from it.  Needs Debian's
espeak-ng, python3-torch and python3-numpy; some ten minutes on two cores.
"""
import argparse
import io
import os
import tarfile

import numpy
import torch
from torch import nn

import generate

HERE = os.path.dirname(os.path.abspath(__file__))
LENGTH, HOP, MELS, WIDTH = 200, 80, 40, 80  # 25 ms every 10 ms, as pipeline.toml frames
SYMBOLS = ["_", "|"] + sorted(set("".join(generate.WORDS)))  # the blank, the space, letters
TRAIN, HELD_OUT = 1000, 2000                # seeds


def frames_of(x):
    """What the step `frame` does, with its Hann window: [frames, LENGTH]."""
    count = (len(x) - LENGTH) // HOP + 1
    window = 0.5 - 0.5 * numpy.cos(2 * numpy.pi * numpy.arange(LENGTH) / LENGTH)
    rows = numpy.lib.stride_tricks.sliding_window_view(x, LENGTH)[::HOP][:count]
    return torch.from_numpy((rows * window).astype("f4"))


class LogMel(nn.Module):
    """Frames to the logarithm of their power in MELS bands, mean 0 and deviation 1 over the utterance."""

    def __init__(self):
        super().__init__()
        bins = LENGTH // 2 + 1
        angle = 2 * numpy.pi * numpy.outer(numpy.arange(LENGTH), numpy.arange(bins)) / LENGTH
        dft = numpy.concatenate([numpy.cos(angle), numpy.sin(angle)], 1)
        self.register_buffer("dft", torch.tensor(dft, dtype=torch.float32))
        self.register_buffer("mel", torch.tensor(self.bands(bins), dtype=torch.float32))
        self.bins = bins

    @staticmethod
    def bands(bins):
        """Triangles, evenly apart in mel."""
        def to_mel(hertz):
            return 2595 * numpy.log10(1 + hertz / 700)
        hertz = numpy.linspace(0, generate.RATE / 2, bins)
        edges = 700 * (10 ** (numpy.linspace(to_mel(60), to_mel(3900), MELS + 2) / 2595) - 1)
        rise = (hertz[:, None] - edges[None, :-2]) / (edges[1:-1] - edges[:-2])
        fall = (edges[None, 2:] - hertz[:, None]) / (edges[2:] - edges[1:-1])
        return numpy.clip(numpy.minimum(rise, fall), 0, None)

    def forward(self, frames):
        both = frames @ self.dft
        power = both[..., :self.bins] ** 2 + both[..., self.bins:] ** 2
        level = torch.log(power @ self.mel + 1e-5)
        level = level - level.mean((1, 2), keepdim=True)
        return level / torch.sqrt((level * level).mean((1, 2), keepdim=True) + 1e-5)


class Block(nn.Module):
    def __init__(self, dilation):
        super().__init__()
        self.conv = nn.Conv1d(WIDTH, WIDTH, 3, padding=dilation, dilation=dilation, bias=False)
        self.norm = nn.BatchNorm1d(WIDTH)

    def forward(self, x):
        return x + torch.relu(self.norm(self.conv(x)))


class Letters(nn.Module):
    """Bands to scores of symbols, one row for each 20 ms."""

    def __init__(self):
        super().__init__()
        self.entry = nn.Sequential(nn.Conv1d(MELS, WIDTH, 5, stride=2, padding=2, bias=False), nn.BatchNorm1d(WIDTH),
                                   nn.ReLU())
        self.blocks = nn.Sequential(*[Block(d) for d in (1, 2, 4, 1, 2, 4)])
        self.drop, self.scores = nn.Dropout(0.1), nn.Conv1d(WIDTH, len(SYMBOLS), 1)

    def forward(self, bands):
        return self.scores(self.drop(self.blocks(self.entry(bands.transpose(1, 2))))).transpose(1, 2)


def encode(words):
    return torch.tensor([SYMBOLS.index(c) for c in words.replace(" ", "|")])


def decode(scores):
    best = scores.argmax(-1).tolist()
    kept = [s for s, before in zip(best, [None] + best) if s != before and s != 0]
    return "".join(SYMBOLS[s] for s in kept).replace("|", " ").strip()


def edits(a, b):
    """Words inserted, left out and replaced: Levenshtein's distance."""
    row = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        before, row[0] = row[0], i
        for j, y in enumerate(b, 1):
            before, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, before + (x != y))
    return row[-1]


def train(front, net, said, epochs, highest_rate, rng):
    """said: [(words, samples)]; each epoch hears them anew."""
    step = torch.optim.AdamW(net.parameters(), 2e-3, weight_decay=0.01)
    order = sorted(range(len(said)), key=lambda i: len(said[i][1]))
    batches = [order[i:i + 32] for i in range(0, len(order), 32)]  # of nearly equal length
    rate = torch.optim.lr_scheduler.OneCycleLR(step, highest_rate, total_steps=epochs * len(batches))
    for epoch in range(epochs):
        net.train()
        total = 0.0
        for b in rng.permutation(len(batches)):
            with torch.no_grad():
                heard = [front(frames_of(generate.record(rng, said[i][1]))[None])[0] for i in batches[b]]
            texts = [encode(said[i][0]) for i in batches[b]]
            lengths = [(len(h) + 1) // 2 for h in heard]
            out = net(nn.utils.rnn.pad_sequence(heard, batch_first=True)).log_softmax(-1).transpose(0, 1)
            loss = nn.functional.ctc_loss(out, torch.cat(texts), torch.tensor(lengths),
                                          torch.tensor([len(t) for t in texts]))
            step.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(net.parameters(), 1.0)
            step.step()
            rate.step()
            total += loss.item()
        print("epoch %2d: loss %.4f" % (epoch + 1, total / len(batches)), flush=True)
        torch.save(net.state_dict(), os.path.join(HERE, "weights.pt"))


def make_set(count, seed, voices):
    rng = numpy.random.default_rng(seed)
    return [generate.utter(rng, voices) for _ in range(count)]


def write_held_out(files):
    """files: [(words, bytes)]; a tar of them and answers.txt: FILE WORDS."""
    lines = ["%03d.wav %s\n" % (i, words) for i, (words, _) in enumerate(files)]
    with tarfile.open(os.path.join(HERE, "heldout.tar"), "w", format=tarfile.USTAR_FORMAT) as tar:
        members = [("%03d.wav" % i, f) for i, (_, f) in enumerate(files)]
        for name, data in [*members, ("answers.txt", "".join(lines).encode())]:
            info = tarfile.TarInfo(name)
            info.size, info.mode = len(data), 0o644
            tar.addfile(info, io.BytesIO(data))


def write_samples(rng):
    os.makedirs(os.path.join(HERE, "samples"), exist_ok=True)
    for words in ("stop", "seven two nine", "go left"):
        _, x = generate.utter(rng, generate.HELD_OUT_VOICES, words.split())
        with open(os.path.join(HERE, "samples", words.replace(" ", "-") + ".wav"), "wb") as file:
            file.write(generate.as_wav(generate.record(rng, x)))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--utterances", type=int, default=2400)
    parser.add_argument("--epochs", type=int, default=24)
    parser.add_argument("--rate", type=float, default=5e-3)
    parser.add_argument("--weights", help="start from these; with --epochs 0, only write")
    args = parser.parse_args()
    torch.manual_seed(7)
    front, net = LogMel(), Letters()
    if args.weights:
        net.load_state_dict(torch.load(args.weights))
    if args.epochs:
        said = make_set(args.utterances, TRAIN, generate.TRAIN_VOICES)
        train(front, net, said, args.epochs, args.rate, numpy.random.default_rng(7))
    model = nn.Sequential(front, net).eval()
    rng = numpy.random.default_rng(HELD_OUT)
    held = [(words, generate.record(rng, x)) for words, x in make_set(48, HELD_OUT, generate.HELD_OUT_VOICES)]
    with torch.no_grad():
        wrong = sum(edits(words.split(), decode(model(frames_of(x)[None])[0]).split()) for words, x in held)
    total = sum(len(words.split()) for words, _ in held)
    print("held out: %d of %d words right" % (total - wrong, total))
    torch.onnx.export(model, torch.zeros(1, 100, LENGTH), os.path.join(HERE, "model.onnx"), opset_version=13,
                      input_names=["frames"], output_names=["scores"],
                      dynamic_axes={"frames": {0: "batch", 1: "frames"}, "scores": {0: "batch", 1: "moments"}})
    with open(os.path.join(HERE, "symbols.txt"), "w") as file:
        file.write("\n".join(SYMBOLS) + "\n")
    write_held_out([(words, generate.as_wav(x, 8)) for words, x in held])
    write_samples(rng)


main()
