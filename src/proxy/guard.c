/* Who may ask.
 *
 * A page of another site that a browser shows must neither ask through the proxy nor read what it
 * answers: requests with an Origin, or that say they come from another site, are refused, and so is
 * any Host but an address or localhost, which is how a name that was bound anew to this machine is
 * known (DNS rebinding).  Other users of the machine are kept out by the key.
 *
 * Sources: W3C, "Fetch Metadata Request Headers"; RFC 6454, section 7 (Origin); RFC 9110, section
 * 7.2 (Host). */
#include "proxy/internal.h"

#include <arpa/inet.h>

/* "name", "name:port", "[v6]:port" without what follows the name; {0} when it is none of them. */
static blind_span host_name(blind_span host)
{
    const uint8_t *end = NULL;
    if (host.size && host.data[0] == '[') {
        end = memchr(host.data, ']', host.size);
        return end ? bl_span(host.data + 1, (size_t)(end - host.data) - 1) : (blind_span){ 0 };
    }
    end = host.size ? memchr(host.data, ':', host.size) : NULL;
    return end ? bl_span(host.data, (size_t)(end - host.data)) : host;
}

static bool is_address(blind_span name)
{
    char    text[64];
    uint8_t parsed[16];
    if (name.size >= sizeof text)
        return false;
    memcpy(text, name.data, name.size);
    text[name.size] = 0;
    return inet_pton(AF_INET, text, parsed) == 1 || inet_pton(AF_INET6, text, parsed) == 1;
}

static bool host_is_ours(const bl_http_head *head)
{
    blind_span name = host_name(bl_http_field_get(head, "host"));
    if (name.size == 0)
        return false;
    return bl_http_equal(name, "localhost") || is_address(name);
}

/* Same-origin requests of a page that this very address served carry Origin, too; the proxy serves
 * no pages, so there is none to allow. */
static bool from_a_page(const bl_http_head *head)
{
    blind_span site = bl_http_field_get(head, "sec-fetch-site");
    if (bl_http_field_count(head, "origin"))
        return true;
    return site.size && !bl_http_equal(site, "none");
}

static bool has_key(const bl_http_head *head, const char *key)
{
    static const char scheme[] = "bearer ";
    blind_span        given = bl_http_field_get(head, "authorization");
    size_t            n = sizeof scheme - 1;
    if (bl_http_field_count(head, "authorization") != 1 || given.size < n ||
        !bl_http_equal(bl_span(given.data, n), scheme))
        return false;
    return bl_equal_secret(bl_span(given.data + n, given.size - n), bl_span_str(key));
}

int bl_guard_check(const bl_proxy_options *options, const bl_http_head *head, const char **why)
{
    *why = NULL;
    if (!host_is_ours(head)) {
        *why = "the Host of a request is an address or localhost: others are refused, so that no "
               "site can bind its name to this proxy";
        return 403;
    }
    if (from_a_page(head)) {
        *why = "requests of web pages are refused";
        return 403;
    }
    if (options->local_key && !has_key(head, options->local_key)) {
        *why = "this proxy wants its local key as bearer token";
        return 401;
    }
    if (bl_http_equal(head->method, "TRACE") || bl_http_equal(head->method, "CONNECT")) {
        *why = "this method is not forwarded";
        return 405;
    }
    return 0;
}
