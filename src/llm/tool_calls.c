/* Marks in a stream of text, and the JSON between them.
 *
 *     text --begin mark--> inside --end mark or end of the answer--> text
 *
 * Text that may be the begin of a mark is held back; so are blanks in front of everything else,
 * which belong to no answer when a call follows. */
#include "llm/tool_calls.h"

#include "base/json.h"
#include "base/limits.h"

enum { NUMBER_DIGITS = 15 };

static const struct {
    const char *begin, *end; /* NULL: the end of the answer */
    const char *prefix, *arguments;
} styles[] = {
    [BL_CALLS_HERMES] = { "<tool_call>", "</tool_call>", "<tool_call>\n", "arguments" },
    [BL_CALLS_MISTRAL] = { "[TOOL_CALLS]", NULL, "[TOOL_CALLS] [", "arguments" },
    [BL_CALLS_LLAMA] = { "{", NULL, "", "parameters" },
};

static const char *find(blind_span text, const char *word)
{
    return text.size ? memmem(text.data, text.size, word, strlen(word)) : NULL;
}

bl_calls_style bl_calls_style_of(blind_span t)
{
    if (find(t, "[TOOL_CALLS]"))
        return BL_CALLS_MISTRAL;
    if (!find(t, "<tool_call>") && (find(t, "<|python_tag|>") || find(t, "ipython")))
        return BL_CALLS_LLAMA;
    return BL_CALLS_HERMES;
}

const char *bl_calls_prefix(bl_calls_style style)
{
    return styles[style].prefix;
}

const char *bl_calls_arguments(bl_calls_style style)
{
    return styles[style].arguments;
}

/* ---- giving ---- */

static blind_code no_memory(blind_error *err)
{
    return blind_fail(err, BLIND_MEMORY, "llm.calls", "out of memory");
}

static bool is_blank(uint8_t c)
{
    return c == ' ' || c == '\n' || c == '\t' || c == '\r';
}

static bool all_blank(blind_span text)
{
    for (size_t i = 0; i < text.size; i++)
        if (!is_blank(text.data[i]))
            return false;
    return true;
}

/* The first n bytes that are held, as text. */
static blind_code give_text(bl_calls *c, size_t n, blind_error *err)
{
    bool dropped = c->calls > 0 && (c->one || all_blank(bl_span(c->held.data, n)));
    if (n > 0 && !dropped && !c->text(c->arg, bl_span(c->held.data, n)))
        return no_memory(err);
    c->said = c->said || (n > 0 && !dropped);
    bl_buf_consume(&c->held, n);
    return BLIND_OK;
}

static bool knows(const bl_calls *c, const char *name)
{
    size_t  i;
    json_t *tool;
    json_array_foreach((json_t *)(uintptr_t)c->tools, i, tool)
    {
        const char *other =
            json_string_value(json_object_get(json_object_get(tool, "function"), "name"));
        if (other && strcmp(other, name) == 0)
            return true;
    }
    return false;
}

static int add_piece(const char *bytes, size_t size, void *buf)
{
    bl_buf_add(buf, bl_span(bytes, size));
    return bl_buf_ok(buf) ? 0 : -1;
}

/* Arguments as text; those that come as a text are one. */
static blind_code give_call(bl_calls *c, const char *name, const json_t *arguments,
                            blind_error *err)
{
    bl_auto_buf text = { .secret = true };
    if (c->one && c->calls > 0)
        return BLIND_OK;
    if (!arguments)
        bl_buf_add_str(&text, "{}");
    else if (json_is_string(arguments))
        bl_buf_add_str(&text, json_string_value(arguments));
    else if (json_dump_callback(arguments, add_piece, &text,
                                JSON_COMPACT | JSON_ENCODE_ANY |
                                    JSON_REAL_PRECISION(NUMBER_DIGITS)) != 0)
        return no_memory(err);
    c->calls++;
    return bl_buf_ok(&text) && c->call(c->arg, bl_span_str(name), bl_buf_span(&text))
               ? BLIND_OK
               : no_memory(err);
}

