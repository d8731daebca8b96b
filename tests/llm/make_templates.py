#!/usr/bin/env python3
"""Writes tests/vectors/llm/templates.json: chat templates, conversations, and the prompts that Jinja2
makes of them in the environment that Hugging Face's transformers give to templates.

    pip install jinja2; tests/llm/make_templates.py tests/vectors/llm/templates.json

The templates are written for this test, in the manner of published ones.
"""
import json
import sys

from jinja2.exceptions import TemplateError, UndefinedError
from jinja2.sandbox import ImmutableSandboxedEnvironment

TALK = [{"role": "system", "content": "  Be brief. "}, {"role": "user", "content": "Hi\nthere"},
        {"role": "assistant", "content": "Hello! <ünïcödé> \"q\""}, {"role": "user", "content": "Bye"}]
TOOLS = [{"type": "function", "function": {"name": "get_weather", "description": "Weather \"now\"",
          "parameters": {"type": "object", "properties": {"city": {"type": "string"}, "days": {"type": "integer", "default": 3}},
                         "required": ["city"]}}}]
CALLS = [{"role": "user", "content": "Rain?"},
         {"role": "assistant", "content": None, "tool_calls": [
             {"id": "a1", "type": "function", "function": {"name": "get_weather", "arguments": {"city": "Köln", "days": 2}}}]},
         {"role": "tool", "name": "get_weather", "tool_call_id": "a1", "content": "{\"rain\": true, \"mm\": 3.5}"}]
BASE = {"bos_token": "<s>", "eos_token": "</s>", "add_generation_prompt": True}


def chat(messages=TALK, **more):
    return dict(BASE, messages=messages, **more)


CHATML = """{%- if tools %}
    {{- '<|im_start|>system\\n' }}
    {%- if messages[0].role == 'system' %}
        {{- messages[0].content + '\\n\\n' }}
    {%- endif %}
    {{- "# Tools\\n\\n<tools>" }}
    {%- for tool in tools %}
        {{- "\\n" }}
        {{- tool | tojson }}
    {%- endfor %}
    {{- "\\n</tools><|im_end|>\\n" }}
{%- else %}
    {%- if messages[0]['role'] == 'system' %}
        {{- '<|im_start|>system\\n' + messages[0]['content'] | trim + '<|im_end|>\\n' }}
    {%- else %}
        {{- '<|im_start|>system\\nYou help.<|im_end|>\\n' }}
    {%- endif %}
{%- endif %}
{%- set ns = namespace(multi_step=true, last=messages|length - 1) %}
{%- for message in messages[::-1] %}
    {%- set index = (messages|length - 1) - loop.index0 %}
    {%- if ns.multi_step and message.role == "user" and message.content is string and not(message.content.startswith('<tool')) %}
        {%- set ns.multi_step = false %}
        {%- set ns.last = index %}
    {%- endif %}
{%- endfor %}
{%- for message in messages %}
    {%- if (message.role == "user") or (message.role == "system" and not loop.first) %}
        {{- '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>' + '\\n' }}
    {%- elif message.role == "assistant" %}
        {{- '<|im_start|>' ~ message.role ~ ('\\n' if loop.index0 > ns.last else ' ') }}
        {%- if message.content %}{{- message.content }}{%- endif %}
        {%- if message.tool_calls %}
            {%- for tool_call in message.tool_calls %}
                {%- if tool_call.function %}{%- set tool_call = tool_call.function %}{%- endif %}
                {{- '\\n<tool_call>\\n{"name": "' ~ tool_call.name ~ '", "arguments": ' }}
                {{- tool_call.arguments | tojson }}
                {{- '}\\n</tool_call>' }}
            {%- endfor %}
        {%- endif %}
        {{- '<|im_end|>\\n' }}
    {%- elif message.role == "tool" %}
        {%- if (loop.index0 == 0) or (messages[loop.index0 - 1].role != "tool") %}{{- '<|im_start|>user' }}{%- endif %}
        {{- '\\n<tool_response>\\n' }}{{- message.content }}{{- '\\n</tool_response>' }}
        {%- if loop.last or (messages[loop.index0 + 1].role != "tool") %}{{- '<|im_end|>\\n' }}{%- endif %}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}{{- '<|im_start|>assistant\\n' }}{%- endif %}
"""

