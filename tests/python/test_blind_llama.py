"""blind_llama and blindllamav2: what they verify, refuse and send."""

import blind
import blind_llama
import blindllamav2
import pytest
import requests
from blindllamav2 import AttestationValidator, AttestedSession, ExpectedMeasurements, PlatformKind
from serving import ROOT

SIMULATED = PlatformKind.SIMULATION_QEMU


@pytest.fixture
def module(server, monkeypatch):
    monkeypatch.setattr(blind_llama, "api_base", server.url)
    monkeypatch.setattr(blind_llama, "policy", server.policy)
    monkeypatch.setattr(blind_llama, "simulation", True)
    return blind_llama


@pytest.fixture
def other_code(tmp_path, server):
    """A policy of another build."""
    found = open(server.policy).read()
    line = next(row for row in found.splitlines() if row.startswith("measurement"))
    path = tmp_path / "other.toml"
    path.write_text(found.replace(line, 'measurement = "%s"' % ("ab" * 48)))
    return str(path)


def test_requests_are_checked_before_anything_is_dialled(monkeypatch):
    monkeypatch.setattr(blind_llama, "api_base", "https://127.0.0.1:1")
    for named, text in (({"prompt": ""}, "The prompt cannot be empty"), ({"prompt": "a", "temperature": 3}, "Invalid temperature"),
                        ({"prompt": "a", "temperature": True}, "Invalid temperature")):
        with pytest.raises(blind_llama.ValidationError, match=text):
            blind_llama.completion.create(model="m", **named)
    for named, text in (({"text_input": ""}, "The prompt cannot be empty"), ({"text_input": "a", "max_tokens": 0}, "Invalid max_tokens"),
                        ({"text_input": "a", "bad_words": "x"}, "bad_words")):
        with pytest.raises(blindllamav2.ValidationError, match=text):
            blindllamav2.completion.create(model="m", **named)


def test_a_server_must_be_named(monkeypatch):
    monkeypatch.setattr(blind_llama, "api_base", None)
    with pytest.raises(blind_llama.ValidationError, match="api_base"):
        blind_llama.Client()


def test_verbose_prints_the_checks(module, capsys):
    with module.Client(verbose=True) as client:
        assert client.verdict.accepted
    assert "binding" in capsys.readouterr().out


def test_other_code_is_refused(module, other_code):
    with pytest.raises(blind_llama.InvalidCode) as refused:
        module.Client(policy=other_code)
    assert isinstance(refused.value, (blind.InvalidEnclaveCode, blind_llama.AttestationError))
    assert refused.value.verdict is not None and not refused.value.verdict.accepted


def test_the_simulation_is_refused_unless_asked_for(module):
    with pytest.raises(blind_llama.AICertInvalidAttestationException):
        module.Client(simulation=False)


def test_a_model_that_is_not_there_is_an_error(module):
    with module.Client() as client, pytest.raises(blind_llama.PredictionException):
        client.predict("Hello", model="no-such-model")


def test_v2_sends_to_a_verified_server_only(server, other_code):
    validator = AttestationValidator(SIMULATED, policy=server.policy)
    with AttestedSession(server.url, server.url, validator) as session:
        assert isinstance(session, requests.Session)
        assert session.get("/v2").json()["name"] == "blind"
    with pytest.raises(blindllamav2.AttestationError) as refused:
        AttestedSession(None, server.url, AttestationValidator(SIMULATED, policy=other_code))
    assert isinstance(refused.value, blind.InvalidEnclaveCode)
    with pytest.raises(blindllamav2.AttestationError):
        AttestedSession(None, server.url, AttestationValidator(PlatformKind.AZURE_TRUSTED_LAUNCH, policy=server.policy))


def test_v2_evidence_comes_over_the_session_itself(server):
    with pytest.raises(ValueError, match="another server"):
        AttestedSession("https://elsewhere.example", server.url, AttestationValidator(SIMULATED, policy=server.policy))


def test_v2_a_validator_of_ones_own_narrows_the_policy(server):
    class Refusing:
        platform_kind, policy = SIMULATED, server.policy
        asked = 0

        def validate_measurements(self, document):
            self.asked += 1
            assert document.verdict.accepted and document.claims
            if self.asked > 1:
                raise blindllamav2.AttestationError("not this one")

    validator = Refusing()
    with AttestedSession(None, server.url, validator) as session:
        assert session.get("/v2").ok and validator.asked == 1
    with pytest.raises(blindllamav2.AttestationError, match="not this one"):
        AttestedSession(None, server.url, validator)
    with pytest.raises(TypeError, match="validate_measurements"):
        AttestedSession(None, server.url, object())


def test_v2_expected_pcrs_become_a_policy_that_no_simulation_passes(server):
    expected = ExpectedMeasurements({4: "ab" * 32, 12: "00" * 32, 13: "00" * 32})
    with pytest.raises(blindllamav2.AttestationError):
        AttestedSession(None, server.url, AttestationValidator(SIMULATED, expected))
    for wrong in ({24: "ab" * 32}, {4: "ab"}):
        with pytest.raises(ValueError):
            ExpectedMeasurements(wrong)
    for wrong in ({}, {"expected_os_measurements": expected, "policy": server.policy},
                  {"policy": server.policy, "expected_application_disk_roothash": "ab"},
                  {"expected_os_measurements": ExpectedMeasurements({})}):
        with pytest.raises(ValueError):
            AttestationValidator(SIMULATED, **wrong)


@pytest.fixture
def demo(start, monkeypatch):
    """A server with the demo model, which both modules ask."""
    running = start("--model", "demo=%s" % (ROOT / "examples/llm/demo-llm-f16.gguf"))
    monkeypatch.setattr(blind_llama, "api_base", running.url)
    monkeypatch.setattr(blind_llama, "policy", running.policy)
    monkeypatch.setattr(blind_llama, "simulation", True)
    for name, value in (("api_url", running.url), ("policy", running.policy), ("target", SIMULATED)):
        monkeypatch.setattr(blindllamav2.CONFIG, name, value)
    return running


def test_completions_of_both_generations(demo):
    first = blind_llama.completion.create(model="demo", prompt="Once upon a time", temperature=0, max_tokens=8)
    second = blindllamav2.completion.create(model="demo", text_input="Once upon a time", max_tokens=8)
    assert first == second and first
    with blind_llama.Client() as client:
        assert client.models.names() == ["demo"]
        assert client.predict("Once upon a time", 0, max_tokens=8) == first  # the only model there is
        with pytest.raises(blind_llama.PredictionException, match="other"):
            client.predict("Once upon a time", model="other")
    cut = blindllamav2.completion.create(text_input="Once upon a time", max_tokens=8, stop_words=first[3:5])
    assert cut == first[:first.index(first[3:5])]


def test_an_unknown_key_is_refused(start, tmp_path, monkeypatch):
    (tmp_path / "tokens").write_text("anonymous:-:infer\n")
    running = start("--tokens", tmp_path / "tokens")
    monkeypatch.setattr(blind_llama, "api_key", "nobody's key")
    with blind_llama.Client(api_base=running.url, policy=running.policy, simulation=True) as client:
        with pytest.raises(blind_llama.APIKeyException) as refused:
            client.predict("Hello", model="demo")
    assert "nobody's key" not in str(refused.value.key)
