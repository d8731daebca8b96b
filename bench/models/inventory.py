"""The other networks that BlindAI's users ran, by shape: generate.py makes them.

Each is written after its paper or the description of its weights; `base` and `tiny` are the published sizes.
"""
import math

import torch
from torch import nn
from torch.nn import functional as F


def random(*shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(sum(shape)))


def whole(limit, *shape, dtype=torch.long):
    return torch.randint(0, limit, shape, generator=torch.Generator().manual_seed(sum(shape))).to(dtype)


def settled(net, *sample):
    """Small weights, and BatchNormalization that has seen the sample."""
    for module in net.modules():
        if isinstance(module, (nn.Linear, nn.Embedding)):
            nn.init.normal_(module.weight, 0, 0.04)
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            module.momentum = None
    if any(isinstance(m, nn.modules.batchnorm._BatchNorm) for m in net.modules()):
        net.train()
        with torch.no_grad():
            net(*sample)
    return net.eval()


# Transformers.

def heads(x, n):
    return x.reshape(x.shape[0], x.shape[1], n, x.shape[2] // n).transpose(1, 2)


def attend(q, k, v, mask=None):
    scores = q @ k.transpose(2, 3) / math.sqrt(q.shape[-1])
    mixed = (scores if mask is None else scores + mask).softmax(-1) @ v
    return mixed.transpose(1, 2).reshape(q.shape[0], q.shape[2], -1)


class Attention(nn.Module):
    def __init__(self, width, n):
        super().__init__()
        self.n = n
        self.q, self.k, self.v, self.o = (nn.Linear(width, width) for _ in range(4))

    def forward(self, x, of=None, mask=None):
        of = x if of is None else of
        return self.o(attend(heads(self.q(x), self.n), heads(self.k(of), self.n), heads(self.v(of), self.n), mask))


class Albert(nn.Module):
    """albert-base-v2 with two classes: one layer twelve times, words of 128 numbers. Source: arXiv:1909.11942."""

    def __init__(self):
        super().__init__()
        self.words, self.places, self.kinds = nn.Embedding(30000, 128), nn.Embedding(512, 128), nn.Embedding(2, 128)
        self.norm, self.widen = nn.LayerNorm(128, 1e-12), nn.Linear(128, 768)
        self.attention, self.up, self.down = Attention(768, 12), nn.Linear(768, 3072), nn.Linear(3072, 768)
        self.first, self.second = nn.LayerNorm(768, 1e-12), nn.LayerNorm(768, 1e-12)
        self.pooler, self.classes = nn.Linear(768, 768), nn.Linear(768, 2)

    def forward(self, ids, mask, kinds):
        hidden = (1 - mask[:, None, None, :].float()) * -10000
        x = self.words(ids) + self.kinds(kinds) + self.places(torch.arange(ids.shape[1]))[None]
        x = self.widen(self.norm(x))
        for _ in range(12):
            x = self.first(x + self.attention(x, mask=hidden))
            y = self.up(x)
            y = 0.5 * y * (1 + torch.tanh(math.sqrt(2 / math.pi) * (y + 0.044715 * y ** 3)))
            x = self.second(x + self.down(y))
        return self.classes(torch.tanh(self.pooler(x[:, 0])))


class WhisperLayer(nn.Module):
    def __init__(self, width, n, cross):
        super().__init__()
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(3))
        self.attention, self.cross = Attention(width, n), Attention(width, n) if cross else None
        self.up, self.down = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, x, sound=None, mask=None):
        x = x + self.attention(self.norms[0](x), mask=mask)
        if self.cross is not None:
            x = x + self.cross(self.norms[1](x), sound)
        return x + self.down(F.gelu(self.up(self.norms[2](x))))


