/* OpenAI's API, the way out: pieces of answers to whole replies or to a stream of events.
 *
 * A stream begins with its first piece, so that what goes wrong before it has a status of its own.
 * While the client does not read, pieces stay in the request's queue, the queue becomes full, and
 * the engine passes the request over: nobody else waits. */
#include "server/api_openai.h"

#include "crypto/random.h"

#include <stdio.h>
#include <stdlib.h>

enum { PIECE = 16 * 1024 }; /* of a stream: what is told before others have their turn */

/* ---- beginning and end ---- */

static bool on_text(void *arg, blind_span text);
static bool on_call(void *arg, blind_span name, blind_span arguments);

static blind_code begin_calls(bl_asking *a, const bl_llm_ask *ask, blind_error *err)
{
    a->calls = calloc(a->len, sizeof *a->calls);
    if (!a->calls)
        return blind_fail(err, BLIND_MEMORY, "server.openai", "out of memory");
    for (size_t i = 0; i < a->len; i++) {
        a->calls[i] = (bl_calls){ .style = ask->calls,
                                  .tools = a->asked.tools,
                                  .one = ask->in_call || !a->asked.parallel_tool_calls,
                                  .text = on_text,
                                  .call = on_call,
                                  .arg = a };
        if (ask->in_call)
            bl_calls_inside(&a->calls[i]);
    }
    return BLIND_OK;
}

blind_code bl_openai_answers_begin(bl_asking *a, blind_error *err)
{
    const bl_llm_ask *ask = bl_request_ask(a->request);
    a->len = ask->prompts_len * ask->n;
    a->answers = calloc(a->len, sizeof *a->answers);
    if (!a->answers)
        return blind_fail(err, BLIND_MEMORY, "server.openai", "out of memory");
    for (size_t i = 0; i < a->len; i++) {
        a->answers[i].text.secret = true;
        a->answers[i].logprobs = BL_OPENAI_LOGPROBS_EMPTY;
    }
    return ask->has_tools ? begin_calls(a, ask, err) : BLIND_OK;
}

void bl_openai_answers_done(bl_asking *a)
{
    for (size_t i = 0; a->answers && i < a->len; i++)
        bl_openai_answer_done(&a->answers[i]);
    for (size_t i = 0; a->calls && i < a->len; i++)
        bl_calls_done(&a->calls[i]);
    free(a->answers);
    free(a->calls);
}

/* ---- what a piece says ---- */

static bool is_response(const bl_asking *a)
{
    return a->reply.kind == BL_OPENAI_RESPONSE;
}

static void write_delta(bl_asking *a)
{
    bl_openai_write_delta(&a->out, &a->reply, &a->delta, a->asked.include_usage);
    a->delta = (bl_openai_delta){ .choice = a->delta.choice };
}

/* Text of the answer a->delta.choice; in a stream it need not be kept, but a response tells it
 * again at its end. */
static bool on_text(void *arg, blind_span text)
{
    bl_asking        *a = arg;
    bl_openai_answer *answer = &a->answers[a->delta.choice];
    if (!a->asked.stream || is_response(a))
        bl_buf_add(&answer->text, text);
    if (a->asked.stream && is_response(a)) {
        bl_openai_events_text(&a->out, &a->events, &a->reply, text);
    } else if (a->asked.stream) {
        a->delta.text = text;
        write_delta(a);
    }
    return bl_buf_ok(&answer->text) && bl_buf_ok(&a->out);
}

static bool make_call_id(char id[40])
{
    uint8_t bytes[12];
    char    hex[2 * sizeof bytes + 1];
    if (bl_random(bytes, sizeof bytes, NULL) != BLIND_OK)
        return false;
    bl_hex_encode(bl_span(bytes, sizeof bytes), hex);
    snprintf(id, 40, "call_%s", hex);
    return true;
}

