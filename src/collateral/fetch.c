/* Fetching by libcurl.  What arrives is believed by nobody: it authenticates itself when evidence
 * is verified. */
#include "collateral/fetch.h"

#include <curl/curl.h>
#include <stdlib.h>
#include <strings.h>
#include <time.h>

static const char STAGE[] = "collateral.fetch";

enum {
    ATTEMPTS = 5,
    TIMEOUT_S = 30,
    FIRST_WAIT_MS = 500,
    LONGEST_WAIT_MS = 60000,
    MAX_HEADER = 64 << 10,
};

/* One try. */
typedef struct {
    const char *wanted; /* header to keep */
    bl_buf      body;
    bl_buf      header;
    char        etag[256];
    bool        has_header;
    long        status;
    curl_off_t  retry_after_s;
} answer;

static void answer_done(answer *a)
{
    bl_buf_done(&a->body);
    bl_buf_done(&a->header);
}

static size_t take_body(char *data, size_t size, size_t count, void *arg)
{
    answer *a = arg;
    bl_buf_add(&a->body, bl_span(data, size * count));
    return bl_buf_ok(&a->body) ? count : 0;
}

/* The value of "Name: value\r\n" when the name is this one; empty else. */
static blind_span header_value(const char *line, size_t size, const char *name)
{
    size_t n = strlen(name);
    if (size <= n || strncasecmp(line, name, n) != 0 || line[n] != ':')
        return (blind_span){ 0 };
    const char *from = line + n + 1, *to = line + size;
    while (from < to && (*from == ' ' || *from == '\t'))
        from++;
    while (to > from && strchr(" \t\r\n", to[-1]))
        to--;
    return bl_span(from, (size_t)(to - from));
}

static int hex_digit(uint8_t c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

static void add_decoded(bl_buf *b, blind_span text)
{
    for (size_t i = 0; i < text.size; i++) {
        if (text.data[i] == '%' && i + 2 < text.size && hex_digit(text.data[i + 1]) >= 0 &&
            hex_digit(text.data[i + 2]) >= 0) {
            bl_buf_add_u8(
                b, (uint8_t)(hex_digit(text.data[i + 1]) << 4 | hex_digit(text.data[i + 2])));
            i += 2;
        } else {
            bl_buf_add_u8(b, text.data[i]);
        }
    }
}

static size_t take_header(char *line, size_t size, size_t count, void *arg)
{
    answer    *a = arg;
    size_t     total = size * count;
    blind_span value = header_value(line, total, "etag");
    if (value.size && value.size < sizeof a->etag) {
        memcpy(a->etag, value.data, value.size);
        a->etag[value.size] = 0;
    }
    if (a->wanted && (value = header_value(line, total, a->wanted)).size) {
        bl_buf_clear(&a->header);
        add_decoded(&a->header, value);
        a->has_header = bl_buf_ok(&a->header);
    }
    return count;
}

/* ---- one try ---- */

static blind_code code_of(CURLcode result)
{
    switch (result) {
    case CURLE_OPERATION_TIMEDOUT:
        return BLIND_TIMEOUT;
    case CURLE_OUT_OF_MEMORY:
        return BLIND_MEMORY;
    case CURLE_WRITE_ERROR: /* our own bound on the body */
        return BLIND_LIMIT;
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CACERT_BADFILE:
        return BLIND_TLS;
    case CURLE_URL_MALFORMAT:
    case CURLE_UNSUPPORTED_PROTOCOL:
        return BLIND_USAGE;
    default:
        return BLIND_NETWORK;
    }
}

static void set_up(CURL *curl, const bl_fetch_options *o, const char *url, answer *a)
{
    curl_easy_setopt(curl, CURLOPT_URL, url);
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "https");
    curl_easy_setopt(curl, CURLOPT_REDIR_PROTOCOLS_STR, "https");
    curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 1L);
    curl_easy_setopt(curl, CURLOPT_MAXREDIRS, 3L);
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT, (long)(o->timeout_s > 0 ? o->timeout_s : TIMEOUT_S));
    curl_easy_setopt(curl, CURLOPT_USERAGENT, "blind-collateral/1");
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take_body);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, a);
    curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, take_header);
    curl_easy_setopt(curl, CURLOPT_HEADERDATA, a);
    if (o->ca_file)
        curl_easy_setopt(curl, CURLOPT_CAINFO, o->ca_file);
}

