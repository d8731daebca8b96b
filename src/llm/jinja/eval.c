/* Walks the tree.  A failure is noted once; everything after it answers undefined. */
#include "llm/jinja/eval.h"

#include "base/limits.h"
#include "base/utf8.h"
#include "llm/template.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

typedef enum { NEXT, BREAK, CONTINUE } flow;

static const bl_jinja_value undefined = { .kind = BL_JINJA_UNDEFINED };

static bl_jinja_value eval(bl_jinja_run *r, const bl_node *n);
static flow           run(bl_jinja_run *r, const bl_node *n);

/* Tools.  ------------------------------------------------------------------------------------ */

bl_jinja_value bl_jinja_fail(bl_jinja_run *r, blind_code code, const char *format, ...)
{
    char    text[160];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (r->code == BLIND_OK)
        r->code = blind_fail(r->err, code, "llm.template", "line %u of the chat template: %s",
                             r->line, text);
    return undefined;
}

static bool out_of_memory(bl_jinja_run *r)
{
    (void)bl_jinja_fail(r, BLIND_LIMIT, "too large a result");
    return false;
}

const bl_jinja_value *bl_jinja_argument(const bl_jinja_arguments *a, size_t i, const char *name)
{
    if (i < a->len)
        return &a->items[i];
    return a->named && name ? bl_jinja_get_text(a->named, name) : NULL;
}

bl_jinja_value bl_jinja_take(bl_jinja_run *r, bl_buf *out)
{
    char *copy = bl_buf_ok(out) ? bl_arena_copy(r->arena, bl_buf_span(out)) : NULL;
    if (!copy) {
        out_of_memory(r);
        return undefined;
    }
    size_t size = out->size;
    bl_buf_clear(out);
    return bl_jinja_text(bl_span(copy, size));
}

static bool step(bl_jinja_run *r, uint32_t line)
{
    r->line = line;
    if (++r->steps > BL_MAX_TEMPLATE_STEPS)
        (void)bl_jinja_fail(r, BLIND_LIMIT, "more than %d steps", BL_MAX_TEMPLATE_STEPS);
    return r->code == BLIND_OK;
}

/* One level deeper; the caller comes back by r->nesting--. */
static bool nest(bl_jinja_run *r)
{
    if (r->nesting >= BL_MAX_TEMPLATE_NESTING) {
        (void)bl_jinja_fail(r, BLIND_LIMIT, "too deep");
        return false;
    }
    r->nesting++;
    return true;
}

/* Names.  ------------------------------------------------------------------------------------ */

static const bl_jinja_value *look_up(const bl_jinja_run *r, bl_jinja_value name)
{
    const bl_jinja_value *found = NULL;
    for (const bl_jinja_scope *s = r->scope; s && !found; s = s->outer)
        found = bl_jinja_get(s->names, name);
    return found;
}

static bool enter_scope(bl_jinja_run *r, bl_jinja_scope *scope, bl_jinja_scope *outer)
{
    *scope = (bl_jinja_scope){ .outer = outer, .names = bl_jinja_new_dict(r->arena).dict };
    if (!scope->names)
        return out_of_memory(r);
    r->scope = scope;
    return true;
}

static void set(bl_jinja_run *r, bl_jinja_value name, bl_jinja_value value)
{
    if (r->code == BLIND_OK && !bl_jinja_put(r->arena, r->scope->names, name, value))
        out_of_memory(r);
}

/* Containers.  ------------------------------------------------------------------------------- */

/* Characters of a text, one item each. */
static bool iterate_text(bl_jinja_run *r, blind_span text, bl_jinja_list *out)
{
    for (size_t at = 0, size; at < text.size; at += size) {
        uint32_t c;
        size = BL_MAX(bl_utf8_next(bl_span(text.data + at, text.size - at), &c), 1u);
        if (++r->steps > BL_MAX_TEMPLATE_STEPS ||
            !bl_jinja_append(r->arena, out, bl_jinja_text(bl_span(text.data + at, size))))
            return out_of_memory(r);
    }
    return true;
}