static bool on_call(void *arg, blind_span name, blind_span arguments)
{
    bl_asking        *a = arg;
    bl_openai_answer *answer = &a->answers[a->delta.choice];
    bl_openai_call   *call = bl_openai_answer_add_call(answer);
    if (!call || !make_call_id(call->id))
        return false;
    bl_buf_add(&call->name, name);
    bl_buf_add(&call->arguments, arguments);
    if (a->asked.stream && is_response(a)) {
        bl_openai_events_call(&a->out, &a->events, &a->reply, answer, call);
    } else if (a->asked.stream) {
        a->delta.call = call;
        a->delta.call_at = answer->calls_len - 1;
        write_delta(a);
    }
    return bl_buf_ok(&call->name) && bl_buf_ok(&call->arguments) && bl_buf_ok(&a->out);
}

static void add_list(bl_buf *to, const bl_buf *from)
{
    if (from->size == 0)
        return;
    if (to->size)
        bl_buf_add_u8(to, ',');
    bl_buf_add(to, bl_buf_span(from));
}

static void add_logprobs(bl_openai_logprobs *to, const bl_openai_logprobs *from)
{
    add_list(&to->tokens, &from->tokens);
    add_list(&to->logprobs, &from->logprobs);
    add_list(&to->top, &from->top);
    add_list(&to->offset, &from->offset);
}

/* Logprobs stand beside the text of their tokens; where it is held back, beside an empty one. */
static blind_code tell_text(bl_asking *a, const bl_llm_piece *p, blind_error *err)
{
    bool told = a->asked.logprobs >= 0 && p->logprobs.tokens.size > 0;
    if (told && !a->asked.stream)
        add_logprobs(&a->answers[p->answer].logprobs, &p->logprobs);
    else if (told)
        a->delta.logprobs = &p->logprobs;
    if (a->calls)
        BL_TRY(bl_calls_read(&a->calls[p->answer], bl_buf_span(&p->text), err));
    else if (p->text.size > 0 && !on_text(a, bl_buf_span(&p->text)))
        return blind_fail(err, BLIND_MEMORY, "server.openai", "out of memory");
    if (a->delta.logprobs)
        write_delta(a);
    return BLIND_OK;
}

static blind_code tell_finish(bl_asking *a, const bl_llm_piece *p, blind_error *err)
{
    bl_openai_answer *answer = &a->answers[p->answer];
    if (a->calls)
        BL_TRY(bl_calls_end(&a->calls[p->answer], err));
    answer->finish = p->finish;
    if (answer->calls_len > 0 && p->finish == BL_OPENAI_STOP)
        answer->finish = BL_OPENAI_TOOL_CALLS;
    if (p->answer % (size_t)a->asked.n == 0) {
        a->usage.prompt += p->usage.prompt;
        a->usage.cached += p->usage.cached;
    }
    a->usage.completion += p->usage.completion;
    if (a->asked.stream && !is_response(a)) {
        a->delta.finish = answer->finish;
        write_delta(a);
    }
    return BLIND_OK;
}

/* ---- streams ---- */

static const char *model_field(const bl_asking *a, char *field, size_t size)
{
    if (!a->reply.fingerprint)
        return NULL;
    snprintf(field, size, "X-Blind-Model-Sha256: %s\r\n", a->fingerprint);
    return field;
}

/* Says who speaks, before anything is said. */
static void begin_stream(bl_exchange *e, bl_asking *a)
{
    char field[128];
    a->began = true;
    bl_reply_begin(e, 200, BL_OPENAI_STREAM_TYPE, model_field(a, field, sizeof field),
                   bl_openai_answers_go_on);
    if (is_response(a))
        bl_openai_events_begin(&a->out, &a->events, &a->reply, &a->asked);
    for (size_t i = 0; a->reply.kind == BL_OPENAI_CHAT && i < a->len; i++) {
        a->delta = (bl_openai_delta){ .choice = i, .first = true };
        write_delta(a);
    }
}

