/* The collateral store, offered on the helper port by the vendors' own paths: `blind collateral
 * fetch --mirror`, and other verifiers that can be told another address.
 *
 * What is there is public and signed by its vendor, and whoever takes it checks that; so it needs
 * no attested connection and a false mirror can refuse but not deceive.  A path is understood and
 * an item's name put together from it (collateral/plan.h): nothing but items of the store can be
 * reached.  Files are read by a worker, since disks may be slow. */
#include "collateral/plan.h"
#include "crypto/hash.h"
#include "server/internal.h"

#include <stdio.h>
#include <stdlib.h>

static const char STAGE[] = "server.mirror";

enum {
    MAX_CHAIN = 16 << 10, /* bytes of a kept header, before it is escaped */
    TAG = 2 + 64,
};

typedef struct {
    bl_chore     task;
    bl_exchange *exchange;
    bl_need      need;
    char         known[1024]; /* If-None-Match */
    char         tag[TAG + 1];
    bl_item      item;
    blind_code   code;
    blind_error  error;
} lookup;

void bl_api_mirror_done(bl_exchange *e)
{
    lookup *l = e->data;
    if (!l)
        return;
    bl_item_done(&l->item);
    free(l);
}

/* ---- the answer ---- */

/* As the vendors write certificates into a header: what is not unreserved becomes %XX.
 * Source: RFC 3986, section 2. */
static void add_escaped(bl_buf *out, blind_span text)
{
    for (size_t i = 0; i < text.size; i++) {
        uint8_t c = text.data[i];
        if ((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
            (c && strchr("-._~", c)))
            bl_buf_add_u8(out, c);
        else
            bl_buf_printf(out, "%%%02X", c);
    }
}

static void write_fields(const lookup *l, bl_buf *out)
{
    bl_http_write_field(out, "ETag", l->tag);
    bl_http_write_field(out, "Cache-Control", "no-cache"); /* kept, but asked about again */
    if (l->need.header) {
        bl_buf_printf(out, "%s: ", l->need.header);
        add_escaped(out, bl_buf_span(&l->item.header));
        bl_buf_add_str(out, "\r\n");
    }
}

/* "*", or a list that holds the tag; weak ones count.  Source: RFC 9110, section 13.1.2. */
static bool is_known(const lookup *l)
{
    return strcmp(l->known, "*") == 0 || strstr(l->known, l->tag);
}

static void reply(bl_exchange *e)
{
    lookup     *l = e->data;
    bl_auto_buf fields = BL_BUF_EMPTY;
    blind_error err;
    if (l->code != BLIND_OK) {
        bl_reply_error(e, &l->error);
        return;
    }
    write_fields(l, &fields);
    if (bl_buf_check(&fields, STAGE, &err) != BLIND_OK) {
        bl_reply_error(e, &err);
        return;
    }
    bool known = is_known(l);
    if (known)
        bl_buf_clear(&l->item.body);
    bl_reply(e, known ? 304 : 200, known ? NULL : l->need.type, &l->item.body,
             bl_buf_cstr(&fields));
}

/* ---- the worker ---- */

/* One tag for body and header: a chain may be renewed around the same body. */
static blind_code make_tag(lookup *l, blind_error *err)
{
    uint8_t     digest[32];
    bl_auto_buf both = BL_BUF_EMPTY;
    bl_buf_add(&both, bl_buf_span(&l->item.header));
    bl_buf_add_u8(&both, 0);
    bl_buf_add(&both, bl_buf_span(&l->item.body));
    BL_TRY(bl_buf_check(&both, STAGE, err));
    if (bl_sha256(bl_buf_span(&both), digest) != BLIND_OK)
        return blind_fail(err, BLIND_MEMORY, STAGE, "out of memory");
    bl_hex_encode(bl_span(digest, sizeof digest), l->tag + 1);
    l->tag[0] = l->tag[TAG - 1] = '"';
    l->tag[TAG] = 0;
    return BLIND_OK;
}

static blind_code read_item(lookup *l, blind_error *err)
{
    const char *dir = l->exchange->server->config->collateral_dir;
    BL_TRY(bl_store_read(dir, l->need.name, &l->item, err));
    if (l->need.header && (l->item.header.size == 0 || l->item.header.size > MAX_CHAIN))
        return blind_fail(err, BLIND_NOT_FOUND, STAGE,
                          "'%s' was kept without its '%s': fetch it again", l->need.name,
                          l->need.header);
    return make_tag(l, err);
}

static void work(bl_chore *chore)
{
    lookup      *l = (lookup *)chore;
    bl_exchange *e = l->exchange;
    l->code = read_item(l, &l->error);
    bl_exchange_post(e, reply);
    bl_exchange_release(e);
}

blind_code bl_api_mirror(bl_exchange *e, blind_error *err)
{
    bl_need    need;
    blind_span path, query, known = bl_http_field_get(e->head, "if-none-match");
    if (!*e->server->config->collateral_dir)
        return blind_fail(err, BLIND_NOT_FOUND, STAGE, "this server keeps no collateral");
    bl_http_target_split(e->head->target, &path, &query);
    BL_TRY(bl_need_at(path, query, &need, err));
    lookup *l = calloc(1, sizeof *l);
    if (!l)
        return blind_fail(err, BLIND_MEMORY, STAGE, "out of memory");
    l->exchange = e;
    l->need = need;
    snprintf(l->known, sizeof l->known, "%.*s", (int)known.size,
             known.size ? (const char *)known.data : "");
    l->task.run = work;
    e->data = l;
    bl_exchange_retain(e);
    bl_worker_submit(e->server->worker, &l->task);
    return BLIND_OK;
}