bool bl_jinja_iterate(bl_jinja_run *r, const bl_jinja_value *v, bl_jinja_list *out)
{
    *out = (bl_jinja_list){ .len = 0 };
    switch (v->kind) {
    case BL_JINJA_UNDEFINED:
        return r->code == BLIND_OK;
    case BL_JINJA_LIST:
        *out = *v->list;
        return true;
    case BL_JINJA_TEXT:
        return iterate_text(r, v->text, out);
    case BL_JINJA_DICT:
        for (size_t i = 0; i < v->dict->len; i++)
            if (!bl_jinja_append(r->arena, out, v->dict->pairs[i].key))
                return out_of_memory(r);
        return true;
    default:
        (void)bl_jinja_fail(r, BLIND_INPUT, "'%s' has no items", bl_jinja_kind_name(v));
        return false;
    }
}

/* Index `i` of `len` as Python counts, from the end where negative; false: outside. */
static bool place(int64_t i, size_t len, size_t *out)
{
    if (i < 0)
        i += (int64_t)len;
    *out = (size_t)i;
    return i >= 0 && (size_t)i < len;
}

bl_jinja_value bl_jinja_index(bl_jinja_run *r, const bl_jinja_value *v, const bl_jinja_value *key)
{
    size_t        at;
    bl_jinja_list items;
    if (v->kind == BL_JINJA_UNDEFINED)
        return bl_jinja_fail(r, BLIND_INPUT, "an undefined value has no items");
    if (v->kind == BL_JINJA_DICT) {
        const bl_jinja_value *found = bl_jinja_get(v->dict, *key);
        return found ? *found : undefined;
    }
    if (key->kind != BL_JINJA_INT || (v->kind != BL_JINJA_LIST && v->kind != BL_JINJA_TEXT))
        return undefined;
    if (!bl_jinja_iterate(r, v, &items) || !place(key->whole, items.len, &at))
        return undefined;
    return items.items[at];
}

/* Bounds of a slice.  Source: Python, "Sequence Types", note 5. */
static int64_t clamp(const bl_jinja_value *v, int64_t fallback, int64_t len, bool backward)
{
    if (v->kind != BL_JINJA_INT)
        return fallback;
    int64_t i = v->whole < 0 ? BL_MAX(v->whole, -len - 1) + len : BL_MIN(v->whole, len);
    return backward ? BL_MAX(BL_MIN(i, len - 1), -1) : BL_MAX(i, 0);
}

static bl_jinja_value slice(bl_jinja_run *r, const bl_node *n)
{
    bl_jinja_value v = eval(r, n->a), part[3] = { undefined, undefined, undefined };
    bl_jinja_list  items;
    for (size_t i = 0; i < n->len; i++)
        if (n->items[i])
            part[i] = eval(r, n->items[i]);
    int64_t stride = part[2].kind == BL_JINJA_INT ? part[2].whole : 1;
    if (stride == 0 || stride < -INT32_MAX || stride > INT32_MAX)
        return bl_jinja_fail(r, BLIND_INPUT, "a slice in steps of %lld", (long long)stride);
    if (r->code != BLIND_OK || !bl_jinja_iterate(r, &v, &items))
        return undefined;
    int64_t        len = (int64_t)items.len;
    bool           backward = stride < 0;
    int64_t        from = clamp(&part[0], backward ? len - 1 : 0, len, backward);
    int64_t        to = clamp(&part[1], backward ? -1 : len, len, backward);
    bl_jinja_value out = bl_jinja_new_list(r->arena);
    bl_auto_buf    text = BL_BUF_EMPTY;
    if (!out.list)
        return bl_jinja_fail(r, BLIND_LIMIT, "out of memory");
    for (int64_t i = from; backward ? i > to : i < to; i += stride) {
        if (v.kind == BL_JINJA_TEXT)
            bl_buf_add(&text, items.items[i].text);
        else if (!bl_jinja_append(r->arena, out.list, items.items[i]))
            return bl_jinja_fail(r, BLIND_LIMIT, "out of memory");
    }
    return v.kind == BL_JINJA_TEXT ? bl_jinja_take(r, &text) : out;
}

/* Calls.  ------------------------------------------------------------------------------------ */

