/* Steps on sound: one channel of samples from -1 to 1. */
#include "base/reader.h"
#include "pipeline/step.h"

#include <math.h>

enum { MAX_RATE = 1000000, MAX_CHANNELS = 32, MAX_FRAME = 1 << 20 };

/* decode_audio: the bytes of a WAV file to F32 [samples].  ------------------------------------- */

typedef struct {
    int64_t rate; /* that the file must have; 0: any */
} decode_params;

/* What a WAV file says of itself.  Source: Microsoft, Multimedia Programming Interface 1.0, RIFF
 * WAVE; WAVE_FORMAT_EXTENSIBLE of 2001. */
typedef struct {
    uint16_t   format; /* 1: integers, 3: IEEE floats */
    uint16_t   channels, bits;
    uint32_t   rate;
    blind_span data;
} wav;

static blind_code decode_prepare(const bl_step_build *b, void **params)
{
    decode_params *p;
    BL_TRY(bl_step_params(b, sizeof *p, &p));
    BL_TRY(bl_step_int(b, "rate", 0, 1, MAX_RATE, &p->rate));
    *params = p;
    return BLIND_OK;
}

static void read_format(blind_span chunk, wav *out)
{
    bl_reader r = { .rest = chunk };
    out->format = bl_read_u16le(&r);
    out->channels = bl_read_u16le(&r);
    out->rate = bl_read_u32le(&r);
    bl_skip(&r, 6);
    out->bits = bl_read_u16le(&r);
    if (out->format == 0xfffe) { /* extensible: the format leads the GUID */
        bl_skip(&r, 8);
        out->format = bl_read_u16le(&r);
    }
    if (r.failed)
        out->channels = 0;
}

static bool read_wav(blind_span file, wav *out)
{
    bl_reader r = { .rest = file };
    *out = (wav){ 0 };
    if (!bl_span_equal(bl_read_bytes(&r, 4), BL_LITERAL("RIFF")))
        return false;
    bl_skip(&r, 4);
    if (!bl_span_equal(bl_read_bytes(&r, 4), BL_LITERAL("WAVE")))
        return false;
    while (!r.failed && r.rest.size >= 8 && !out->data.data) {
        blind_span id = bl_read_bytes(&r, 4);
        uint32_t   size = bl_read_u32le(&r);
        if (bl_span_equal(id, BL_LITERAL("data")))
            out->data = bl_span(r.rest.data, BL_MIN(size, r.rest.size)); /* streams write a guess */
        else if (bl_span_equal(id, BL_LITERAL("fmt ")))
            read_format(bl_read_bytes(&r, size), out);
        else
            bl_skip(&r, size);
        if (size & 1 && r.rest.size && !out->data.data)
            bl_skip(&r, 1);
    }
    return !r.failed && out->data.data && out->channels >= 1 && out->channels <= MAX_CHANNELS;
}

static double sample(const wav *w, const uint8_t *at)
{
    bl_reader r = { .rest = bl_span(at, w->bits / 8u) };
    switch (w->format * 100 + w->bits) {
    case 108:
        return (bl_read_u8(&r) - 128) / 128.0;
    case 116:
        return (int16_t)bl_read_u16le(&r) / 32768.0;
    case 124:
        return (int32_t)((uint32_t)(at[0] | at[1] << 8 | at[2] << 16) << 8) / 2147483648.0;
    case 132:
        return (int32_t)bl_read_u32le(&r) / 2147483648.0;
    default:
        break;
    }
    uint32_t bits = bl_read_u32le(&r);
    float    value;
    memcpy(&value, &bits, sizeof value);
    return (double)value;
}

static bool known(const wav *w)
{
    return (w->format == 1 && (w->bits == 8 || w->bits == 16 || w->bits == 24 || w->bits == 32)) ||
           (w->format == 3 && w->bits == 32);
}