class WhisperEncoder(nn.Module):
    """Of tiny: 80 bands of 30 seconds to 1,500 rows of 384. Source: arXiv:2212.04356."""

    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Conv1d(80, 384, 3, padding=1), nn.Conv1d(384, 384, 3, stride=2, padding=1)
        self.layers, self.norm = nn.ModuleList(WhisperLayer(384, 6, False) for _ in range(4)), nn.LayerNorm(384)
        angle = torch.arange(1500)[:, None] * torch.exp(-math.log(10000) / 191 * torch.arange(192))[None]
        self.register_buffer("places", torch.cat([angle.sin(), angle.cos()], 1))

    def forward(self, mel):
        x = F.gelu(self.second(F.gelu(self.first(mel)))).transpose(1, 2) + self.places
        for layer in self.layers:
            x = layer(x)
        return self.norm(x)


class WhisperDecoder(nn.Module):
    """Of tiny.en: the scores of the token after each."""

    def __init__(self):
        super().__init__()
        self.words, self.places = nn.Embedding(51864, 384), nn.Parameter(torch.randn(448, 384) * 0.02)
        self.layers, self.norm = nn.ModuleList(WhisperLayer(384, 6, True) for _ in range(4)), nn.LayerNorm(384)

    def forward(self, tokens, sound):
        length = tokens.shape[1]
        later = torch.full((448, 448), -1e9).triu(1)[:length, :length]
        x = self.words(tokens) + self.places[:length]
        for layer in self.layers:
            x = layer(x, sound, later)
        return self.norm(x) @ self.words.weight.t()


class Gpt2(nn.Module):
    """GPT-2 that takes and gives keys and values of each layer as one tensor [2, batch, 12, length, 64]."""

    def __init__(self, layers=12):
        super().__init__()
        self.words, self.places = nn.Embedding(50257, 768), nn.Embedding(1024, 768)
        self.rows = nn.ModuleList(nn.Linear(768, 2304) for _ in range(layers))
        self.out = nn.ModuleList(nn.Linear(768, 768) for _ in range(layers))
        self.up = nn.ModuleList(nn.Linear(768, 3072) for _ in range(layers))
        self.down = nn.ModuleList(nn.Linear(3072, 768) for _ in range(layers))
        self.norms = nn.ModuleList(nn.LayerNorm(768) for _ in range(2 * layers + 1))
        self.layers = layers

    def forward(self, ids, mask, places, *past):
        x = self.words(ids) + self.places(places)
        before, length = past[0].shape[3], ids.shape[1]
        later = torch.ones(1024, 1024).triu(1)[before:before + length, :before + length]
        hidden = later[None, None] * -1e4 + (1 - mask[:, None, None, :].float()) * -1e4
        present = []
        for i in range(self.layers):
            q, k, v = (heads(t, 12) for t in self.rows[i](self.norms[2 * i](x)).chunk(3, 2))
            k, v = torch.cat([past[i][0], k], 2), torch.cat([past[i][1], v], 2)
            present.append(torch.stack([k, v]))
            x = x + self.out[i](attend(q, k, v, hidden))
            x = x + self.down[i](F.gelu(self.up[i](self.norms[2 * i + 1](x)), approximate="tanh"))
        return (self.norms[-1](x) @ self.words.weight.t(), *present)


def gpt2_case(length, before):
    return (whole(50257, 1, length, dtype=torch.int32), torch.ones(1, before + length, dtype=torch.int32),
            torch.arange(before, before + length, dtype=torch.int32)[None],
            *(random(2, 1, 12, before, 64) * 0.5 for _ in range(12)))


