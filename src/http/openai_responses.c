/* Responses, whole and as events. */
#include "http/openai_write.h"

#include <inttypes.h>

/* ---- items ---- */

static void write_part(bl_buf *out, blind_span text)
{
    bl_buf_add_str(out, "{\"type\":\"output_text\",\"annotations\":[],\"logprobs\":[],\"text\":");
    bl_openai_write_text(out, text);
    bl_buf_add_u8(out, '}');
}

/* whole  false: as it begins */
static void write_message(bl_buf *out, const bl_openai_reply *r, blind_span text, bool whole)
{
    bl_buf_printf(out,
                  "{\"id\":\"msg_%s\",\"type\":\"message\",\"status\":\"%s\","
                  "\"role\":\"assistant\",\"content\":[",
                  r->id, whole ? "completed" : "in_progress");
    if (whole)
        write_part(out, text);
    bl_buf_add_str(out, "]}");
}

static void write_call(bl_buf *out, const bl_openai_call *call, bool whole)
{
    bl_buf_printf(out,
                  "{\"id\":\"fc_%s\",\"type\":\"function_call\",\"status\":\"%s\","
                  "\"call_id\":\"%s\",\"name\":",
                  call->id, whole ? "completed" : "in_progress", call->id);
    bl_openai_write_text(out, bl_buf_span(&call->name));
    bl_buf_add_str(out, ",\"arguments\":");
    bl_openai_write_text(out, whole ? bl_buf_span(&call->arguments) : (blind_span){ 0 });
    bl_buf_add_u8(out, '}');
    out->failed |= call->name.failed || call->arguments.failed;
}

/* ---- the object ---- */

/* A field of the request as it came. */
static void write_echo(bl_buf *out, const bl_openai_request *asked, const char *field,
                       const char *otherwise)
{
    const json_t *value = json_object_get(asked->root, field);
    bl_buf_printf(out, ",\"%s\":", field);
    if (!value || json_is_null(value))
        bl_buf_add_str(out, otherwise);
    else if (bl_json_write(value, out, NULL) != BLIND_OK)
        out->failed = true;
}

static void write_output(bl_buf *out, const bl_openai_reply *r, const bl_openai_answer *a)
{
    const char *between = "";
    bl_buf_add_str(out, ",\"output\":[");
    if (a && (a->text.size > 0 || a->calls_len == 0)) {
        write_message(out, r, bl_buf_span(&a->text), true);
        out->failed |= a->text.failed;
        between = ",";
    }
    for (size_t i = 0; a && i < a->calls_len; i++) {
        bl_buf_add_str(out, between);
        write_call(out, &a->calls[i], true);
        between = ",";
    }
    bl_buf_add_u8(out, ']');
}

static void write_usage(bl_buf *out, const bl_openai_usage *u)
{
    bl_buf_add_str(out, ",\"usage\":");
    if (!u) {
        bl_buf_add_str(out, "null");
        return;
    }
    bl_buf_printf(out,
                  "{\"input_tokens\":%zu,\"input_tokens_details\":{\"cached_tokens\":%zu},"
                  "\"output_tokens\":%zu,\"output_tokens_details\":{\"reasoning_tokens\":0},"
                  "\"total_tokens\":%zu}",
                  u->prompt, u->cached, u->completion, u->prompt + u->completion);
}

void bl_openai_write_response(bl_buf *out, const bl_openai_reply *r, const bl_openai_request *asked,
                              const bl_openai_answer *answer, const char *status,
                              const bl_openai_usage *usage)
{
    bool cut = strcmp(status, "incomplete") == 0;
    bl_buf_printf(out,
                  "{\"id\":\"resp_%s\",\"object\":\"response\",\"created_at\":%" PRId64
                  ",\"status\":\"%s\",\"background\":false,\"error\":null,"
                  "\"incomplete_details\":%s,\"model\":",
                  r->id, r->created_s, status, cut ? "{\"reason\":\"max_output_tokens\"}" : "null");
    bl_openai_write_text(out, bl_span_str(r->model));
    if (r->fingerprint) {
        bl_buf_add_str(out, ",\"system_fingerprint\":");
        bl_openai_write_text(out, bl_span_str(r->fingerprint));
    }
    write_output(out, r, answer);
    write_echo(out, asked, "instructions", "null");
    write_echo(out, asked, "max_output_tokens", "null");
    write_echo(out, asked, "metadata", "{}");
    write_echo(out, asked, "parallel_tool_calls", "true");
    write_echo(out, asked, "temperature", "1.0");
    write_echo(out, asked, "text", "{\"format\":{\"type\":\"text\"}}");
    write_echo(out, asked, "tool_choice", "\"auto\"");
    write_echo(out, asked, "tools", "[]");
    write_echo(out, asked, "top_p", "1.0");
    bl_buf_add_str(out, ",\"previous_response_id\":null,\"store\":false,"
                        "\"truncation\":\"disabled\"");
    write_usage(out, usage);
    bl_buf_add_u8(out, '}');
}

/* ---- events ---- */