INST = """{{ bos_token }}{% for message in messages %}{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}{{ raise_exception('Conversation roles must alternate user/assistant/...') }}{% endif %}{% if message['role'] == 'user' %}{{ '[INST] ' + message['content'] + ' [/INST]' }}{% elif message['role'] == 'assistant' %}{{ message['content'] + eos_token + ' ' }}{% else %}{{ raise_exception('Only user and assistant roles are supported!') }}{% endif %}{% endfor %}"""

HEADERS = """{% set loop_messages = messages %}
{% for message in loop_messages %}
    {% set content = '<|start_header_id|>' + message['role'] + '<|end_header_id|>\\n\\n' + message['content'] | trim + '<|eot_id|>' %}
    {% if loop.index0 == 0 %}
        {% set content = bos_token + content %}
    {% endif %}
    {{ content }}
{% endfor %}
{% if add_generation_prompt %}
{{ '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}
{% endif %}
"""

MACROS = """{%- macro show(value, depth=0, mark='*') -%}
  {%- if value is mapping -%}
    {%- for key, item in value|dictsort %}
{{ '  ' * depth }}{{ mark }} {{ key }}:{{ show(item, depth + 1, mark='+') }}
    {%- endfor -%}
  {%- elif value is iterable and value is not string -%}
    {{- ' ' ~ (value | map('string') | join(', ')) -}}
  {%- else -%}
    {{- ' ' ~ value -}}
  {%- endif -%}
{%- endmacro -%}
{{ show(tools[0].function) }}
{{ show([1, 2.5, true, none, 'x']) }}"""

GEMMA = """{{ bos_token }}
{%- if messages[0]['role'] == 'system' -%}
    {%- if messages[0]['content'] is string -%}
        {%- set first_user_prefix = messages[0]['content'] + '\\n\\n' -%}
    {%- else -%}
        {%- set first_user_prefix = messages[0]['content'][0]['text'] + '\\n\\n' -%}
    {%- endif -%}
    {%- set loop_messages = messages[1:] -%}
{%- else -%}
    {%- set first_user_prefix = "" -%}
    {%- set loop_messages = messages -%}
{%- endif -%}
{%- for message in loop_messages -%}
    {%- if (message['role'] == 'assistant') -%}{%- set role = "model" -%}{%- else -%}{%- set role = message['role'] -%}{%- endif -%}
    {{ '<start_of_turn>' + role + '\\n' + (first_user_prefix if loop.first else "") }}
    {%- if message['content'] is string -%}{{ message['content'] | trim }}
    {%- elif message['content'] is iterable -%}
        {%- for item in message['content'] -%}
            {%- if item['type'] == 'image' -%}{{ '<start_of_image>' }}{%- elif item['type'] == 'text' -%}{{ item['text'] | trim }}{%- endif -%}
        {%- endfor -%}
    {%- else -%}{{ raise_exception("Invalid content type") }}
    {%- endif -%}
    {{ '<end_of_turn>\\n' }}
{%- endfor -%}
{%- if add_generation_prompt -%}{{'<start_of_turn>model\\n'}}{%- endif -%}
"""

PARTS = chat([{"role": "system", "content": [{"type": "text", "text": "Sys"}]},
              {"role": "user", "content": [{"type": "image"}, {"type": "text", "text": " What? "}]}])