/* ---- reading calls ---- */

static blind_span trim(blind_span text)
{
    while (text.size > 0 && is_blank(text.data[0]))
        text = bl_span(text.data + 1, text.size - 1);
    while (text.size > 0 && is_blank(text.data[text.size - 1]))
        text.size--;
    return text;
}

/* {"name", "arguments"}; false: no call. */
static bool is_call(const bl_calls *c, const json_t *call, const char **name,
                    const json_t **arguments)
{
    *name = json_string_value(json_object_get(call, "name"));
    *arguments = json_object_get(call, "arguments");
    if (!*arguments)
        *arguments = json_object_get(call, "parameters");
    return *name && **name && (c->style != BL_CALLS_LLAMA || knows(c, *name));
}

static blind_code give_json(bl_calls *c, const json_t *root, bool *done, blind_error *err)
{
    const char   *name;
    const json_t *arguments;
    size_t        i;
    json_t       *each;
    *done = is_call(c, root, &name, &arguments);
    if (*done)
        return give_call(c, name, arguments, err);
    json_array_foreach((json_t *)(uintptr_t)root, i,
                       each) if (!is_call(c, each, &name, &arguments)) return BLIND_OK;
    json_array_foreach((json_t *)(uintptr_t)root, i, each)
    {
        (void)is_call(c, each, &name, &arguments);
        BL_TRY(give_call(c, name, arguments, err));
    }
    *done = json_array_size(root) > 0;
    return BLIND_OK;
}

/* The first JSON value of `text`, and how long it is; NULL where it begins with none. */
static json_t *first_value(blind_span text, size_t *size)
{
    json_error_t at;
    json_t      *checked = NULL;
    if (text.size == 0)
        return NULL;
    json_t *root = json_loadb((const char *)text.data, text.size,
                              JSON_DISABLE_EOF_CHECK | JSON_REJECT_DUPLICATES, &at);
    *size = root && at.position > 0 ? BL_MIN((size_t)at.position, text.size) : 0;
    /* Its own bound on depth is larger than ours. */
    if (root &&
        bl_json_parse(bl_span(text.data, *size), BL_MAX_JSON_SIZE, &checked, NULL) != BLIND_OK) {
        json_decref(root);
        root = NULL;
    }
    json_decref(checked);
    return root;
}

/* NAME[ARGS] in front of the arguments. */
static blind_code give_named(bl_calls *c, blind_span *text, bool *done, blind_error *err)
{
    char        name[BL_MAX_TOOL_NAME + 1];
    const char *mark = find(*text, "[ARGS]");
    size_t      n = mark ? (size_t)(mark - (const char *)text->data) : 0, size;
    *done = false;
    if (n == 0 || n > BL_MAX_TOOL_NAME)
        return BLIND_OK;
    memcpy(name, text->data, n);
    name[n] = 0;
    blind_span rest = bl_span(text->data + n + 6, text->size - n - 6);
    json_t    *arguments = first_value(rest, &size);
    if (!arguments)
        return BLIND_OK;
    blind_code code = give_call(c, name, arguments, err);
    json_decref(arguments);
    *text = trim(bl_span(rest.data + size, rest.size - size));
    *done = true;
    return code;
}

/* One or more calls; *rest is what is none. */
static blind_code give_calls(bl_calls *c, blind_span text, blind_span *rest, blind_error *err)
{
    bool done = true;
    for (*rest = trim(text); rest->size > 0 && done; *rest = trim(*rest)) {
        if (c->style != BL_CALLS_HERMES &&
            (rest->data[0] == ';' || rest->data[0] == ']' || rest->data[0] == ',') &&
            c->calls > 0) {
            *rest = bl_span(rest->data + 1, rest->size - 1);
            continue;
        }
        size_t  size = 0;
        json_t *root = first_value(*rest, &size);
        if (!root) {
            BL_TRY(give_named(c, rest, &done, err));
            continue;
        }
        blind_code code = give_json(c, root, &done, err);
        json_decref(root);
        BL_TRY(code);
        if (done)
            *rest = bl_span(rest->data + size, rest->size - size);
    }
    return BLIND_OK;
}

