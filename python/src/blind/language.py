"""The `openai` package over attested sessions.

    client = blind.openai("https://llm.example:50051", policy="policy.toml")
    client.chat.completions.create(model="demo", messages=[{"role": "user", "content": "Hello"}])
"""

from urllib.parse import urlsplit

from .dial import DEFAULT_PORT


def base_url(url, path="/v1"):
    """`https://HOST:PORT` + path: where OpenAI's routes lie on a server."""
    parts = urlsplit(url if "://" in url else "https://" + url)
    if parts.scheme != "https" or not parts.hostname:
        raise ValueError("expected https://HOST:PORT, found %r" % url)
    host = "[%s]" % parts.hostname if ":" in parts.hostname else parts.hostname
    return "https://%s:%d%s" % (host, parts.port or DEFAULT_PORT, path)


def openai(url, policy=None, *, api_key=None, client=None, **options):
    """An `openai.OpenAI` each of whose connections is verified before it carries a byte.

    url       https://HOST:PORT of the server
    policy    path of the policy, or a blind.Policy
    api_key   bearer token that the server knows, or None
    client    another class than openai.OpenAI
    options   those of blind.connect: simulation, ca, pin, server_name, client_key, timeout, ..., and whatever else
              openai.OpenAI takes
    Errors    what a verdict raises comes as the cause of openai.APIConnectionError on the first request;
              ImportError without the package `openai`"""
    import httpx
    import openai as package

    from .httpx import Transport

    dial = {name: options.pop(name) for name in ("simulation", "ca", "pin", "server_name", "client_key", "debug_mode",
                                                  "verdict_ttl") if name in options}
    root = base_url(url, "")
    hooks = {"request": [] if api_key else [_without_key]}
    http = httpx.Client(transport=Transport(root, policy=policy, **dial), trust_env=False, follow_redirects=False,
                        event_hooks=hooks, timeout=options.get("timeout") or httpx.Timeout(600.0, connect=30.0))
    return (client or package.OpenAI)(base_url=root + "/v1", api_key=api_key or "none", http_client=http, **options)


def _without_key(request):
    """openai.OpenAI cannot go without a key; to the server an unknown one is no key, but a wrong one."""
    request.headers.pop("Authorization", None)