SMALL = [
    "{{ 1 + 2 * 3 }} {{ 7 // 2 }} {{ -7 // 2 }} {{ -7 % 3 }} {{ 7 / 2 }} {{ 2 ** 10 }} {{ 1.5 + 1 }} {{ 10 / 5 }} {{ 3 * 1.0 }}",
    "{{ 'a' ~ 1 ~ none ~ true ~ 2.50 ~ [1, 'x', none] ~ {'k': 'v\\'s'} }}",
    "{{ 1 < 2 < 3 }} {{ 1 == 1.0 }} {{ 'a' in 'cat' }} {{ 'z' not in ['a'] }} {{ 'k' in {'k': 1} }} {{ not true or false }} {{ 1 if false }}|",
    "{{ 'abcdef'[1:4] }} {{ 'abcdef'[::-1] }} {{ 'abcdef'[-2:] }} {{ [1,2,3,4][::2] }} {{ 'äöü'[1] }} {{ [1,2,3][-1] }} {{ [1,2,3][5] }}|{{ 'abc'[4:1:-1] }}",
    "{{ '  x y '.strip() }}|{{ 'xxaxx'.strip('x') }}|{{ 'a,b,,c'.split(',') }}|{{ ' a  b '.split() }}|{{ 'a b c'.split(' ', 1) }}|{{ 'a b  c d'.split(none, 1) }}|{{ 'x'.join(['1', '2']) }}",
    "{{ 'Hello World'.upper() }} {{ 'Hello'.lower() }} {{ 'hello wORLD'.title() }} {{ 'hELLO w'.capitalize() }} {{ 'ö é'.upper() }} {{ 'a-b'.replace('-', '+') }} {{ 'aaa'.replace('a', 'b', 2) }}",
    "{{ 'abc'.startswith('ab') }} {{ 'abc'.endswith(('x', 'c')) }} {{ 'abc'.find('c') }} {{ 'abc'.find('z') }} {{ 'a\\nb\\r\\nc'.splitlines() }}",
    "{{ [3,1,2]|sort }} {{ ['b','A','c']|sort(reverse=true) }} {{ [1,2,2,3]|unique|list }} {{ [1,2,3]|sum if false else 'n' }} {{ [1,2,3]|reverse|list }} {{ 'abc'|reverse }}",
    "{{ [1,2,3]|first }} {{ []|first }}|{{ [1,2,3]|last }} {{ 'abc'|length }} {{ {'a':1,'b':2}|length }} {{ [1,0,2]|select|list }} {{ [1,2,3,4]|select('odd')|list }} {{ [1,2,3]|reject('eq', 2)|list }}",
    "{{ messages|selectattr('role', 'equalto', 'user')|map(attribute='content')|list }} {{ messages|rejectattr('role', 'in', ['user', 'system'])|list|length }} {{ messages|map(attribute='role')|join('+') }}",
    "{{ messages|tojson }}\n{{ messages[1]|tojson(indent=2) }}\n{{ {'a': [], 'b': {}, 'c': [1, 2.0, -0.5, 1e20, none, true, 'x\\ty/\\u00e9\\u0001']}|tojson(indent=4) }}",
    "{{ x is defined }} {{ x is undefined }} {{ none is none }} {{ 1 is number }} {{ 1.5 is float }} {{ 1 is integer }} {{ true is boolean }} {{ true is integer }} {{ [] is sequence }} {{ {} is mapping }} {{ 'a' is string }} {{ 4 is divisibleby 2 }} {{ 3 is odd }} {{ 3 is not even }} {{ 2 is in [1, 2] }} {{ true is true }} {{ 1 is true }}",
    "{{ x|default('d') }} {{ ''|default('e', true) }} {{ none|default('f') }} {{ x or 'g' }} {{ 0 or '' or 'h' }} {{ 1 and 'i' }}",
    "{{ '42'|int + 1 }} {{ 'z'|int(7) }} {{ '2.5'|float }} {{ 3.7|int }} {{ -3|abs }} {{ 2.567|round(2) }} {{ 42|string|length }} {{ 'a b'|replace(' ', '_') }} {{ '  t '|trim }}|",
    "{% for a, b in {'x': 1, 'y': 2}.items() %}{{ loop.index }}{{ a }}={{ b }}{{ ',' if not loop.last }}{% endfor %} {% for i in range(3) %}{{ i }}{% endfor %} {{ range(1, 10, 3)|list }} {{ range(3, 0, -1)|list }}",
    "{% for i in [1,2,3,4,5] if i is odd %}{{ loop.index }}:{{ i }}/{{ loop.length }} {% else %}none{% endfor %}{% for i in [] %}x{% else %}empty{% endfor %}",
    "{% for i in range(10) %}{% if i == 2 %}{% continue %}{% endif %}{% if i == 5 %}{% break %}{% endif %}{{ i }}{% endfor %}",
    "{% for i in [1,2,3] %}{{ loop.previtem }}<{{ i }}>{{ loop.nextitem }} {{ loop.revindex }}{{ loop.revindex0 }}{{ loop.first }}{{ loop.last }};{% endfor %}",
    "{% set x = 1 %}{% for i in [1,2] %}{% set x = x + i %}{{ x }}{% endfor %}{{ x }} {% set ns = namespace(n=0) %}{% for i in [1,2] %}{% set ns.n = ns.n + i %}{% endfor %}{{ ns.n }}",
    "{% set a, b = 1, 'two' %}{{ a }}{{ b }}{% set text %}<{{ a }}>{% endset %}{{ text }}{{ text|length }}",
    "a\n  {% if true %}\n  b\n  {% endif %}\nc\n{# gone #}\nd {# x #} e\n  {{ 'f' }}\n  {%- if true %} g {%- endif %}\n\n{%+ if true %}h{% endif +%}\ni\n",
    "x\n\n",
    "{{ \"it's\" }} {{ 'say \"hi\"' }} {{ 'tab\\there' }} {{ 'uni\\u00e9' }} {{ 'back\\\\slash' }} {{ 'a' 'b' }}",
    "{{ {'a': {'b': [10, 20]}}.a.b[1] }} {{ messages[0]['role'] }} {{ messages[0].role }} {{ messages[0].nothing }}| {{ messages.0.role }} {{ {'get': 1}.get('get') }} {{ {'a': 1}.get('z', 'def') }} {{ {'a': 1}.keys()|list }} {{ {'a': 1}.values()|list }}",
    "{{ ['a', 'b']|join }} {{ 'a\\nb\\n\\nc'|indent(2) }} {{ 'a\\nb'|indent(2, true) }} {{ [[1, 2], [3]]|tojson }} {{ (1, 2)|list }} {{ () | length }}",
    "{% generation %}said{% endgeneration %}" if False else "{{ 'x' if messages|length > 2 else 'y' }}{{ ('a' if false else 'b') ~ 'c' }}",
    "{{ 1e3 }} {{ 1e16 }} {{ 123456789.123 }} {{ 0.1 + 0.2 }} {{ 1e-7 }} {{ 100000.0 * 10 }} {{ 5 // 2.0 }} {{ 5.5 % 2 }} {{ 1_000 }}",
    "{{ -3|abs }} {{ 2 - -1 }} {{ not 1 == 2 }} {{ (1, 2) == [1, 2] if false else 'k' }} {{ 'a' < 'b' }} {{ [1] + [2] }} {{ 'ab' * 2 }} {{ 2 * 'ab' }}",
]
WRONG = ["{{ raise_exception('no such role') }}", "{{ x.y }}", "{{ messages[0] + 1 }}", "{{ 1 / 0 }}", "{% for a, b in [1] %}{% endfor %}",
         "{{ 'a' < 1 }}", "{{ undefined_function() }}", "{{ 'a'.nothing() }}", "{{ messages.append(1) }}"]
