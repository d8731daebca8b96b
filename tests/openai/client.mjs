// npm's `openai`, unchanged, through the local verifying proxy:  node client.mjs http://127.0.0.1:PORT FOLDER_OF_PACKAGES
import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';

const [base, folder] = process.argv.slice(2);
const require = createRequire(pathToFileURL(folder + '/'));
const { default: OpenAI } = await import(pathToFileURL(require.resolve('openai')));

const client = new OpenAI({ baseURL: base + '/v1', apiKey: 'none', maxRetries: 0 });
const asked = { model: 'demo', messages: [{ role: 'user', content: 'Tell me a story about a cat.' }], temperature: 0, max_tokens: 24 };

const tests = {
  async 'a chat'() {
    const answer = await client.chat.completions.create(asked);
    assert.ok(answer.choices[0].message.content.length > 0);
    assert.equal(answer.usage.total_tokens, answer.usage.prompt_tokens + answer.usage.completion_tokens);
  },

  async 'a stream is the same answer'() {
    const whole = await client.chat.completions.create(asked);
    let text = '';
    for await (const chunk of await client.chat.completions.create({ ...asked, stream: true }))
      text += chunk.choices[0]?.delta?.content ?? '';
    assert.equal(text, whole.choices[0].message.content);
  },

  async 'a schema is kept'() {
    const schema = { type: 'object', properties: { age: { type: 'integer', minimum: 0, maximum: 99 } }, required: ['age'], additionalProperties: false };
    const answer = await client.chat.completions.create({
      ...asked, max_tokens: 100, response_format: { type: 'json_schema', json_schema: { name: 'person', strict: true, schema } } });
    const { age } = JSON.parse(answer.choices[0].message.content);
    assert.ok(Number.isInteger(age) && age >= 0 && age <= 99);
  },

  async 'a tool is called'() {
    const tools = [{ type: 'function', function: { name: 'weather', parameters: {
      type: 'object', properties: { town: { type: 'string', maxLength: 10 } }, required: ['town'], additionalProperties: false } } }];
    const answer = await client.chat.completions.create({ ...asked, max_tokens: 200, tools, tool_choice: 'required' });
    const [call] = answer.choices[0].message.tool_calls;
    assert.equal(call.function.name, 'weather');
    assert.deepEqual(Object.keys(JSON.parse(call.function.arguments)), ['town']);
  },

  async 'logprobs'() {
    const answer = await client.chat.completions.create({ ...asked, logprobs: true, top_logprobs: 2 });
    for (const token of answer.choices[0].logprobs.content) assert.equal(token.top_logprobs.length, 2);
  },

  async 'embeddings'() {
    const answer = await client.embeddings.create({ model: 'demo', input: ['a cat', 'a dog'] });
    assert.equal(answer.data.length, 2);
    assert.equal(answer.data[0].embedding.length, answer.data[1].embedding.length);
  },

  async 'errors'() {
    await assert.rejects(client.chat.completions.create({ ...asked, model: 'other' }), (error) => error.status === 404 && error.code === 'model_not_found');
    await assert.rejects(client.chat.completions.create({ ...asked, temperature: 9 }), (error) => error.status === 400);
  },

  async 'an abort'() {
    const stop = new AbortController();
    const stream = await client.chat.completions.create({ ...asked, max_tokens: 400, stream: true }, { signal: stop.signal });
    let pieces = 0;
    try {
      for await (const chunk of stream) if (chunk && ++pieces === 2) stop.abort();
    } catch (error) {
      assert.equal(error.name, 'Error');
    }
    assert.ok(pieces < 400);
    await client.chat.completions.create({ ...asked, max_tokens: 2 });
  },
};

let failed = 0;
for (const [name, test] of Object.entries(tests)) {
  try {
    await test();
    console.log('ok      ' + name);
  } catch (error) {
    failed++;
    console.log('FAILED  ' + name + ': ' + error.stack);
  }
}
process.exit(failed ? 1 : 0);
