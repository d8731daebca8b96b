/* Bindings, Merkle trees and the value that report data holds.  Source: docs/formats/bundle.md,
 * "binding". */
#include "attest/binding.h"

#include "base/buf.h"

#include <stdlib.h>

/* Labels differ in their eighth byte: neither kind of evidence passes for the other. */
static const char REPORT_LABEL[] = "blind report v1";
static const char CERT_LABEL[] = "blind cert v1";

/* SHA-256 of three parts, of which the last two may be empty. */
static blind_code hash_parts(blind_span a, blind_span b, blind_span c, uint8_t out[32])
{
    bl_auto_hasher h = BL_HASHER_EMPTY;
    bl_hasher_init(&h, BL_SHA256);
    bl_hasher_update(&h, a);
    bl_hasher_update(&h, b);
    bl_hasher_update(&h, c);
    return bl_hasher_final(&h, out);
}

blind_code bl_binding(blind_span spki, const uint8_t exporter[32], uint8_t out[32])
{
    return hash_parts(spki, bl_span(exporter, 32), (blind_span){ 0 }, out);
}

blind_code bl_binding_leaf(const uint8_t binding[32], uint8_t out[32])
{
    return hash_parts(BL_LITERAL("\0"), bl_span(binding, 32), (blind_span){ 0 }, out);
}

static blind_code node_of(const uint8_t left[32], const uint8_t right[32], uint8_t out[32])
{
    return hash_parts(BL_LITERAL("\1"), bl_span(left, 32), bl_span(right, 32), out);
}

static void put_be(uint8_t *to, uint64_t value, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++)
        to[i] = (uint8_t)(value >> (8 * (bytes - 1 - i)));
}

static blind_code value_of(blind_span label, uint32_t leaves, const uint8_t root[32],
                           const bl_log_state *log, uint8_t out[32])
{
    uint8_t fields[4 + 32 + 8 + 32];
    put_be(fields, leaves, 4);
    memcpy(fields + 4, root, 32);
    put_be(fields + 36, log->len, 8);
    memcpy(fields + 44, log->head, 32);
    return hash_parts(BL_LITERAL("\2"), label, bl_span(fields, sizeof fields), out);
}

blind_code bl_report_value(uint32_t leaves, const uint8_t root[32], const bl_log_state *log,
                           uint8_t out[32])
{
    return value_of(bl_span_str(REPORT_LABEL), leaves, root, log, out);
}

blind_code bl_cert_value(blind_span spki, const bl_log_state *log, uint8_t out[32])
{
    uint8_t digest[32];
    BL_TRY(bl_sha256(spki, digest));
    return bl_cert_value_of(digest, log, out);
}

blind_code bl_cert_value_of(const uint8_t spki_sha256[32], const bl_log_state *log, uint8_t out[32])
{
    return value_of(bl_span_str(CERT_LABEL), 0, spki_sha256, log, out);
}

/* Nodes of a level above one of `len`. */
static uint32_t above(uint32_t len)
{
    return len / 2 + len % 2;
}

static size_t nodes_in_all(uint32_t leaves)
{
    size_t total = leaves;
    for (uint32_t len = leaves; len > 1;) {
        len = above(len);
        total += len;
    }
    return total;
}

static blind_code build(bl_merkle *m)
{
    uint8_t(*level)[32] = m->nodes;
    for (uint32_t len = m->leaves; len > 1; len = above(len)) {
        uint8_t(*next)[32] = level + len;
        for (uint32_t i = 0; i + 1 < len; i += 2)
            BL_TRY(node_of(level[i], level[i + 1], next[i / 2]));
        if (len % 2)
            memcpy(next[len / 2], level[len - 1], 32);
        level = next;
    }
    return BLIND_OK;
}

blind_code bl_merkle_init(bl_merkle *m, const uint8_t (*leaves)[32], uint32_t len, blind_error *err)
{
    *m = (bl_merkle){ 0 };
    if (len == 0 || len > BL_MAX_MERKLE_LEAVES)
        return blind_fail(err, BLIND_LIMIT, "merkle", "%u leaves, expected 1 to %u", len,
                          BL_MAX_MERKLE_LEAVES);
    m->nodes = malloc(nodes_in_all(len) * sizeof *m->nodes);
    m->leaves = len;
    if (m->nodes)
        memcpy(m->nodes, leaves, len * sizeof *m->nodes);
    if (m->nodes && build(m) == BLIND_OK)
        return BLIND_OK;
    bl_merkle_done(m);
    return blind_fail(err, BLIND_MEMORY, "merkle", "out of memory for %u leaves", len);
}

void bl_merkle_done(bl_merkle *m)
{
    free(m->nodes);
    *m = (bl_merkle){ 0 };
}

const uint8_t *bl_merkle_root(const bl_merkle *m)
{
    return m->nodes[nodes_in_all(m->leaves) - 1];
}

size_t bl_merkle_path(const bl_merkle *m, uint32_t index, uint8_t path[BL_MAX_MERKLE_PATH][32])
{
    uint8_t(*level)[32] = m->nodes;
    size_t used = 0;
    for (uint32_t len = m->leaves; len > 1; len = above(len), index /= 2) {
        if ((index ^ 1) < len)
            memcpy(path[used++], level[index ^ 1], 32);
        level += len;
    }
    return used;
}

size_t bl_merkle_path_len(uint32_t index, uint32_t leaves)
{
    size_t used = 0;
    for (uint32_t len = leaves; len > 1; len = above(len), index /= 2)
        used += (index ^ 1) < len;
    return used;
}

blind_code bl_merkle_climb(const uint8_t leaf[32], uint32_t index, uint32_t leaves, blind_span path,
                           uint8_t root[32], blind_error *err)
{
    memset(root, 0, 32);
    if (leaves == 0 || leaves > BL_MAX_MERKLE_LEAVES || index >= leaves)
        return blind_fail(err, BLIND_FORMAT, "merkle", "leaf %u of %u", index, leaves);
    size_t want = 32 * bl_merkle_path_len(index, leaves);
    if (path.size != want)
        return blind_fail(err, BLIND_FORMAT, "merkle", "a path of %zu bytes, expected %zu",
                          path.size, want);
    uint8_t here[32];
    memcpy(here, leaf, 32);
    for (uint32_t len = leaves; len > 1; len = above(len), index /= 2) {
        if ((index ^ 1) >= len)
            continue;
        blind_code code =
            index % 2 ? node_of(path.data, here, here) : node_of(here, path.data, here);
        if (code != BLIND_OK)
            return blind_fail(err, code, "merkle", "cannot hash");
        path = bl_span(path.data + 32, path.size - 32);
    }
    memcpy(root, here, 32);
    return BLIND_OK;
}