UNPARSED = ["{% if %}", "{{ 1 +", "{% for x %}{% endfor %}", "{% endif %}", "{{ 'a }}", "{% if true %}x", "{{ (1 }}", "{{ a b }}", "{# x"]


def main():
    environment = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True,
                                                extensions=["jinja2.ext.loopcontrols"])

    def raise_exception(message):
        raise TemplateError(message)

    environment.filters["tojson"] = lambda x, ensure_ascii=False, indent=None: json.dumps(x, ensure_ascii=ensure_ascii, indent=indent)
    environment.globals["raise_exception"] = raise_exception
    whole = [(CHATML, chat()), (CHATML, chat(CALLS, tools=TOOLS)), (CHATML, chat(TALK[1:])), (INST, chat(TALK[1:])),
             (INST, chat()), (HEADERS, chat()), (MACROS, chat(tools=TOOLS)), (GEMMA, chat()), (GEMMA, PARTS),
             (GEMMA, chat([{"role": "user", "content": None}]))]
    cases = []
    for template, given in whole + [(t, chat()) for t in SMALL + WRONG + UNPARSED]:
        case = {"template": template, "given": given}
        try:
            case["prompt"] = environment.from_string(template).render(**given)
        except (TemplateError, UndefinedError, TypeError, ZeroDivisionError, ValueError) as error:
            case["error"] = type(error).__name__
        cases.append(case)
    for case in cases:
        expected = case["template"] in WRONG + UNPARSED or "error" not in case or case["template"] in (INST, GEMMA)
        assert expected, (case["template"], case["error"])
    with open(sys.argv[1], "w") as out:
        json.dump(cases, out, ensure_ascii=False, indent=1)
        out.write("\n")


main()