static blind_code decode_run(const void *params, bl_step_run *r)
{
    const decode_params *p = params;
    blind_span           file = bl_span(r->t.data, r->t.size);
    wav                  w;
    BL_TRY(bl_step_want(r, "decode_audio", BLIND_U8, 1));
    if (!read_wav(file, &w) || !known(&w))
        return blind_fail(r->err, BLIND_INPUT, "pipeline.audio",
                          "no WAV file of 8, 16, 24 or 32 bits");
    if (p->rate && w.rate != p->rate)
        return blind_fail(r->err, BLIND_INPUT, "pipeline.audio",
                          "%u samples a second, expected %lld", w.rate, (long long)p->rate);
    size_t  width = w.bits / 8u, frame = width * w.channels;
    int64_t len = (int64_t)(w.data.size / frame);
    BL_TRY(bl_step_tensor(r, BLIND_F32, 1, &len, &r->t));
    for (int64_t i = 0; i < len; i++) {
        double sum = 0;
        for (size_t c = 0; c < w.channels; c++)
            sum += sample(&w, w.data.data + (size_t)i * frame + c * width);
        ((float *)r->t.data)[i] = (float)(sum / w.channels);
    }
    return BLIND_OK;
}

/* frame: F32 [samples] to [frames, length], each `hop` samples after the one before, times a Hann
 * window where asked; what does not fill a frame is left out.  --------------------------------- */

typedef struct {
    int64_t length, hop;
    int     window;
} frame_params;

static blind_code frame_prepare(const bl_step_build *b, void **params)
{
    static const char *const windows[] = { "none", "hann" };
    frame_params            *p;
    BL_TRY(bl_step_params(b, sizeof *p, &p));
    BL_TRY(bl_step_int(b, "length", 0, 1, MAX_FRAME, &p->length));
    BL_TRY(bl_step_int(b, "hop", p->length, 1, MAX_FRAME, &p->hop));
    BL_TRY(bl_step_choice(b, "window", windows, BL_LEN(windows), &p->window));
    if (!p->length)
        return bl_step_fail(b, NULL, "expected length");
    *params = p;
    return BLIND_OK;
}

static blind_code frame_run(const void *params, bl_step_run *r)
{
    const frame_params *p = params;
    blind_tensor        out;
    BL_TRY(bl_step_to_f32(r, "frame"));
    BL_TRY(bl_step_want(r, "frame", BLIND_F32, 1));
    int64_t len = r->t.shape[0], frames = len < p->length ? 0 : (len - p->length) / p->hop + 1;
    if (frames == 0)
        return blind_fail(r->err, BLIND_INPUT, "pipeline.frame",
                          "%lld samples, fewer than a frame of %lld", (long long)len,
                          (long long)p->length);
    BL_TRY(bl_step_tensor(r, BLIND_F32, 2, (int64_t[]){ frames, p->length }, &out));
    float *to = out.data;
    for (int64_t f = 0; f < frames; f++)
        for (int64_t i = 0; i < p->length; i++) {
            double hann = 0.5 - 0.5 * cos(2 * M_PI * (double)i / (double)p->length);
            *to++ = ((const float *)r->t.data)[f * p->hop + i] * (p->window ? (float)hann : 1);
        }
    r->t = out;
    return BLIND_OK;
}

/* standardise: mean 0, variance 1 over the whole tensor, as wav2vec2 wants it.  ---------------- */

static blind_code standardise_prepare(const bl_step_build *b, void **params)
{
    (void)b;
    *params = NULL;
    return BLIND_OK;
}

static blind_code standardise_run(const void *params, bl_step_run *r)
{
    blind_tensor out;
    double       sum = 0, squares = 0;
    (void)params;
    BL_TRY(bl_step_to_f32(r, "standardise"));
    BL_TRY(bl_step_tensor(r, BLIND_F32, r->t.rank, r->t.shape, &out));
    const float *x = r->t.data;
    size_t       len = bl_step_len(&out);
    for (size_t i = 0; i < len; i++)
        sum += (double)x[i];
    double mean = sum / (double)BL_MAX(len, 1);
    for (size_t i = 0; i < len; i++)
        squares += ((double)x[i] - mean) * ((double)x[i] - mean);
    double scale = 1 / sqrt(squares / (double)BL_MAX(len, 1) + 1e-7);
    for (size_t i = 0; i < len; i++)
        ((float *)out.data)[i] = (float)(((double)x[i] - mean) * scale);
    r->t = out;
    return BLIND_OK;
}

const bl_step_row bl_audio_steps[] = {
    { "decode_audio", { "rate" }, BLIND_U8, 1, BLIND_F32, decode_prepare, decode_run },
    { "frame", { "length", "hop", "window" }, BLIND_F32, 1, BLIND_F32, frame_prepare, frame_run },
    { "standardise", { NULL }, BLIND_F32, -1, BLIND_F32, standardise_prepare, standardise_run },
    { .name = NULL },
};
