#!/usr/bin/python3
"""Builds the networks that the benchmarks run, by shape, with weights from a fixed seed.

    generate.py FOLDER [NAME... | inventory]

Each network becomes FOLDER/NAME/model.onnx, and each of its cases a folder beside it with the
inputs (in.NAME.npy) and the outputs of PyTorch for them (out.NAME.npy), in 32-bit floats.  A folder
that is there already is left alone.  Without names it is those that are timed; `inventory` is those of inventory.py, which
are only checked.  Needs Debian's python3-torch, python3-torchvision, python3-onnx.
"""
import os
import sys
import warnings

import numpy
import torch
from torch import nn

import inventory

warnings.filterwarnings("ignore")


# Text: encoders as BERT and DistilBERT have them.

class SelfAttention(nn.Module):
    def __init__(self, width, heads, scale_first):
        super().__init__()
        self.width, self.heads, self.scale_first = width, heads, scale_first
        self.query, self.key = nn.Linear(width, width), nn.Linear(width, width)
        self.value, self.out = nn.Linear(width, width), nn.Linear(width, width)

    def forward(self, x, mask):
        batch, length = x.shape[0], x.shape[1]
        each = self.width // self.heads

        def by_head(t):
            return t.reshape(batch, length, self.heads, each).permute(0, 2, 1, 3)
        q, k, v = by_head(self.query(x)), by_head(self.key(x)), by_head(self.value(x))
        if self.scale_first:
            scores = (q / each ** 0.5) @ k.transpose(2, 3)
            scores = scores.masked_fill((mask == 0)[:, None, None, :].expand_as(scores), float("-inf"))
        else:
            scores = q @ k.transpose(2, 3) / each ** 0.5 + (1.0 - mask[:, None, None, :].float()) * -1e4
        mixed = torch.softmax(scores, -1) @ v
        return self.out(mixed.permute(0, 2, 1, 3).reshape(batch, length, self.width))


class EncoderLayer(nn.Module):
    def __init__(self, width, heads, hidden, scale_first):
        super().__init__()
        self.attention = SelfAttention(width, heads, scale_first)
        self.first_norm, self.second_norm = nn.LayerNorm(width, 1e-12), nn.LayerNorm(width, 1e-12)
        self.expand, self.shrink = nn.Linear(width, hidden), nn.Linear(hidden, width)

    def forward(self, x, mask):
        x = self.first_norm(x + self.attention(x, mask))
        return self.second_norm(x + self.shrink(nn.functional.gelu(self.expand(x))))


class Encoder(nn.Module):
    def __init__(self, layers, with_types):
        super().__init__()
        self.words, self.places = nn.Embedding(30522, 768), nn.Embedding(512, 768)
        self.types = nn.Embedding(2, 768) if with_types else None
        self.norm = nn.LayerNorm(768, 1e-12)
        self.layers = nn.ModuleList(EncoderLayer(768, 12, 3072, not with_types) for _ in range(layers))

    def forward(self, ids, mask, types=None):
        x = self.words(ids) + self.places(torch.arange(ids.shape[1]))[None]
        if self.types is not None:
            x = x + self.types(types)
        x = self.norm(x)
        for layer in self.layers:
            x = layer(x, mask)
        return x


class DistilBert(nn.Module):
    """Two classes from the first token."""

    def __init__(self):
        super().__init__()
        self.encoder = Encoder(6, False)
        self.hidden, self.scores = nn.Linear(768, 768), nn.Linear(768, 2)

    def forward(self, ids):
        x = self.encoder(ids, torch.ones_like(ids))
        return self.scores(torch.relu(self.hidden(x[:, 0])))


class Bert(nn.Module):
    def __init__(self):
        super().__init__()
        self.encoder, self.pooler = Encoder(12, True), nn.Linear(768, 768)

    def forward(self, ids, mask, types):
        x = self.encoder(ids, mask, types)
        return x, torch.tanh(self.pooler(x[:, 0]))


# Sound: dilated convolutions with gates.

class WaveNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.entry = nn.Conv1d(1, 64, 1)
        self.steps = [2 ** (i % 10) for i in range(30)]
        self.filters = nn.ModuleList(nn.Conv1d(64, 128, 2, dilation=d) for d in self.steps)
        self.residuals = nn.ModuleList(nn.Conv1d(64, 64, 1) for _ in self.steps)
        self.skips = nn.ModuleList(nn.Conv1d(64, 128, 1) for _ in self.steps)
        self.before_last, self.last = nn.Conv1d(128, 128, 1), nn.Conv1d(128, 256, 1)

    def forward(self, wave):
        x, skipped = self.entry(wave), 0
        for i, step in enumerate(self.steps):
            signal, gate = self.filters[i](nn.functional.pad(x, (step, 0))).chunk(2, dim=1)
            gated = torch.tanh(signal) * torch.sigmoid(gate)
            skipped = skipped + self.skips[i](gated)
            x = x + self.residuals[i](gated)
        return self.last(torch.relu(self.before_last(torch.relu(skipped))))