static bool evaluate_arguments(bl_jinja_run *r, const bl_node *n, bl_jinja_arguments *out)
{
    *out = (bl_jinja_arguments){ .items = bl_arena_array(r->arena, n->len + 1, sizeof *out->items),
                                 .named = bl_jinja_new_dict(r->arena).dict };
    if (!out->items || !out->named)
        return out_of_memory(r);
    for (size_t i = 0; i < n->len; i++) {
        const bl_node *item = n->items[i];
        bool           named = item->kind == BL_NODE_NAME && item->a;
        bl_jinja_value value = eval(r, named ? item->a : item);
        if (named && !bl_jinja_put(r->arena, out->named, item->value, value))
            return out_of_memory(r);
        if (!named)
            out->items[out->len++] = value;
    }
    return r->code == BLIND_OK;
}

/* Parameters see those before them. */
static void bind(bl_jinja_run *r, const bl_node *macro, const bl_jinja_arguments *a)
{
    for (size_t i = 0; i < macro->len; i++) {
        const bl_node        *parameter = macro->items[i];
        const bl_jinja_value *given =
            i < a->len ? &a->items[i] : bl_jinja_get(a->named, parameter->value);
        set(r, parameter->value, given ? *given : parameter->a ? eval(r, parameter->a) : undefined);
    }
}

static bl_jinja_value call_macro(bl_jinja_run *r, const bl_node *macro, const bl_jinja_arguments *a)
{
    bl_jinja_scope scope, *before = r->scope;
    bl_auto_buf    text = { .max = r->out->max, .secret = true };
    bl_buf        *out = r->out;
    bl_jinja_value said = undefined;
    if (a->len > macro->len)
        return bl_jinja_fail(r, BLIND_INPUT, "a macro with too many arguments");
    if (r->depth >= BL_MAX_TEMPLATE_DEPTH)
        return bl_jinja_fail(r, BLIND_LIMIT, "macros call each other too deep");
    r->depth++;
    r->out = &text;
    if (enter_scope(r, &scope, r->root)) {
        bind(r, macro, a);
        (void)run(r, macro->body);
        said = bl_jinja_take(r, &text);
    }
    r->out = out;
    r->scope = before;
    r->depth--;
    return said;
}

static bl_jinja_value call(bl_jinja_run *r, const bl_node *n)
{
    bl_jinja_arguments    a;
    bl_jinja_value        out = undefined;
    const bl_node        *what = n->a;
    const bl_jinja_value *found = what->kind == BL_NODE_NAME ? look_up(r, what->value) : NULL;
    if (!evaluate_arguments(r, n, &a))
        return undefined;
    if (found && found->kind == BL_JINJA_MACRO)
        return call_macro(r, found->code, &a);
    if (what->kind == BL_NODE_NAME) {
        if (!found && bl_jinja_function(r, what->value.text, &a, &out))
            return out;
        return bl_jinja_fail(r, BLIND_INPUT, "'%.*s' is no function",
                             (int)BL_MIN(what->value.text.size, 40),
                             (const char *)what->value.text.data);
    }
    if (what->kind != BL_NODE_ATTR)
        return bl_jinja_fail(r, BLIND_INPUT, "this cannot be called");
    bl_jinja_value of = eval(r, what->a);
    return r->code == BLIND_OK ? bl_jinja_method(r, &of, what->value.text, &a) : undefined;
}

/* Expressions.  ------------------------------------------------------------------------------ */

static bl_jinja_value make_list(bl_jinja_run *r, const bl_node *n)
{
    bl_jinja_value out = bl_jinja_new_list(r->arena);
    for (size_t i = 0; i < n->len; i++) {
        bl_jinja_value item = eval(r, n->items[i]);
        if (!out.list || !bl_jinja_append(r->arena, out.list, item))
            return bl_jinja_fail(r, BLIND_LIMIT, "too large a list");
    }
    return out.list ? out : bl_jinja_fail(r, BLIND_LIMIT, "out of memory");
}

static bl_jinja_value make_dict(bl_jinja_run *r, const bl_node *n)
{
    bl_jinja_value out = bl_jinja_new_dict(r->arena);
    for (size_t i = 0; i + 1 < n->len; i += 2) {
        bl_jinja_value key = eval(r, n->items[i]), value = eval(r, n->items[i + 1]);
        if (!out.dict || !bl_jinja_put(r->arena, out.dict, key, value))
            return bl_jinja_fail(r, BLIND_LIMIT, "too large a dict");
    }
    return out.dict ? out : bl_jinja_fail(r, BLIND_LIMIT, "out of memory");
}