class Wav2Vec2(nn.Module):
    """wav2vec2-base-960h up to the letters, which are chosen inside. Source: arXiv:2006.11477."""

    def __init__(self):
        super().__init__()
        sizes = [(10, 5)] + [(3, 2)] * 4 + [(2, 2)] * 2
        self.sound = nn.ModuleList(nn.Conv1d(512 if i else 1, 512, k, s, bias=False) for i, (k, s) in enumerate(sizes))
        self.group, self.norm, self.widen = nn.GroupNorm(512, 512), nn.LayerNorm(512), nn.Linear(512, 768)
        self.places, self.first = nn.Conv1d(768, 768, 128, padding=64, groups=16), nn.LayerNorm(768)
        self.attention = nn.ModuleList(Attention(768, 12) for _ in range(12))
        self.up = nn.ModuleList(nn.Linear(768, 3072) for _ in range(12))
        self.down = nn.ModuleList(nn.Linear(3072, 768) for _ in range(12))
        self.norms, self.letters = nn.ModuleList(nn.LayerNorm(768) for _ in range(24)), nn.Linear(768, 32)

    def forward(self, wave):
        x = wave[:, None]
        for i, layer in enumerate(self.sound):
            x = F.gelu(self.group(layer(x)) if i == 0 else layer(x))
        x = self.widen(self.norm(x.transpose(1, 2)))
        x = self.first(x + F.gelu(self.places(x.transpose(1, 2))[..., :-1]).transpose(1, 2))
        for i in range(12):
            x = self.norms[2 * i](x + self.attention[i](x))
            x = self.norms[2 * i + 1](x + self.down[i](F.gelu(self.up[i](x))))
        return self.letters(x).argmax(-1)


# Pictures.

