"""PyPI's `openai`, unchanged: everything that a program asks of a model, from the demo model in the TEE."""

import json
import math

import pytest

openai = pytest.importorskip("openai", reason="skipped: no package openai")

ASKED = [{"role": "user", "content": "Tell me a story about a cat."}]
CHAT = dict(model="demo", messages=ASKED, temperature=0, max_tokens=24)


def test_models(client):
    (found,) = client.models.list().data
    assert found.id == "demo" and client.models.retrieve("demo").id == "demo"
    with pytest.raises(openai.NotFoundError) as refused:
        client.models.retrieve("other")
    assert refused.value.code == "model_not_found"


def test_chat(client):
    answer = client.chat.completions.create(**CHAT)
    choice = answer.choices[0]
    assert choice.message.role == "assistant" and choice.message.content
    assert choice.finish_reason in ("stop", "length")
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens
    assert answer.usage.completion_tokens <= 24
    assert len(answer.system_fingerprint or "") >= 16


def test_a_stream_is_the_same_answer(client):
    whole = client.chat.completions.create(**CHAT)
    text, ended, usage = "", None, None
    for chunk in client.chat.completions.create(**CHAT, stream=True, stream_options={"include_usage": True}):
        usage = chunk.usage or usage
        for choice in chunk.choices:
            text += choice.delta.content or ""
            ended = choice.finish_reason or ended
    assert text == whole.choices[0].message.content
    assert ended == whole.choices[0].finish_reason
    assert usage.completion_tokens == whole.usage.completion_tokens


def test_the_same_seed_is_the_same_text(client):
    asked = dict(CHAT, temperature=1.0, seed=7)
    first, second = (client.chat.completions.create(**asked).choices[0].message.content for _ in range(2))
    others = {client.chat.completions.create(**dict(asked, seed=s)).choices[0].message.content for s in range(20, 26)}
    assert first == second and len(others) > 1


def test_several_answers(client):
    answer = client.chat.completions.create(**dict(CHAT, temperature=1.0, seed=3), n=3)
    assert [choice.index for choice in answer.choices] == [0, 1, 2]


def test_stops(client):
    text = client.chat.completions.create(**CHAT).choices[0].message.content
    stop = text[4:8]
    cut = client.chat.completions.create(**CHAT, stop=[stop]).choices[0]
    assert cut.finish_reason == "stop" and cut.message.content == text[:text.index(stop)]


def test_logprobs(client):
    answer = client.chat.completions.create(**CHAT, logprobs=True, top_logprobs=3)
    told = answer.choices[0].logprobs.content
    assert len(told) >= answer.usage.completion_tokens - 1
    for token in told:
        assert token.logprob <= 0 and len(token.top_logprobs) == 3
        assert math.isclose(token.top_logprobs[0].logprob, token.logprob, abs_tol=1e-5)


def test_completions(client):
    answer = client.completions.create(model="demo", prompt="Once upon a time", temperature=0, max_tokens=8, echo=True)
    assert answer.choices[0].text.startswith("Once upon a time")
    streamed = client.completions.create(model="demo", prompt="Once upon a time", temperature=0, max_tokens=8, stream=True)
    assert "Once upon a time" + "".join(c.choices[0].text for c in streamed if c.choices) == answer.choices[0].text


def test_json_schema(client):
    schema = {"type": "object", "properties": {"name": {"type": "string", "maxLength": 12},
                                               "age": {"type": "integer", "minimum": 0, "maximum": 99}},
              "required": ["name", "age"], "additionalProperties": False}
    asked = dict(CHAT, max_tokens=200, temperature=1.0, seed=1)
    answer = client.chat.completions.create(
        **asked, response_format={"type": "json_schema", "json_schema": {"name": "person", "schema": schema, "strict": True}})
    found = json.loads(answer.choices[0].message.content)
    assert set(found) == {"name", "age"} and isinstance(found["name"], str) and 0 <= found["age"] <= 99