static bl_jinja_value attribute(bl_jinja_run *r, const bl_node *n)
{
    bl_jinja_value v = eval(r, n->a);
    if (r->code != BLIND_OK)
        return undefined;
    if (v.kind == BL_JINJA_UNDEFINED)
        return bl_jinja_fail(r, BLIND_INPUT, "an undefined value has no '%.*s'",
                             (int)BL_MIN(n->value.text.size, 40), (const char *)n->value.text.data);
    const bl_jinja_value *found = v.kind == BL_JINJA_DICT ? bl_jinja_get(v.dict, n->value) : NULL;
    return found ? *found : undefined;
}

static bl_jinja_value filter_or_test(bl_jinja_run *r, const bl_node *n)
{
    bl_jinja_arguments a;
    bl_jinja_value     v = eval(r, n->a);
    if (r->code != BLIND_OK || !evaluate_arguments(r, n, &a))
        return undefined;
    return n->kind == BL_NODE_FILTER ? bl_jinja_filter(r, n->value.text, &v, &a)
                                     : bl_jinja_test(r, n->value.text, &v, &a);
}

static bl_jinja_value minus(bl_jinja_run *r, const bl_node *n)
{
    bl_jinja_value v = eval(r, n->a);
    if (v.kind == BL_JINJA_FLOAT)
        return bl_jinja_float(-v.real);
    bl_jinja_value zero = bl_jinja_int(0);
    return r->code == BLIND_OK ? bl_jinja_operate(r, BL_LITERAL("-"), &zero, &v) : undefined;
}

static bl_jinja_value either(bl_jinja_run *r, const bl_node *n)
{
    bl_jinja_value a = eval(r, n->a);
    bool           stays = bl_jinja_true(&a) == (n->kind == BL_NODE_OR);
    return stays || r->code != BLIND_OK ? a : eval(r, n->b);
}

static bl_jinja_value choice(bl_jinja_run *r, const bl_node *n)
{
    bl_jinja_value condition = eval(r, n->b);
    if (r->code != BLIND_OK)
        return undefined;
    return bl_jinja_true(&condition) ? eval(r, n->a) : n->next ? eval(r, n->next) : undefined;
}

static bl_jinja_value eval_two(bl_jinja_run *r, const bl_node *n)
{
    bl_jinja_value a = eval(r, n->a), b = eval(r, n->b);
    if (r->code != BLIND_OK)
        return undefined;
    return n->kind == BL_NODE_INDEX ? bl_jinja_index(r, &a, &b)
                                    : bl_jinja_operate(r, n->value.text, &a, &b);
}

static bl_jinja_value name(bl_jinja_run *r, const bl_node *n)
{
    const bl_jinja_value *found = look_up(r, n->value);
    return found ? *found : undefined;
}

static bl_jinja_value negate(bl_jinja_run *r, const bl_node *n)
{
    bl_jinja_value v = eval(r, n->a);
    return bl_jinja_bool(!bl_jinja_true(&v));
}

static bl_jinja_value value(bl_jinja_run *r, const bl_node *n)
{
    (void)r;
    return n->value;
}

/* NOLINTNEXTLINE(misc-no-recursion): the parser bounds how deep a tree is */
static bl_jinja_value eval(bl_jinja_run *r, const bl_node *n)
{
    static bl_jinja_value (*const kinds[])(bl_jinja_run *, const bl_node *) = {
        [BL_NODE_VALUE] = value,
        [BL_NODE_NAME] = name,
        [BL_NODE_LIST] = make_list,
        [BL_NODE_DICT] = make_dict,
        [BL_NODE_ATTR] = attribute,
        [BL_NODE_INDEX] = eval_two,
        [BL_NODE_SLICE] = slice,
        [BL_NODE_CALL] = call,
        [BL_NODE_FILTER] = filter_or_test,
        [BL_NODE_TEST] = filter_or_test,
        [BL_NODE_NOT] = negate,
        [BL_NODE_MINUS] = minus,
        [BL_NODE_AND] = either,
        [BL_NODE_OR] = either,
        [BL_NODE_CHOICE] = choice,
        [BL_NODE_BINARY] = eval_two,
    };
    if (!step(r, n->line) || !nest(r))
        return undefined;
    bl_jinja_value said = kinds[n->kind](r, n);
    r->nesting--;
    return said;
}

/* Statements.  ------------------------------------------------------------------------------- */

