/* GPU reports for tests. */
#include "tests/attest/nvidia_made.h"

void gpu_certify(gpu_world *w)
{
    w->chain.size = 0;
    make_cert(&w->leaf_options, &w->chain);
    make_cert(&w->root_options, &w->chain);
}

void gpu_init(gpu_world *w)
{
    *w = (gpu_world){ .root = make_key(MAKE_P384), .leaf = make_key(MAKE_P384) };
    w->root_options = make_root_options(w->root, GPU_NOW - 1000, GPU_NOW + 1000);
    w->leaf_options =
        make_issued_options(w->leaf, "gpu", &w->root_options, GPU_NOW - 100, GPU_NOW + 100);
    w->leaf_options.serial = 0x1234;
    make_trusted(w->root, &w->spki, &w->anchor, &w->roots);
    memset(w->digest, 7, 48);
    memset(w->fwid, 9, 48);
    memcpy(w->nonce, GPU_NONCE, 32);
    gpu_certify(w);
}

void gpu_done(gpu_world *w)
{
    EVP_PKEY_free(w->root);
    EVP_PKEY_free(w->leaf);
    bl_buf_done(&w->spki);
    bl_buf_done(&w->chain);
    bl_buf_done(&w->tcb_info);
}

void gpu_certify_fwid(gpu_world *w, const uint8_t fwid[48])
{
    static const uint8_t head[] = { 0x30, 0x3f, 0xa6, 0x3d, 0x30, 0x3b, 0x06, 0x07, 0x60,
                                    0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x04, 0x30 };
    bl_buf_clear(&w->tcb_info);
    bl_buf_add(&w->tcb_info, bl_span(head, sizeof head));
    bl_buf_add(&w->tcb_info, bl_span(fwid, 48));
    w->extension = (make_extension){ "2.23.133.5.4.1.1", bl_buf_span(&w->tcb_info), false };
    w->leaf_options.extensions = &w->extension;
    w->leaf_options.extensions_len = 1;
    gpu_certify(w);
}

void gpu_put_block(bl_buf *out, uint8_t index, blind_span digest)
{
    bl_buf_add_u8(out, index);
    bl_buf_add_u8(out, 1);
    bl_buf_add_le(out, digest.size + 3, 2);
    bl_buf_add_u8(out, 1);
    bl_buf_add_le(out, digest.size, 2);
    bl_buf_add(out, digest);
}

void gpu_put_opaque(bl_buf *out, uint16_t type, blind_span value)
{
    bl_buf_add_le(out, type, 2);
    bl_buf_add_le(out, value.size, 2);
    bl_buf_add(out, value);
}

void gpu_make(const gpu_world *w, size_t blocks, const bl_buf *record, const bl_buf *opaque,
              bl_buf *out)
{
    bl_buf_clear(out);
    bl_buf_add(out, BL_LITERAL("\x11\xe0\x01\xff"));
    bl_buf_add(out, bl_span(w->nonce, 32));
    bl_buf_add_u8(out, 0);
    bl_buf_add(out, BL_LITERAL("\x11\x60\x00\x00"));
    bl_buf_add_u8(out, (uint8_t)blocks);
    bl_buf_add_le(out, record->size, 3);
    bl_buf_add(out, bl_buf_span(record));
    bl_buf_add(out, BL_LITERAL("ffffffffffffffffffffffffffffffff"));
    bl_buf_add_le(out, opaque->size, 2);
    bl_buf_add(out, bl_buf_span(opaque));
    make_signature(w->leaf, MAKE_RAW, "SHA384", bl_buf_span(out), out);
}

void gpu_make_usual(const gpu_world *w, bl_buf *out)
{
    bl_auto_buf record = BL_BUF_EMPTY, opaque = BL_BUF_EMPTY;
    gpu_put_block(&record, 1, bl_span(w->digest, 48));
    gpu_put_block(&record, 64, bl_span(w->fwid, 48));
    gpu_put_opaque(&opaque, 6, BL_LITERAL("\x00\x5e\x00\x96\x01\x00\x00\x00"));
    gpu_put_opaque(&opaque, 3, BL_LITERAL("535.86.09\0"));
    gpu_put_opaque(&opaque, 14, BL_LITERAL("\xb1\x03\x00\x00"));
    gpu_put_opaque(&opaque, 15, BL_LITERAL("882\0"));
    gpu_put_opaque(&opaque, 20, bl_span(w->fwid, 48));
    gpu_put_opaque(&opaque, 99, BL_LITERAL("?"));
    gpu_make(w, 2, &record, &opaque, out);
}