static blind_code try_once(const bl_fetch_options *o, const char *url, const char *etag, answer *a,
                           blind_error *err)
{
    char               match[300], why[CURL_ERROR_SIZE] = "";
    CURL              *curl = curl_easy_init();
    struct curl_slist *headers = NULL;
    a->body.max = BL_MAX_COLLATERAL;
    a->header.max = MAX_HEADER;
    if (!curl)
        return blind_fail(err, BLIND_MEMORY, STAGE, "out of memory");
    set_up(curl, o, url, a);
    curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, why);
    if (*etag) {
        snprintf(match, sizeof match, "If-None-Match: %s", etag);
        headers = curl_slist_append(NULL, match);
        curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
    }
    CURLcode result = curl_easy_perform(curl);
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &a->status);
    curl_easy_getinfo(curl, CURLINFO_RETRY_AFTER, &a->retry_after_s);
    curl_slist_free_all(headers);
    curl_easy_cleanup(curl);
    if (result == CURLE_OK)
        return BLIND_OK;
    return blind_fail(err, code_of(result), STAGE, "%s: %s", url,
                      *why ? why : curl_easy_strerror(result));
}

/* ---- patience ---- */

static void sleep_ms(int ms)
{
    struct timespec t = { .tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000 };
    nanosleep(&t, NULL);
}

static bool is_worth_another_try(blind_code code, long status)
{
    if (code != BLIND_OK)
        return code == BLIND_NETWORK || code == BLIND_TIMEOUT;
    return status == 429 || status == 408 || status >= 500;
}

/* What the vendor asks for, else twice as long each time. */
static int wait_of(const answer *a, int attempt)
{
    int64_t ms = (int64_t)FIRST_WAIT_MS << BL_MIN(attempt, 16);
    if (a->retry_after_s > 0)
        ms = (int64_t)BL_MIN(a->retry_after_s, LONGEST_WAIT_MS / 1000) * 1000;
    return (int)BL_MIN(ms, LONGEST_WAIT_MS);
}

static blind_code judge_status(const char *url, const answer *a, blind_error *err)
{
    if (a->status == 200 && a->wanted && !a->has_header)
        return blind_fail(err, BLIND_PROTOCOL, STAGE, "%s: an answer without '%s'", url, a->wanted);
    if (a->status == 200 && a->body.size == 0)
        return blind_fail(err, BLIND_PROTOCOL, STAGE, "%s: an empty answer", url);
    if (a->status == 200 || a->status == 304)
        return BLIND_OK;
    return blind_fail(err,
                      a->status == 404   ? BLIND_NOT_FOUND
                      : a->status == 429 ? BLIND_BUSY
                                         : BLIND_SERVER,
                      STAGE, "%s: HTTP status %ld", url, a->status);
}

static blind_code ask(const bl_fetch_options *o, const char *url, const char *header,
                      const char *etag, answer *a, blind_error *err)
{
    int attempts = o->attempts > 0 ? o->attempts : ATTEMPTS;
    for (int attempt = 0;; attempt++) {
        *a = (answer){ .wanted = header };
        blind_code code = try_once(o, url, etag, a, err);
        if (attempt + 1 == attempts || !is_worth_another_try(code, a->status))
            return code == BLIND_OK ? judge_status(url, a, err) : code;
        (o->wait_ms ? o->wait_ms : sleep_ms)(wait_of(a, attempt));
        answer_done(a);
    }
}

/* ---- through the store ---- */

static blind_code keep(const bl_fetch_options *o, const char *url, const char *name, answer *a,
                       bl_item *out, blind_error *err)
{
    bl_item_done(out);
    *out = (bl_item){ .body = a->body, .header = a->header, .fetched_at = o->now_s };
    a->body = a->header = BL_BUF_EMPTY;
    memcpy(out->etag, a->etag, sizeof out->etag);
    snprintf(out->url, sizeof out->url, "%s", url);
    return bl_store_write(o->dir, name, out, err);
}

blind_code bl_fetch(const bl_fetch_options *o, const char *url, const char *name,
                    const char *header, bl_item *out, bl_fetch_outcome *outcome, blind_error *err)
{
    answer      a = { 0 };
    blind_error why;
    blind_code  code = bl_store_read(o->dir, name, out, &why);
    bool        there = code == BLIND_OK && (!header || out->header.size);
    if (code != BLIND_OK && code != BLIND_NOT_FOUND)
        return blind_fail(err, code, STAGE, "%s", why.message);
    if (there && o->max_age_s > 0 && o->now_s - out->fetched_at < o->max_age_s) {
        *outcome = BL_KEPT;
        return BLIND_OK;
    }
    code = ask(o, url, header, there ? out->etag : "", &a, err);
    if (code == BLIND_OK && a.status == 304) {
        *outcome = BL_UNCHANGED;
        out->fetched_at = o->now_s;
        code = there ? bl_store_write(o->dir, name, out, err)
                     : blind_fail(err, BLIND_PROTOCOL, STAGE, "%s: unasked status 304", url);
    } else if (code == BLIND_OK) {
        *outcome = BL_FETCHED;
        code = keep(o, url, name, &a, out, err);
    } else if (there && code != BLIND_MEMORY) {
        *outcome = BL_OLD;
        code = BLIND_OK;
    }
    answer_done(&a);
    if (code != BLIND_OK)
        bl_item_done(out);
    return code;
}
