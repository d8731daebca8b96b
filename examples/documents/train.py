#!/usr/bin/python3
"""Trains the document model on written documents and writes all that the example serves and asks.

    train.py [--documents N] [--epochs N]

writes vocab.txt, model.onnx, samples/ and heldout.tar beside itself.  Needs Debian's python3-torch and python3-numpy;
some minutes on two cores.
"""
import argparse
import collections
import io
import os
import random
import re
import tarfile

import numpy
import torch
from torch import nn

import generate

HERE = os.path.dirname(os.path.abspath(__file__))
PIECES, LENGTH, WIDTH, HEADS, LAYERS = 1000, 192, 64, 4, 2
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
TRAIN, HELD_OUT, SAMPLES = 1000, 2000, 3002  # seeds


# What the step `wordpiece` does, for ASCII.

def words_of(text):
    return re.findall(r"[a-z0-9]+|[!-/:-@\[-`{-~]", text.lower())


def tokens_of(text, ids):
    out = [ids["[CLS]"]]
    for word in words_of(text):
        pieces, at = [], 0
        while at < len(word):
            end = next((e for e in range(len(word), at, -1) if ("##" if at else "") + word[at:e] in ids), None)
            if end is None:
                pieces = [ids["[UNK]"]]
                break
            pieces.append(ids[("##" if at else "") + word[at:end]])
            at = end
        out += pieces
    return out[:LENGTH - 1] + [ids["[SEP]"]]


def learn_vocabulary(texts):
    """Byte-pair merges of letters, most frequent first; digits stay alone.

    Source: Sennrich et al. 2016, arXiv:1508.07909."""
    counts = collections.Counter(w for text in texts for w in words_of(text))
    split = {w: [w[0]] + ["##" + c for c in w[1:]] for w in counts}
    characters = [chr(c) for c in range(33, 127) if not "A" <= chr(c) <= "Z"]
    vocabulary = SPECIAL + characters + ["##" + c for c in characters if c.isalnum()]
    while len(vocabulary) < PIECES:
        pairs = collections.Counter()
        for word, pieces in split.items():
            for a, b in zip(pieces, pieces[1:]):
                if not any(c.isdigit() for c in a + b):
                    pairs[a, b] += counts[word]
        if not pairs:
            break
        a, b = max(pairs, key=lambda p: (pairs[p], p))
        vocabulary.append(a + b[2:])
        for word, pieces in split.items():
            for i in range(len(pieces) - 2, -1, -1):
                if i + 1 < len(pieces) and (pieces[i], pieces[i + 1]) == (a, b):
                    pieces[i:i + 2] = [a + b[2:]]
    return list(dict.fromkeys(vocabulary))