static bl_jinja_value loop_of(bl_jinja_run *r, const bl_jinja_list *items, size_t i)
{
    bl_jinja_value loop = bl_jinja_new_dict(r->arena);
    size_t         left = items->len - i;
    const struct {
        const char    *name;
        bl_jinja_value value;
    } all[] = {
        { "index", bl_jinja_int((int64_t)i + 1) },
        { "index0", bl_jinja_int((int64_t)i) },
        { "revindex", bl_jinja_int((int64_t)left) },
        { "revindex0", bl_jinja_int((int64_t)left - 1) },
        { "first", bl_jinja_bool(i == 0) },
        { "last", bl_jinja_bool(left == 1) },
        { "length", bl_jinja_int((int64_t)items->len) },
        { "previtem", i ? items->items[i - 1] : undefined },
        { "nextitem", left > 1 ? items->items[i + 1] : undefined },
    };
    for (size_t k = 0; loop.dict && k < BL_LEN(all); k++)
        if (!bl_jinja_put(r->arena, loop.dict, bl_jinja_text(bl_span_str(all[k].name)),
                          all[k].value))
            loop.dict = NULL;
    if (!loop.dict)
        return bl_jinja_fail(r, BLIND_LIMIT, "out of memory");
    return loop;
}

/* One value to one name, or its items to as many. */
static bool assign(bl_jinja_run *r, bl_node *const *targets, size_t len, const bl_jinja_value *v)
{
    bl_jinja_list items;
    if (len == 1) {
        set(r, targets[0]->value, *v);
        return r->code == BLIND_OK;
    }
    if (!bl_jinja_iterate(r, v, &items))
        return false;
    if (items.len != len) {
        (void)bl_jinja_fail(r, BLIND_INPUT, "%zu values for %zu names", items.len, len);
        return false;
    }
    for (size_t i = 0; i < len; i++)
        set(r, targets[i]->value, items.items[i]);
    return r->code == BLIND_OK;
}

/* Those of the items that the loop's own condition lets through. */
static bool choose(bl_jinja_run *r, const bl_node *n, const bl_jinja_list *items,
                   bl_jinja_list *out)
{
    bl_jinja_scope scope, *before = r->scope;
    *out = (bl_jinja_list){ .len = 0 };
    bool good = true;
    for (size_t i = 0; i < items->len && good; i++) {
        good = enter_scope(r, &scope, before) && assign(r, n->items, n->len, &items->items[i]);
        bl_jinja_value wanted = good ? eval(r, n->b) : undefined;
        if (good && bl_jinja_true(&wanted) && !bl_jinja_append(r->arena, out, items->items[i]))
            good = out_of_memory(r);
    }
    r->scope = before;
    return good && r->code == BLIND_OK;
}

static flow run_for(bl_jinja_run *r, const bl_node *n)
{
    bl_jinja_scope scope, *before = r->scope;
    bl_jinja_list  items, chosen;
    bl_jinja_value of = eval(r, n->a);
    flow           after = NEXT;
    if (r->code != BLIND_OK || !bl_jinja_iterate(r, &of, &items))
        return NEXT;
    if (n->b) {
        if (!choose(r, n, &items, &chosen))
            return NEXT;
        items = chosen;
    }
    for (size_t i = 0; i < items.len && after != BREAK && r->code == BLIND_OK; i++) {
        if (!enter_scope(r, &scope, before) || !assign(r, n->items, n->len, &items.items[i]))
            break;
        set(r, bl_jinja_text(BL_LITERAL("loop")), loop_of(r, &items, i));
        after = run(r, n->body);
    }
    r->scope = before;
    return items.len == 0 && n->next ? run(r, n->next->body) : NEXT;
}

static void set_attribute(bl_jinja_run *r, const bl_node *target, bl_jinja_value v)
{
    bl_jinja_value of = eval(r, target->a);
    if (r->code != BLIND_OK)
        return;
    if (of.kind != BL_JINJA_DICT || !of.dict->is_namespace)
        (void)bl_jinja_fail(r, BLIND_INPUT, "only attributes of a namespace can be set");
    else if (!bl_jinja_put(r->arena, of.dict, target->value, v))
        out_of_memory(r);
}

