/* One write() per line, so that threads and processes can share a file. */
#include "base/log.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/utf8.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdatomic.h>
#include <time.h>
#include <unistd.h>

enum { MAX_NAME = 128, MAX_LINE = 4096 };

static const char *const levels[] = { "off", "error", "warn", "info", "debug" };

static struct {
    atomic_int level, format, fd;
} state = { .fd = -1 };

void bl_log_open(bl_log_level level, bl_log_format format, int fd)
{
    atomic_store(&state.fd, fd);
    atomic_store(&state.format, (int)format);
    atomic_store(&state.level, (int)level);
}

bool bl_log_on(bl_log_level level)
{
    return level != BL_LOG_OFF && (int)level <= atomic_load(&state.level);
}

bool bl_log_level_parse(const char *word, bl_log_level *out)
{
    for (size_t i = 0; i < BL_LEN(levels); i++)
        if (strcmp(word, levels[i]) == 0) {
            *out = (bl_log_level)i;
            return true;
        }
    return false;
}

/* ---- values ---- */

static void put_time(bl_buf *b)
{
    int64_t   now_ms = bl_clock_wall_ms();
    time_t    now = (time_t)(now_ms / 1000);
    struct tm utc = { 0 };
    char      text[32] = "";
    gmtime_r(&now, &utc);
    strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &utc);
    bl_buf_printf(b, "%s.%03dZ", text, (int)(now_ms % 1000));
}

/* Names can come from strangers: cut, and nothing in them can end a value or a line.  The escapes
 * are JSON's in both formats. */
static void put_escaped(bl_buf *b, const char *name)
{
    blind_span rest = bl_span(name, strnlen(name, MAX_NAME + 1));
    bool       cut = rest.size > MAX_NAME;
    while (rest.size > (cut ? 1u : 0u)) {
        uint32_t c = 0;
        size_t   n = bl_utf8_next(rest, &c);
        if (n == 0) { /* also a character that the cut divides */
            bl_buf_add_str(b, "\\ufffd");
            n = 1;
        } else if (c == '"' || c == '\\') {
            bl_buf_printf(b, "\\%c", (char)c);
        } else if (c < 0x20 || (c >= 0x7f && c < 0xa0) || c == 0x2028 || c == 0x2029) {
            bl_buf_printf(b, "\\u%04x", (unsigned)c);
        } else {
            bl_buf_add(b, bl_span(rest.data, n));
        }
        n = BL_MIN(n, rest.size);
        rest = bl_span(rest.data + n, rest.size - n);
    }
    if (cut)
        bl_buf_add_str(b, "...");
}

static bool is_plain(const char *name)
{
    size_t n =
        strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-/:@+");
    return n > 0 && name[n] == '\0';
}

static void put_name(bl_buf *b, const char *name, bool json)
{
    const char *text = name ? name : "";
    bool        quoted = json || !is_plain(text);
    bl_buf_add_str(b, quoted ? "\"" : "");
    put_escaped(b, text);
    bl_buf_add_str(b, quoted ? "\"" : "");
}

static void put_value(bl_buf *b, const bl_log_field *f, bool json)
{
    switch (f->kind) {
    case BL_LOG_FIELD_INT:
        bl_buf_printf(b, "%" PRId64, f->i);
        break;
    case BL_LOG_FIELD_UINT:
        bl_buf_printf(b, "%" PRIu64, f->u);
        break;
    case BL_LOG_FIELD_REAL:
        bl_buf_printf(b, "%.3f", isfinite(f->real) ? f->real : -1.0);
        break;
    default:
        put_name(b, f->name, json);
    }
}

/* ---- lines ---- */

static void put_text(bl_buf *b, bl_log_level level, const char *event, const bl_log_field *fields)
{
    put_time(b);
    bl_buf_printf(b, " %s %s", levels[level], event);
    for (const bl_log_field *f = fields; f->kind != BL_LOG_FIELD_END; f++) {
        bl_buf_printf(b, " %s=", f->key);
        put_value(b, f, false);
    }
}

static void put_json(bl_buf *b, bl_log_level level, const char *event, const bl_log_field *fields)
{
    bl_buf_add_str(b, "{\"time\":\"");
    put_time(b);
    bl_buf_printf(b, "\",\"level\":\"%s\",\"event\":\"%s\"", levels[level], event);
    for (const bl_log_field *f = fields; f->kind != BL_LOG_FIELD_END; f++) {
        bl_buf_printf(b, ",\"%s\":", f->key);
        put_value(b, f, true);
    }
    bl_buf_add_str(b, "}");
}

void bl_log_write(bl_log_level level, const char *event, const bl_log_field *fields)
{
    int         fd = atomic_load(&state.fd), saved = errno;
    bl_auto_buf line = { .max = MAX_LINE };
    if (!bl_log_on(level) || fd < 0)
        return;
    if (atomic_load(&state.format) == BL_LOG_JSON)
        put_json(&line, level, event, fields);
    else
        put_text(&line, level, event, fields);
    bl_buf_add_u8(&line, '\n');
    if (bl_buf_ok(&line)) {
        ssize_t n;
        do
            n = write(fd, line.data, line.size);
        while (n < 0 && errno == EINTR);
    }
    errno = saved;
}