/* Up to where the event's own fields stand. */
static void begin(bl_buf *out, bl_openai_events *e, const char *type)
{
    bl_buf_printf(out, "event: %s\ndata: {\"type\":\"%s\",\"sequence_number\":%" PRIu64, type, type,
                  e->sequence++);
}

static void end(bl_buf *out)
{
    bl_buf_add_str(out, "}\n\n");
}

static void about_text(bl_buf *out, bl_openai_events *e, const bl_openai_reply *r, const char *type)
{
    begin(out, e, type);
    bl_buf_printf(out, ",\"item_id\":\"msg_%s\",\"output_index\":%zu,\"content_index\":0", r->id,
                  e->items);
}

static void add_response(bl_buf *out, bl_openai_events *e, const char *type,
                         const bl_openai_reply *r, const bl_openai_request *asked,
                         const bl_openai_answer *answer, const char *status,
                         const bl_openai_usage *usage)
{
    begin(out, e, type);
    bl_buf_add_str(out, ",\"response\":");
    bl_openai_write_response(out, r, asked, answer, status, usage);
    end(out);
}

void bl_openai_events_begin(bl_buf *out, bl_openai_events *e, const bl_openai_reply *r,
                            const bl_openai_request *asked)
{
    add_response(out, e, "response.created", r, asked, NULL, "in_progress", NULL);
    add_response(out, e, "response.in_progress", r, asked, NULL, "in_progress", NULL);
}

static void open_message(bl_buf *out, bl_openai_events *e, const bl_openai_reply *r)
{
    begin(out, e, "response.output_item.added");
    bl_buf_printf(out, ",\"output_index\":%zu,\"item\":", e->items);
    write_message(out, r, (blind_span){ 0 }, false);
    end(out);
    about_text(out, e, r, "response.content_part.added");
    bl_buf_add_str(out, ",\"part\":");
    write_part(out, (blind_span){ 0 });
    end(out);
    e->message = e->texts = true;
}

static void close_message(bl_buf *out, bl_openai_events *e, const bl_openai_reply *r,
                          const bl_openai_answer *answer)
{
    blind_span text = bl_buf_span(&answer->text);
    if (!e->message)
        return;
    about_text(out, e, r, "response.output_text.done");
    bl_buf_add_str(out, ",\"logprobs\":[],\"text\":");
    bl_openai_write_text(out, text);
    end(out);
    about_text(out, e, r, "response.content_part.done");
    bl_buf_add_str(out, ",\"part\":");
    write_part(out, text);
    end(out);
    begin(out, e, "response.output_item.done");
    bl_buf_printf(out, ",\"output_index\":%zu,\"item\":", e->items);
    write_message(out, r, text, true);
    end(out);
    e->message = false;
    e->items++;
}

/* Text behind a call belongs to the one message there is, which has ended: it is told at the end.
 */
void bl_openai_events_text(bl_buf *out, bl_openai_events *e, const bl_openai_reply *r,
                           blind_span text)
{
    if (text.size == 0 || (e->texts && !e->message) || (e->items > 0 && !e->message))
        return;
    if (!e->message)
        open_message(out, e, r);
    about_text(out, e, r, "response.output_text.delta");
    bl_buf_add_str(out, ",\"logprobs\":[],\"delta\":");
    bl_openai_write_text(out, text);
    end(out);
}

static void about_call(bl_buf *out, bl_openai_events *e, const bl_openai_call *call,
                       const char *type, const char *field)
{
    begin(out, e, type);
    bl_buf_printf(out, ",\"item_id\":\"fc_%s\",\"output_index\":%zu,\"%s\":", call->id, e->items,
                  field);
    bl_openai_write_text(out, bl_buf_span(&call->arguments));
    end(out);
}

void bl_openai_events_call(bl_buf *out, bl_openai_events *e, const bl_openai_reply *r,
                           const bl_openai_answer *answer, const bl_openai_call *call)
{
    close_message(out, e, r, answer);
    begin(out, e, "response.output_item.added");
    bl_buf_printf(out, ",\"output_index\":%zu,\"item\":", e->items);
    write_call(out, call, false);
    end(out);
    about_call(out, e, call, "response.function_call_arguments.delta", "delta");
    about_call(out, e, call, "response.function_call_arguments.done", "arguments");
    begin(out, e, "response.output_item.done");
    bl_buf_printf(out, ",\"output_index\":%zu,\"item\":", e->items);
    write_call(out, call, true);
    end(out);
    e->items++;
}

void bl_openai_events_end(bl_buf *out, bl_openai_events *e, const bl_openai_reply *r,
                          const bl_openai_request *asked, const bl_openai_answer *answer,
                          const bl_openai_usage *usage)
{
    bool cut = answer->finish == BL_OPENAI_LENGTH;
    if (answer->calls_len == 0 && !e->texts) /* there is one message at least */
        open_message(out, e, r);
    close_message(out, e, r, answer);
    add_response(out, e, cut ? "response.incomplete" : "response.completed", r, asked, answer,
                 cut ? "incomplete" : "completed", usage);
}