static flow run_set(bl_jinja_run *r, const bl_node *n)
{
    bl_jinja_value v;
    if (n->a) {
        v = eval(r, n->a);
    } else {
        bl_auto_buf text = { .max = r->out->max, .secret = true };
        bl_buf     *out = r->out;
        r->out = &text;
        (void)run(r, n->body);
        r->out = out;
        v = bl_jinja_take(r, &text);
    }
    if (r->code == BLIND_OK && n->len == 1 && n->items[0]->kind == BL_NODE_ATTR)
        set_attribute(r, n->items[0], v);
    else if (r->code == BLIND_OK)
        (void)assign(r, n->items, n->len, &v);
    return NEXT;
}

static flow run_if(bl_jinja_run *r, const bl_node *n)
{
    for (; n && r->code == BLIND_OK; n = n->next) {
        bl_jinja_value condition = n->a ? eval(r, n->a) : bl_jinja_bool(true);
        if (r->code == BLIND_OK && bl_jinja_true(&condition))
            return run(r, n->body);
    }
    return NEXT;
}

static flow run_one(bl_jinja_run *r, const bl_node *n)
{
    bl_jinja_value v;
    switch (n->kind) {
    case BL_NODE_TEXT:
        bl_buf_add(r->out, n->value.text);
        return NEXT;
    case BL_NODE_PRINT:
        v = eval(r, n->a);
        bl_jinja_print(&v, r->out);
        return NEXT;
    case BL_NODE_IF:
        return run_if(r, n);
    case BL_NODE_FOR:
        return run_for(r, n);
    case BL_NODE_SET:
        return run_set(r, n);
    case BL_NODE_MACRO:
        set(r, n->value, (bl_jinja_value){ .kind = BL_JINJA_MACRO, .code = n });
        return NEXT;
    case BL_NODE_BREAK:
        return BREAK;
    case BL_NODE_CONTINUE:
        return CONTINUE;
    default:
        return run(r, n->body);
    }
}

/* NOLINTNEXTLINE(misc-no-recursion): as eval() */
static flow run(bl_jinja_run *r, const bl_node *n)
{
    flow after = NEXT;
    if (!nest(r))
        return NEXT;
    for (; n && after == NEXT && step(r, n->line); n = n->sibling) {
        after = run_one(r, n);
        if (!bl_buf_ok(r->out))
            out_of_memory(r);
    }
    r->nesting--;
    return after;
}

/* The whole.  -------------------------------------------------------------------------------- */

struct bl_template {
    bl_arena arena;
    bl_node *root;
};

blind_code bl_template_open(blind_span text, bl_template **out, blind_error *err)
{
    *out = NULL;
    if (!bl_utf8_valid(text))
        return blind_fail(err, BLIND_INPUT, "llm.template", "a chat template that is no UTF-8");
    bl_template *t = calloc(1, sizeof *t);
    if (!t)
        return blind_fail(err, BLIND_MEMORY, "llm.template", "out of memory");
    blind_code code = bl_jinja_parse(text, &t->arena, &t->root, err);
    if (code != BLIND_OK) {
        bl_template_close(t);
        return code;
    }
    *out = t;
    return BLIND_OK;
}

void bl_template_close(bl_template *t)
{
    if (t)
        bl_arena_done(&t->arena);
    free(t);
}

blind_code bl_template_render(const bl_template *t, const json_t *given, int64_t now_s, bl_buf *out,
                              blind_error *err)
{
    bl_arena       arena = { .max = BL_MAX_TEMPLATE_MEMORY, .secret = true };
    bl_auto_buf    text = { .max = BL_MAX_PROMPT_SIZE, .secret = true };
    bl_jinja_value all;
    bl_jinja_run   r = { .arena = &arena, .out = &text, .now_s = now_s, .err = err };
    bl_jinja_scope context, root;
    if (!bl_jinja_from_json(&arena, given, &all) || all.kind != BL_JINJA_DICT) {
        r.code =
            blind_fail(err, BLIND_LIMIT, "llm.template", "too large or too deep a conversation");
    } else {
        context = (bl_jinja_scope){ .names = all.dict };
        r.root = &root;
        if (enter_scope(&r, &root, &context))
            (void)run(&r, t->root->body);
    }
    if (r.code == BLIND_OK)
        bl_buf_add(out, bl_buf_span(&text));
    bl_arena_done(&arena);
    return r.code != BLIND_OK ? r.code : bl_buf_check(out, "llm.template", err);
}
