"""The two snippets of BlindAI's README and the calls of its privacy page, run as they are written there.

Only the two from_pretrained calls are stood in for: nothing is downloaded."""

import os
import sys
import types
import warnings

import pytest

torch = pytest.importorskip("torch", reason="skipped: no torch")

UPLOAD = '''
from transformers import DistilBertTokenizer, DistilBertForSequenceClassification
import torch
from blindai.client import BlindAiClient, ModelDatumType

tokenizer = DistilBertTokenizer.from_pretrained("distilbert-base-uncased")
model = DistilBertForSequenceClassification.from_pretrained("distilbert-base-uncased")

sentence = "Hello, my dog is cute"
inputs = tokenizer(sentence, return_tensors="pt")["input_ids"]

torch.onnx.export(model,
                  inputs,
                  "./distilbert-base-uncased.onnx",
                  export_params=True,
                  opset_version=11,
                  do_constant_folding=True,
                  input_names = ['input'],
                  output_names = ['output'],
                  dynamic_axes={'input' : {0 : 'batch_size'},'output' : {0 : 'batch_size'}})

client = BlindAiClient()
client.connect_server("localhost", simulation=True)

#Upload the model to the server
response = client.upload_model(model="./distilbert-base-uncased.onnx", shape=(1, 8), datum_type=ModelDatumType.I64)
'''

RUN = '''
from transformers import DistilBertTokenizer
from blindai.client import BlindAiClient

tokenizer = DistilBertTokenizer.from_pretrained("distilbert-base-uncased")

sentence = "Hello, my dog is cute"
inputs = tokenizer(sentence, padding = "max_length", max_length = 8)["input_ids"]

client = BlindAiClient()
client.connect_server("localhost", simulation=True)

#Upload the model to the server
response = client.run_model(inputs)
'''


class Tokenizer:
    """Word pieces of that one sentence, by the real vocabulary's numbers."""

    IDS = [101, 7592, 1010, 2026, 3899, 2003, 10140, 102]

    @classmethod
    def from_pretrained(cls, name):
        return cls()

    def __call__(self, sentence, return_tensors=None, padding=None, max_length=None):
        assert sentence == "Hello, my dog is cute"
        ids = self.IDS + [0] * ((max_length or 0) - len(self.IDS))
        return {"input_ids": torch.tensor([ids]) if return_tensors == "pt" else ids}


class Layer(torch.nn.Module):
    def __init__(self, width):
        super().__init__()
        self.q, self.k, self.v, self.o = (torch.nn.Linear(width, width) for _ in range(4))
        self.up, self.down = torch.nn.Linear(width, 4 * width), torch.nn.Linear(4 * width, width)
        self.norm1, self.norm2 = torch.nn.LayerNorm(width), torch.nn.LayerNorm(width)

    def forward(self, x):
        scores = torch.matmul(self.q(x), self.k(x).transpose(1, 2)) / 8.0
        x = self.norm1(x + self.o(torch.matmul(scores.softmax(-1), self.v(x))))
        return self.norm2(x + self.down(torch.nn.functional.gelu(self.up(x))))


class Classifier(torch.nn.Module):
    """A small transformer over the real vocabulary, with weights of its own."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(3)
        self.words, self.places = torch.nn.Embedding(30522, 64), torch.nn.Embedding(512, 64)
        self.layers = torch.nn.ModuleList(Layer(64) for _ in range(2))
        self.head = torch.nn.Linear(64, 2)

    @classmethod
    def from_pretrained(cls, name):
        return cls().eval()

    def forward(self, ids):
        x = self.words(ids) + self.places(torch.arange(ids.size(1)).unsqueeze(0))
        for layer in self.layers:
            x = layer(x)
        return self.head(x[:, 0])


@pytest.fixture
def transformers(monkeypatch, tmp_path):
    module = types.ModuleType("transformers")
    module.DistilBertTokenizer, module.DistilBertForSequenceClassification = Tokenizer, Classifier
    monkeypatch.setitem(sys.modules, "transformers", module)
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def usual_ports(start):
    """A server where the snippets look for one."""
    return start("--listen", "127.0.0.1:50051")


def run(snippet):
    names = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        exec(compile(snippet, "snippet", "exec"), names)
    return names


def test_the_readmes_snippets(transformers, usual_ports):
    uploaded = run(UPLOAD)
    assert uploaded["response"].ok
    answered = run(RUN)
    with torch.no_grad():
        expected = uploaded["model"](torch.tensor([Tokenizer.IDS]))
    assert answered["response"].output == pytest.approx(expected.flatten().tolist(), rel=1e-3, abs=1e-4)


def test_the_privacy_pages_connect_calls(usual_ports, tmp_path, monkeypatch):
    import blindai

    monkeypatch.chdir(tmp_path)
    os.makedirs("path/to")
    for name, source in (("policy.toml", usual_ports.policy), ("host_server.pem", usual_ports.folder / "state/host_server.pem")):
        with open(source, "rb") as f, open("path/to/" + name, "wb") as to:
            to.write(f.read())
    addr = "localhost"
    # The page's calls name a hardware enclave; this one is simulated, and says so.
    with pytest.raises(blindai.client._errors.HardwareModeUnsupportedError):
        blindai.connect(addr="localhost", policy="path/to/policy.toml")
    with pytest.raises(Exception) as refusal:
        blindai.connect(addr="localhost", certificate="path/to/host_server.pem")
    assert "polic" in str(refusal.value)
    with blindai.connect(addr=addr, policy="path/to/policy.toml", certificate="path/to/host_server.pem",
                         simulation=True) as client:
        assert client.attestation.accepted