# Making them.

def random(*shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(sum(shape)))


def ids(batch, length):
    return torch.randint(0, 30522, (batch, length), generator=torch.Generator().manual_seed(batch * 1000 + length))


def bert_case(batch, length):
    mask = torch.ones(batch, length, dtype=torch.long)
    if batch > 1:
        mask[1, length // 2:] = 0
    return ids(batch, length), mask, torch.zeros(batch, length, dtype=torch.long)


def pictures(name):
    """A torchvision network whose BatchNormalization has seen some pictures."""
    import torchvision
    net = getattr(torchvision.models, name)(weights=None)
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = None
    net.train()
    with torch.no_grad():
        net(random(4, 3, 224, 224))
    return net


def text(net):
    for module in net.modules():
        if isinstance(module, (nn.Linear, nn.Embedding)):
            nn.init.normal_(module.weight, 0, 0.04)
    return net


BATCH = {0: "batch"}
TOKENS = {0: "batch", 1: "length"}
KEEP_NORMS = {"training": torch.onnx.TrainingMode.PRESERVE, "do_constant_folding": False}
PICTURES = {"b1": (random(1, 3, 224, 224),), "b8": (random(8, 3, 224, 224),)}
LENGTHS = [(1, 8), (1, 32), (1, 128), (1, 384), (8, 8), (8, 32), (8, 128)]

# name: how it is made, opset, inputs, outputs, dynamic axes, cases, further export arguments
NETWORKS = {
    "distilbert_static": (lambda: text(DistilBert()), 11, ["input"], ["output"], None, {"b1s8": (ids(1, 8),)}, {}),
    "distilbert": (lambda: text(DistilBert()), 11, ["input"], ["output"], {"input": TOKENS, "output": BATCH},
                   {"b%ds%d" % c: (ids(*c),) for c in LENGTHS}, {}),
    "bert_base": (lambda: text(Bert()), 14, ["input_ids", "attention_mask", "token_type_ids"], ["hidden", "pooled"],
                  {"input_ids": TOKENS, "attention_mask": TOKENS, "token_type_ids": TOKENS, "hidden": TOKENS,
                   "pooled": BATCH}, {"b%ds%d" % c: bert_case(*c) for c in LENGTHS}, {}),
    "resnet18": (lambda: pictures("resnet18"), 11, ["input"], ["output"], {"input": BATCH, "output": BATCH}, PICTURES, {}),
    "resnet50": (lambda: pictures("resnet50"), 13, ["input"], ["output"], {"input": BATCH, "output": BATCH}, PICTURES, {}),
    "mobilenet_v2": (lambda: pictures("mobilenet_v2"), 12, ["input"], ["output"], {"input": BATCH, "output": BATCH},
                     PICTURES, KEEP_NORMS),
    "wavenet": (WaveNet, 12, ["wave"], ["levels"], None, {"b1": (random(1, 1, 16000),)}, {}),
}


EVERY = {**NETWORKS, **inventory.NETWORKS}


def save(folder, prefix, names, tensors):
    os.makedirs(folder, exist_ok=True)
    for name, tensor in zip(names, tensors):
        numpy.save(os.path.join(folder, "%s.%s.npy" % (prefix, name)), tensor.contiguous().numpy())


def make(root, name):
    build, opset, inputs, outputs, axes, cases, more = EVERY[name]
    folder = os.path.join(root, name)
    if os.path.exists(os.path.join(folder, "done")):
        return
    torch.manual_seed(len(name))
    net = build().eval()
    os.makedirs(folder, exist_ok=True)
    with torch.no_grad():
        torch.onnx.export(net, next(iter(cases.values())), os.path.join(folder, "model.onnx"), opset_version=opset,
                          input_names=inputs, output_names=outputs, dynamic_axes=axes, **more)
        for case, given in cases.items():
            made = net(*given)
            save(os.path.join(folder, case), "in", inputs, given)
            save(os.path.join(folder, case), "out", outputs, made if isinstance(made, tuple) else (made,))
    open(os.path.join(folder, "done"), "w").close()
    print("made %s" % name, file=sys.stderr)


def main():
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    names = inventory.NETWORKS if sys.argv[2:] == ["inventory"] else sys.argv[2:] or NETWORKS
    for name in names:
        if name not in EVERY:
            sys.exit("generate.py: no network '%s', there are: %s" % (name, " ".join(EVERY)))
        make(sys.argv[1], name)


main()