static void end_stream(bl_exchange *e, bl_asking *a)
{
    if (is_response(a))
        bl_openai_events_end(&a->out, &a->events, &a->reply, &a->asked, &a->answers[0], &a->usage);
    else if (a->asked.include_usage)
        bl_openai_write_usage(&a->out, &a->reply, &a->usage);
    if (!is_response(a))
        bl_openai_write_stream_end(&a->out);
    bl_reply_piece(e, &a->out);
    bl_reply_end(e);
}

/* ---- ends ---- */

static void reply_embeddings(bl_exchange *e, bl_asking *a)
{
    char                field[128];
    bl_buf              body = { .secret = true };
    const blind_tensor *rows = &a->outputs->outputs[0];
    a->usage.prompt = (size_t) * (const int64_t *)a->outputs->outputs[1].data;
    bl_openai_write_embeddings(&body, &a->reply, rows->data, (size_t)rows->shape[0],
                               (size_t)rows->shape[1], a->asked.base64, &a->usage);
    bl_reply(e, 200, "application/json", &body, model_field(a, field, sizeof field));
}

static void reply_whole(bl_exchange *e, bl_asking *a)
{
    char   field[128];
    bl_buf body = { .secret = true };
    bool   cut = a->answers[0].finish == BL_OPENAI_LENGTH;
    if (is_response(a))
        bl_openai_write_response(&body, &a->reply, &a->asked, &a->answers[0],
                                 cut ? "incomplete" : "completed", &a->usage);
    else
        bl_openai_write_answers(&body, &a->reply, a->answers, a->len, a->asked.logprobs >= 0,
                                &a->usage);
    bl_reply(e, 200, "application/json", &body, model_field(a, field, sizeof field));
}

static void finish(bl_exchange *e, bl_asking *a)
{
    if (a->outputs)
        reply_embeddings(e, a);
    else if (a->began)
        end_stream(e, a);
    else
        reply_whole(e, a);
}

static void fail(bl_exchange *e, bl_asking *a, const blind_error *error)
{
    bl_buf body = { .secret = true };
    int    status = bl_openai_error(error, NULL, &body);
    if (!a->began) {
        bl_reply(e, status, "application/json", &body, NULL);
        return;
    }
    bl_buf_done(&body);
    bl_openai_write_stream_error(&a->out, status, error->message, bl_error_name(error->code));
    bl_reply_piece(e, &a->out);
    bl_reply_end(e);
}

/* ---- events ---- */

static blind_code take_piece(bl_exchange *e, bl_asking *a, const bl_llm_piece *p, blind_error *err)
{
    if (a->asked.stream && !a->began)
        begin_stream(e, a);
    a->delta = (bl_openai_delta){ .choice = p->answer };
    BL_TRY(tell_text(a, p, err));
    return p->finish ? tell_finish(a, p, err) : BLIND_OK;
}

/* Takes the event over; false when it was the last. */
static bool take(bl_exchange *e, bl_asking *a, bl_event *event)
{
    blind_error error = event->error;
    blind_code  code = event->kind == BL_EVENT_ERROR ? error.code : BLIND_OK;
    bool        done = event->kind == BL_EVENT_DONE;
    if (event->kind == BL_EVENT_OUTPUTS) {
        a->outputs = event;
        return true;
    }
    if (event->kind == BL_EVENT_TEXT)
        code = take_piece(e, a, event->more, &error);
    bl_event_free(event);
    if (code != BLIND_OK)
        fail(e, a, &error);
    else if (done)
        finish(e, a);
    if (code != BLIND_OK && !done)
        bl_request_abandon(a->request);
    return code == BLIND_OK && !done;
}

void bl_openai_answers_go_on(bl_exchange *e)
{
    bl_asking *a = e->data;
    bool       more = e->conn && (!e->replied || e->streams);
    while (more && !bl_reply_full(e)) {
        bl_event *event = bl_request_next(a->request);
        more = event && take(e, a, event);
        if (a->out.size >= PIECE)
            bl_reply_piece(e, &a->out);
    }
    if (a->out.size > 0)
        bl_reply_piece(e, &a->out);
    a->out.secret = true;
}
