/* HTTP/1.1 messages in pieces: the first byte says how long a piece is, the rest is the stream. */
#ifndef FUZZ_HTTP_MESSAGES_H
#define FUZZ_HTTP_MESSAGES_H

#include "http/message.h"

/* What callers ask of a head. */
static inline void fuzz_http_look(const bl_http_head *head)
{
    blind_span path, query;
    char       segment[32];
    bool       bad;
    uint64_t   n;
    (void)bl_http_media_type(bl_http_field_get(head, "content-type"));
    (void)bl_http_number(bl_http_field_get(head, "inference-header-content-length"), &n);
    bl_http_target_split(head->target, &path, &query);
    while (bl_http_path_next(&path, segment, sizeof segment, &bad))
        if (memchr(segment, 0, sizeof segment) == NULL)
            __builtin_trap();
}

static inline void fuzz_http_messages(bl_http_kind kind, const uint8_t *data, size_t size)
{
    static const bl_http_limits limits = { .head_max = 4096, .body_max = 65536 };
    bl_http_parser              p;
    if (size == 0)
        return;
    size_t     step = data[0] ? data[0] : size;
    blind_span rest = { data + 1, size - 1 };
    bl_http_parser_init(&p, kind, &limits);
    for (;;) {
        bl_http_event event;
        blind_span    body, piece = { rest.data, BL_MIN(step, rest.size) };
        size_t        used;
        if (bl_http_parse(&p, piece, &used, &event, &body, NULL) != BLIND_OK)
            break;
        rest = bl_span(rest.data + used, rest.size - used);
        if (event == BL_HTTP_HEAD)
            fuzz_http_look(&p.head);
        if (event == BL_HTTP_END)
            bl_http_parser_next(&p);
        else if (event == BL_HTTP_MORE && rest.size == 0)
            break;
    }
    if (p.refusal == 0)
        (void)!bl_http_parse_eof(&p, NULL);
    bl_http_parser_done(&p);
}

#endif