class Layer(nn.Module):
    """A transformer's encoder layer, normalised before each half."""

    def __init__(self):
        super().__init__()
        self.first, self.second = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)
        self.three, self.out = nn.Linear(WIDTH, 3 * WIDTH), nn.Linear(WIDTH, WIDTH)
        self.expand, self.shrink = nn.Linear(WIDTH, 2 * WIDTH), nn.Linear(2 * WIDTH, WIDTH)
        self.drop = nn.Dropout(0.1)

    def forward(self, x, hidden):
        batch, length = x.shape[0], x.shape[1]

        def by_head(t):
            return t.reshape(batch, length, HEADS, WIDTH // HEADS).permute(0, 2, 1, 3)
        q, k, v = (by_head(t) for t in self.three(self.first(x)).split(WIDTH, -1))
        weights = torch.softmax(q @ k.transpose(2, 3) / (WIDTH // HEADS) ** 0.5 + hidden, -1)
        x = x + self.drop(self.out((weights @ v).permute(0, 2, 1, 3).reshape(batch, length, WIDTH)))
        return x + self.drop(self.shrink(torch.relu(self.expand(self.second(x)))))


class Net(nn.Module):
    """Ids and mask to scores of the kinds, and whether the document is personal."""

    def __init__(self, pieces):
        super().__init__()
        self.words, self.places = nn.Embedding(pieces, WIDTH), nn.Embedding(LENGTH, WIDTH)
        nn.init.normal_(self.words.weight, 0, 0.1)
        nn.init.normal_(self.places.weight, 0, 0.02)
        self.layers = nn.ModuleList(Layer() for _ in range(LAYERS))
        self.norm = nn.LayerNorm(WIDTH)
        self.kind, self.personal = nn.Linear(WIDTH, len(generate.KINDS)), nn.Linear(2 * WIDTH, 1)

    def forward(self, ids, mask):
        shown = mask.float()
        hidden = (1 - shown)[:, None, None, :] * -1e4
        x = self.words(ids) + self.places(torch.arange(ids.shape[1]))[None]
        for layer in self.layers:
            x = layer(x, hidden)
        x = self.norm(x)
        mean = (x * shown[..., None]).sum(1) / shown.sum(1, keepdim=True)
        most = (x - (1 - shown)[..., None] * 1e4).amax(1)
        return self.kind(mean), self.personal(torch.cat([mean, most], 1))


def batch_of(rows):
    ids = nn.utils.rnn.pad_sequence([torch.tensor(r) for r in rows], batch_first=True)
    return ids, nn.utils.rnn.pad_sequence([torch.ones(len(r), dtype=torch.long) for r in rows], batch_first=True)


def train(net, rows, kinds, personal, epochs):
    step = torch.optim.AdamW(net.parameters(), 2e-3, weight_decay=0.01)
    order = sorted(range(len(rows)), key=lambda i: len(rows[i]))
    batches = [order[i:i + 32] for i in range(0, len(order), 32)]  # of nearly equal length
    rate = torch.optim.lr_scheduler.OneCycleLR(step, 3e-3, total_steps=epochs * len(batches))
    for epoch in range(epochs):
        net.train()
        total = 0.0
        for b in torch.randperm(len(batches)).tolist():
            ids, mask = batch_of([rows[i] for i in batches[b]])
            hidden = (torch.rand(ids.shape) < 0.15) & (ids >= len(SPECIAL))  # so that no single piece decides
            kind, secret = net(ids.masked_fill(hidden, SPECIAL.index("[UNK]")), mask)
            loss = nn.functional.cross_entropy(kind, kinds[batches[b]], label_smoothing=0.02) + \
                nn.functional.binary_cross_entropy_with_logits(secret[:, 0], personal[batches[b]])
            step.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(net.parameters(), 1.0)
            step.step()
            rate.step()
            total += loss.item()
        print("epoch %2d: loss %.4f" % (epoch + 1, total / len(batches)), flush=True)


def make_set(count, seed, held_out=False):
    rng = random.Random(seed)
    kinds = [i % len(generate.KINDS) for i in range(count)]
    made = [generate.write(generate.KINDS[k], rng, held_out) for k in kinds]
    return [t for t, _ in made], torch.tensor(kinds), torch.tensor([float(p) for _, p in made])


def write_held_out(texts, kinds, personal):
    """A tar of the texts and answers.txt: FILE KIND true|false."""
    lines = ["%03d.txt %s %s\n" % (i, generate.KINDS[k], "true" if p else "false")
             for i, (k, p) in enumerate(zip(kinds, personal))]
    with tarfile.open(os.path.join(HERE, "heldout.tar"), "w", format=tarfile.USTAR_FORMAT) as tar:
        for name, text in [("%03d.txt" % i, t) for i, t in enumerate(texts)] + [("answers.txt", "".join(lines))]:
            info = tarfile.TarInfo(name)
            info.size, info.mode = len(text.encode()), 0o644
            tar.addfile(info, io.BytesIO(text.encode()))


def write_samples():
    rng = random.Random(SAMPLES)
    os.makedirs(os.path.join(HERE, "samples"), exist_ok=True)
    for kind in generate.KINDS:
        with open(os.path.join(HERE, "samples", kind + ".txt"), "w") as file:
            file.write(generate.write(kind, rng, True)[0])


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--documents", type=int, default=3000)
    parser.add_argument("--epochs", type=int, default=7)
    args = parser.parse_args()
    torch.manual_seed(7)
    texts, kinds, personal = make_set(args.documents, TRAIN)
    vocabulary = learn_vocabulary(texts)
    with open(os.path.join(HERE, "vocab.txt"), "w") as file:
        file.write("\n".join(vocabulary) + "\n")
    ids = {piece: i for i, piece in enumerate(vocabulary)}
    net = Net(len(vocabulary))
    train(net, [tokens_of(t, ids) for t in texts], kinds, personal, args.epochs)
    net.eval()
    held, held_kinds, held_personal = make_set(100, HELD_OUT, True)
    with torch.no_grad():
        found, secret = net(*batch_of([tokens_of(t, ids) for t in held]))
    right, right_personal = found.argmax(1) == held_kinds, (secret[:, 0] >= 0) == (held_personal > 0)
    print("held out: %d of %d right; personal: %d of %d right" % (
        right.sum(), len(held), right_personal.sum(), len(held)))
    one = torch.ones(1, 8, dtype=torch.long)
    axes = {0: "batch", 1: "tokens"}
    torch.onnx.export(net, (one, one), os.path.join(HERE, "model.onnx"), opset_version=14,
                      input_names=["ids", "mask"], output_names=["kind", "personal"],
                      dynamic_axes={"ids": axes, "mask": axes, "kind": {0: "batch"}, "personal": {0: "batch"}})
    write_held_out(held, held_kinds.tolist(), held_personal.tolist())
    write_samples()


main()