def test_json_object(client):
    answer = client.chat.completions.create(**dict(CHAT, max_tokens=400), response_format={"type": "json_object"})
    if answer.choices[0].finish_reason == "stop":
        assert isinstance(json.loads(answer.choices[0].message.content), dict)


def test_a_tool_that_must_be_called(client):
    tool = {"type": "function", "function": {"name": "weather", "description": "The weather of a town.", "parameters": {
        "type": "object", "properties": {"town": {"type": "string", "maxLength": 10}}, "required": ["town"],
        "additionalProperties": False}}}
    asked = dict(CHAT, max_tokens=200)
    answer = client.chat.completions.create(**asked, tools=[tool], tool_choice="required")
    choice = answer.choices[0]
    assert choice.finish_reason == "tool_calls"
    (call,) = choice.message.tool_calls
    assert call.function.name == "weather" and set(json.loads(call.function.arguments)) == {"town"}
    arguments, name = "", None
    for chunk in client.chat.completions.create(**asked, tools=[tool], tool_choice="required", stream=True):
        for delta in (chunk.choices[0].delta.tool_calls or []) if chunk.choices else []:
            name = delta.function.name or name
            arguments += delta.function.arguments or ""
    assert (name, json.loads(arguments)) == ("weather", json.loads(call.function.arguments))


def test_embeddings(client):
    answer = client.embeddings.create(model="demo", input=["a cat", "a dog"])
    first, second = (row.embedding for row in answer.data)
    assert len(first) == len(second) > 16 and first != second
    assert math.isclose(sum(x * x for x in first), 1, abs_tol=1e-3)
    floats = client.embeddings.create(model="demo", input="a cat", encoding_format="float").data[0].embedding
    assert all(math.isclose(a, b, abs_tol=1e-6) for a, b in zip(first, floats))


def test_responses(client):
    answer = client.responses.create(model="demo", input="Hello", temperature=0, max_output_tokens=16)
    assert answer.output_text
    pieces = [event.delta for event in client.responses.create(model="demo", input="Hello", temperature=0,
                                                               max_output_tokens=16, stream=True)
              if event.type == "response.output_text.delta"]
    assert "".join(pieces) == answer.output_text


@pytest.mark.parametrize("wrong, status", [
    (dict(model="other"), 404), (dict(temperature=9.0), 400), (dict(messages=[]), 400), (dict(max_tokens=0), 400),
    (dict(messages=[{"role": "wizard", "content": "x"}]), 400), (dict(top_logprobs=3), 400),
    (dict(response_format={"type": "xml"}), 400), (dict(n=0), 400)])
def test_errors_are_openais(client, wrong, status):
    with pytest.raises(openai.APIStatusError) as refused:
        client.chat.completions.create(**{**CHAT, **wrong})
    assert refused.value.status_code == status
    assert refused.value.body and refused.value.message


def test_an_abandoned_stream_leaves_the_server_free(client):
    for _ in range(20):
        stream = client.chat.completions.create(**dict(CHAT, max_tokens=400), stream=True)
        next(iter(stream))
        stream.close()
    assert client.chat.completions.create(**dict(CHAT, max_tokens=4)).choices[0].message.content is not None


def test_a_refused_server_gets_nothing(server, tmp_path):
    import blind
    other = tmp_path / "other.toml"
    text = open(server.policy).read()
    line = next(row for row in text.splitlines() if row.startswith("measurement"))
    other.write_text(text.replace(line, 'measurement = "%s"' % ("ab" * 48)))
    with blind.openai(server.url, policy=str(other), simulation=True, max_retries=0) as refused:
        with pytest.raises((openai.APIConnectionError, blind.InvalidEnclaveCode)):
            refused.chat.completions.create(**CHAT)


def test_nothing_that_was_said_is_in_the_log(client, server):
    secret = "the-canary-of-this-test"
    client.chat.completions.create(model="demo", messages=[{"role": "user", "content": secret}], max_tokens=4)
    assert secret not in (server.folder / "server.log").read_text()