/* What is held up to `size`, marks included, was inside a call. */
static blind_code close_call(bl_calls *c, size_t size, size_t end_size, blind_error *err)
{
    const char *begin = styles[c->style].begin;
    size_t      mark = c->style == BL_CALLS_LLAMA ? 0 : c->lead + strlen(begin);
    blind_span  rest;
    c->inside = false;
    size_t before = c->calls;
    BL_TRY(give_calls(c, bl_span(c->held.data + mark, size - mark), &rest, err));
    if (c->calls == before)
        return give_text(c, size + end_size, err);
    bl_buf_consume(&c->held, size + end_size);
    return BLIND_OK;
}

/* ---- reading text ---- */

/* Bytes at the end of what is held that may be the begin of a mark. */
static size_t partial(const bl_buf *held, const char *mark)
{
    size_t n = BL_MIN(strlen(mark) - 1, held->size);
    while (n > 0 && memcmp(held->data + held->size - n, mark, n) != 0)
        n--;
    return n;
}

/* Blanks that nothing stands in front of wait for what follows them. */
static size_t leading_blanks(const bl_calls *c)
{
    size_t n = 0;
    while (!c->said && n < c->held.size && is_blank(c->held.data[n]))
        n++;
    return n;
}

static blind_code read_text(bl_calls *c, bool *more, blind_error *err)
{
    const char *begin = styles[c->style].begin;
    size_t      blanks = leading_blanks(c);
    blind_span  held = bl_buf_span(&c->held);
    *more = false;
    if (c->style == BL_CALLS_LLAMA) { /* all of the answer, or none of it */
        if (!c->said && blanks < held.size && held.data[blanks] == '{')
            c->inside = true;
        else if (blanks < held.size || c->said)
            return give_text(c, held.size, err);
        return BLIND_OK;
    }
    const char *at = find(held, begin);
    if (!at) {
        size_t keep = partial(&c->held, begin);
        return blanks == held.size || (!c->said && blanks + keep == held.size)
                   ? BLIND_OK
                   : give_text(c, held.size - keep, err);
    }
    size_t n = (size_t)(at - (const char *)held.data);
    c->lead = !c->said && all_blank(bl_span(held.data, n)) ? n : 0;
    if (c->lead == 0)
        BL_TRY(give_text(c, n, err));
    c->inside = *more = true;
    return BLIND_OK;
}

static blind_code read_inside(bl_calls *c, bool *more, blind_error *err)
{
    const char *end = styles[c->style].end;
    const char *at = end ? find(bl_buf_span(&c->held), end) : NULL;
    *more = at != NULL;
    if (!at)
        return BLIND_OK;
    return close_call(c, (size_t)(at - (const char *)c->held.data), strlen(end), err);
}

static blind_code advance(bl_calls *c, blind_error *err)
{
    bool more = true;
    while (more)
        BL_TRY(c->inside ? read_inside(c, &more, err) : read_text(c, &more, err));
    return BLIND_OK;
}

/* ---- from outside ---- */

void bl_calls_inside(bl_calls *c)
{
    c->held.secret = true;
    if (c->style != BL_CALLS_LLAMA)
        bl_buf_add_str(&c->held, styles[c->style].begin);
    c->inside = true;
}

blind_code bl_calls_read(bl_calls *c, blind_span text, blind_error *err)
{
    c->held.secret = true;
    bl_buf_add(&c->held, text);
    if (!bl_buf_ok(&c->held))
        return no_memory(err);
    return advance(c, err);
}

blind_code bl_calls_end(bl_calls *c, blind_error *err)
{
    if (!bl_buf_ok(&c->held))
        return no_memory(err);
    if (c->inside && c->held.size > 0)
        BL_TRY(close_call(c, c->held.size, 0, err));
    return give_text(c, c->held.size, err);
}

void bl_calls_done(bl_calls *c)
{
    bl_buf_done(&c->held);
}