def conv(a, b, kernel=1, stride=1, groups=1, act=nn.ReLU, eps=1e-3, pad=None):
    pad = (kernel // 2 if isinstance(kernel, int) else tuple(k // 2 for k in kernel)) if pad is None else pad
    return nn.Sequential(nn.Conv2d(a, b, kernel, stride, pad, groups=groups, bias=False), nn.BatchNorm2d(b, eps), act())


class Pepx(nn.Sequential):
    """COVID-Net's block: shrink, widen, each channel alone, shrink, widen. Source: arXiv:2003.09871."""

    def __init__(self, a, b, stride):
        super().__init__(conv(a, a // 2), conv(a // 2, b), conv(b, b, 3, stride, b), conv(b, b // 2), conv(b // 2, b))


class CovidNet(nn.Module):
    """After COVID-Net: pictures [n, 480, 480, 3] as TensorFlow has them, two probabilities."""

    def __init__(self):
        super().__init__()
        self.entry = nn.Sequential(conv(3, 56, 7, 2), nn.MaxPool2d(2))
        widths, self.blocks, self.across = [56, 56, 112, 224, 424], nn.ModuleList(), nn.ModuleList()
        for i in range(4):
            self.blocks.append(nn.ModuleList(Pepx(widths[i] if k == 0 else widths[i + 1], widths[i + 1], 2 if k == 0 and i else 1)
                                             for k in range(3)))
            self.across.append(nn.Conv2d(widths[i], widths[i + 1], 1, 2 if i else 1))
        self.classes = nn.Sequential(nn.Linear(424, 256), nn.ReLU(), nn.Linear(256, 2))

    def forward(self, pictures):
        x = self.entry(pictures.permute(0, 3, 1, 2))
        for blocks, across in zip(self.blocks, self.across):
            kept = across(x)
            for block in blocks:
                x = block(x)
                kept = kept + x
            x = kept
        return self.classes(x.mean((2, 3))).softmax(1)


class Branches(nn.Module):
    """Inception's: branches side by side, then a product and a scaled sum with what came in."""

    def __init__(self, width, branches, out, scale, last=False):
        super().__init__()
        self.branches, self.join, self.scale, self.last = nn.ModuleList(branches), nn.Conv2d(out, width, 1), scale, last

    def forward(self, x):
        y = x + self.scale * self.join(torch.cat([b(x) for b in self.branches], 1))
        return y if self.last else torch.relu(y)


class Narrow(nn.Module):
    def __init__(self, *branches):
        super().__init__()
        self.branches = nn.ModuleList(branches)

    def forward(self, x):
        return torch.cat([b(x) for b in self.branches], 1)


class FaceNet(nn.Module):
    """InceptionResnetV1 and three people. Source: arXiv:1602.07261, figures 3 and 10 to 14."""

    def __init__(self):
        super().__init__()
        s = nn.Sequential
        parts = [conv(3, 32, 3, 2, pad=0), conv(32, 32, 3, pad=0), conv(32, 64, 3), nn.MaxPool2d(3, 2), conv(64, 80),
                 conv(80, 192, 3, pad=0), conv(192, 256, 3, 2, pad=0)]
        parts += [Branches(256, [conv(256, 32), s(conv(256, 32), conv(32, 32, 3)),
                                 s(conv(256, 32), conv(32, 32, 3), conv(32, 32, 3))], 96, 0.17) for _ in range(5)]
        parts += [Narrow(conv(256, 384, 3, 2, pad=0), s(conv(256, 192), conv(192, 192, 3), conv(192, 256, 3, 2, pad=0)),
                         nn.MaxPool2d(3, 2))]
        parts += [Branches(896, [conv(896, 128), s(conv(896, 128), conv(128, 128, (1, 7)), conv(128, 128, (7, 1)))], 256, 0.1)
                  for _ in range(10)]
        parts += [Narrow(s(conv(896, 256), conv(256, 384, 3, 2, pad=0)), s(conv(896, 256), conv(256, 256, 3, 2, pad=0)),
                         s(conv(896, 256), conv(256, 256, 3), conv(256, 256, 3, 2, pad=0)), nn.MaxPool2d(3, 2))]
        parts += [Branches(1792, [conv(1792, 192), s(conv(1792, 192), conv(192, 192, (1, 3)), conv(192, 192, (3, 1)))], 384,
                           0.2 if i < 5 else 1, i == 5) for i in range(6)]
        self.parts = s(*parts, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(1792, 512, bias=False), nn.BatchNorm1d(512, 1e-3))
        self.people = nn.Linear(512, 3, bias=False)

    def forward(self, pictures):
        return self.people(F.normalize(self.parts(pictures), dim=1))


def silu(a, b, kernel=1, stride=1):
    return conv(a, b, kernel, stride, act=nn.SiLU)


class C3(nn.Module):
    def __init__(self, a, b, n, add=True):
        super().__init__()
        self.left, self.right, self.join, self.add = silu(a, b // 2), silu(a, b // 2), silu(b, b), add
        self.inner = nn.ModuleList(nn.Sequential(silu(b // 2, b // 2), silu(b // 2, b // 2, 3)) for _ in range(n))

    def forward(self, x):
        y = self.left(x)
        for layer in self.inner:
            y = y + layer(y) if self.add else layer(y)
        return self.join(torch.cat([y, self.right(x)], 1))


class Yolo(nn.Module):
    """YOLOv5s: [n, 3, 640, 640] to 25,200 boxes with 80 classes. Source: the published yolov5s.yaml, version 6."""

    def __init__(self):
        super().__init__()
        self.down = nn.ModuleList([nn.Sequential(silu(3, 32, 6, 2), silu(32, 64, 3, 2), C3(64, 64, 1), silu(64, 128, 3, 2), C3(128, 128, 2)),
                                   nn.Sequential(silu(128, 256, 3, 2), C3(256, 256, 3)),
                                   nn.Sequential(silu(256, 512, 3, 2), C3(512, 512, 1))])
        self.down[0][0][0].padding = (2, 2)
        self.pool, self.pooled = silu(512, 256), silu(1024, 512)
        self.up1, self.mix1, self.up2, self.mix2 = silu(512, 256), C3(512, 256, 1, False), silu(256, 128), C3(256, 128, 1, False)
        self.down1, self.mix3 = silu(128, 128, 3, 2), C3(256, 256, 1, False)
        self.down2, self.mix4 = silu(256, 256, 3, 2), C3(512, 512, 1, False)
        self.boxes = nn.ModuleList(nn.Conv2d(width, 255, 1) for width in (128, 256, 512))
        self.strides = (8, 16, 32)
        self.register_buffer("anchors", torch.tensor([[10, 13, 16, 30, 33, 23], [30, 61, 62, 45, 59, 119],
                                                      [116, 90, 156, 198, 373, 326]]).float().reshape(3, 1, 3, 1, 1, 2))

    def decode(self, i, x):
        n, _, rows, cols = x.shape
        y = x.reshape(n, 3, 85, rows, cols).permute(0, 1, 3, 4, 2).sigmoid()
        grid = torch.stack(torch.meshgrid(torch.arange(rows), torch.arange(cols), indexing="ij")[::-1], 2).float() - 0.5
        places, sizes = (y[..., :2] * 2 + grid) * self.strides[i], (y[..., 2:4] * 2) ** 2 * self.anchors[i]
        return torch.cat([places, sizes, y[..., 4:]], 4).reshape(n, -1, 85)

    def forward(self, pictures):
        p3 = self.down[0](pictures)
        p4 = self.down[1](p3)
        x = self.pool(self.down[2](p4))
        pools = [x]
        for _ in range(3):
            pools.append(F.max_pool2d(pools[-1], 5, 1, 2))
        t5 = self.up1(self.pooled(torch.cat(pools, 1)))
        t4 = self.up2(self.mix1(torch.cat([F.interpolate(t5, scale_factor=2), p4], 1)))
        o3 = self.mix2(torch.cat([F.interpolate(t4, scale_factor=2), p3], 1))
        o4 = self.mix3(torch.cat([self.down1(o3), t4], 1))
        o5 = self.mix4(torch.cat([self.down2(o4), t5], 1))
        return torch.cat([self.decode(i, b(x)) for i, (b, x) in enumerate(zip(self.boxes, (o3, o4, o5)))], 1)


class ChannelsLast(nn.Module):
    """A network of torchvision for pictures as TensorFlow has them."""

    def __init__(self, net):
        super().__init__()
        self.net = net

    def forward(self, pictures):
        return self.net(pictures.permute(0, 3, 1, 2))


# The small ones.

class Sub(nn.Module):
    def forward(self, a, b):
        return a - b


class Word2Vec(nn.Module):
    """Which words stand beside a word: its row against all rows."""

    def __init__(self):
        super().__init__()
        self.words, self.around = nn.Embedding(10000, 300), nn.Linear(300, 10000, bias=False)

    def forward(self, ids):
        return self.around(self.words(ids)).log_softmax(-1)


class NeuralForest(nn.Module):
    """Trees as two hidden layers each: which side of every split, which leaf. Source: arXiv:1604.07143."""

    def __init__(self, trees=30, features=13, leaves=32):
        super().__init__()
        self.splits = nn.Parameter(torch.randn(trees, features, leaves - 1) * 0.5)
        self.leaves = nn.Parameter(torch.randn(trees, leaves - 1, leaves) * 0.3)
        self.votes = nn.Parameter(torch.randn(trees, leaves, 3) * 0.3)

    def forward(self, x):
        hidden = torch.tanh(10 * torch.einsum("nf,tfs->tns", x, self.splits))
        return torch.matmul(torch.sigmoid(3 * torch.matmul(hidden, self.leaves)), self.votes).mean(0).softmax(-1)


class M5(nn.Module):
    """Words from a second of sound. Source: arXiv:1610.00087, table 1."""

    def __init__(self):
        super().__init__()
        layers = []
        for a, b, kernel, stride in ((1, 128, 80, 4), (128, 128, 3, 1), (128, 256, 3, 1), (256, 512, 3, 1)):
            layers += [nn.Conv1d(a, b, kernel, stride), nn.BatchNorm1d(b), nn.ReLU(), nn.MaxPool1d(4)]
        self.sound, self.words = nn.Sequential(*layers), nn.Linear(512, 35)

    def forward(self, wave):
        return self.words(self.sound(wave).mean(2)).log_softmax(1)


def mobile_net():
    import torchvision
    return settled(ChannelsLast(torchvision.models.mobilenet_v2(weights=None)), random(4, 224, 224, 3))


TOKENS = {0: "batch", 1: "length"}
PAST = ["past_%d" % i for i in range(12)]
ALBERT = ["input_ids", "attention_mask", "token_type_ids"]


def albert_case(batch, length):
    mask = torch.ones(batch, length, dtype=torch.long)
    mask[-1, length // 2 + 1:] = 0
    return whole(30000, batch, length), mask, whole(2, batch, length)


# As generate.py's: how it is made, opset, inputs, outputs, dynamic axes, cases, further export arguments.
NETWORKS = {
    "albert": (lambda: settled(Albert()), 13, ALBERT, ["logits"], {**{k: TOKENS for k in ALBERT}, "logits": {0: "batch"}},
               {"b%ds%d" % c: albert_case(*c) for c in ((1, 8), (3, 21))}, {}),
    "covidnet": (lambda: settled(CovidNet(), random(2, 480, 480, 3)), 11, ["pictures"], ["probabilities"], None,
                 {"b1": (random(1, 480, 480, 3).sigmoid(),)}, {}),
    "wav2vec2": (lambda: settled(Wav2Vec2()), 13, ["wave"], ["letters"], {"wave": {1: "samples"}, "letters": {1: "places"}},
                 {"s%d" % n: (random(1, n),) for n in (4000, 16000)}, {}),
    "facenet": (lambda: settled(FaceNet(), random(8, 3, 160, 160)), 12, ["pictures"], ["people"], None,
                {"b1": (random(1, 3, 160, 160),)}, {}),
    "whisper_encoder": (lambda: settled(WhisperEncoder()), 14, ["mel"], ["sound"], None, {"b1": (random(1, 80, 3000),)}, {}),
    "whisper_decoder": (lambda: settled(WhisperDecoder()), 14, ["tokens", "sound"], ["scores"],
                        {"tokens": {1: "length"}, "scores": {1: "length"}},
                        {"n%d" % n: (whole(51864, 1, n), random(1, 1500, 384)) for n in (1, 20)}, {}),
    "yolov5s": (lambda: settled(Yolo(), random(2, 3, 640, 640)), 12, ["images"], ["boxes"], None,
                {"b1": (random(1, 3, 640, 640).sigmoid(),)}, {}),
    "gpt2": (lambda: settled(Gpt2()), 13, ["input_ids", "attention_mask", "position_ids", *PAST],
             ["logits", *("present_%d" % i for i in range(12))],
             {"input_ids": {1: "length"}, "position_ids": {1: "length"}, "attention_mask": {1: "all"}, "logits": {1: "length"},
              **{k: {3: "before"} for k in PAST}, **{"present_%d" % i: {3: "all"} for i in range(12)}},
             {"first64": gpt2_case(64, 0), "next": gpt2_case(1, 64), "more": gpt2_case(3, 7)}, {"do_constant_folding": False}),
    "mobilenet_nhwc": (mobile_net, 12, ["pictures"], ["classes"], {"pictures": {0: "batch"}, "classes": {0: "batch"}},
                       {"b1": (random(1, 224, 224, 3),), "b3": (random(3, 224, 224, 3),)}, {}),
    "sub": (Sub, 12, ["input", "sub"], ["output"], None, {"42-40": (torch.tensor(42), torch.tensor(40))}, {}),
    "word2vec": (lambda: settled(Word2Vec()), 11, ["word"], ["beside"], {"word": {0: "batch"}, "beside": {0: "batch"}},
                 {"b5": (whole(10000, 5),)}, {}),
    "neural_forest": (lambda: NeuralForest().eval(), 13, ["features"], ["classes"], {"features": {0: "batch"}, "classes": {0: "batch"}},
                      {"b1": (random(1, 13),), "b50": (random(50, 13),)}, {}),
    "m5": (lambda: settled(M5(), random(8, 1, 8000)), 11, ["wave"], ["words"], {"wave": {0: "batch"}, "words": {0: "batch"}},
           {"b1": (random(1, 1, 8000),), "b4": (random(4, 1, 8000),)}, {}),
}
