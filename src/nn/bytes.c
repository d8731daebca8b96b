/* Products of bytes: packing, and cutting the work into blocks of rows and chunks of panels, each
 * computed in full by one thread. */
#include "nn/bytes_micro.h"

#include <stdlib.h>

#if defined(__x86_64__)
#include <cpuid.h>
#include <emmintrin.h>
#endif

#define ROW_BLOCK  128
#define MAX_PANELS 8      /* of a chunk */
#define SMALL      200000 /* products not worth a second thread */
#define FEW        16384  /* elements not worth one */

/* The choice of a kernel.  -------------------------------------------------------------------- */

#if defined(__x86_64__)
/* Source: Intel 64 and IA-32 Architectures Software Developer's Manual, volume 2, CPUID, leaf 7. */
static bool has_avx_vnni(void)
{
    unsigned a, b, c, d;
    return __get_cpuid_count(7, 1, &a, &b, &c, &d) && (a & 1u << 4) != 0;
}

static bool has_amx_int8(void)
{
    unsigned a, b, c, d;
    return __get_cpuid_count(7, 0, &a, &b, &c, &d) && (d & 1u << 25) != 0;
}
#endif

static const bl_bytes *const kernels[] = {
    &bl_bytes_scalar,
#if defined(__x86_64__)
    &bl_bytes_avx2,   &bl_bytes_avxvnni, &bl_bytes_avx512, &bl_bytes_vnni, &bl_bytes_amx,
#endif
};

static bool usable(const bl_bytes *k)
{
    bool there = bl_isa_usable(k->isa);
#if defined(__x86_64__)
    if (k == &bl_bytes_avxvnni)
        there = there && has_avx_vnni();
    if (k == &bl_bytes_vnni || k == &bl_bytes_amx)
        there = there && __builtin_cpu_supports("avx512vnni");
    if (k == &bl_bytes_amx)
        there = there && has_amx_int8();
#endif
    return there;
}

const bl_bytes *bl_bytes_for(bl_isa isa)
{
    const bl_bytes *best = &bl_bytes_scalar;
    for (size_t i = 0; i < BL_LEN(kernels); i++)
        if (kernels[i]->isa <= isa && usable(kernels[i]))
            best = kernels[i];
    return best;
}

const bl_bytes *bl_bytes_at(size_t i)
{
    for (size_t k = 0; k < BL_LEN(kernels); k++)
        if (usable(kernels[k]) && i-- == 0)
            return kernels[k];
    return NULL;
}

const char *bl_bytes_name(const bl_bytes *k)
{
    return k->name;
}

/* Packing.  ---------------------------------------------------------------------------------- */

/* Four products of 16 adjacent columns: rows k .. k + 3 become [16][4]. */
static void weave_16(int8_t *to, const uint8_t *b, size_t row, uint8_t flip)
{
#if defined(__x86_64__)
    __m128i x[4], mask = _mm_set1_epi8((char)flip);
    for (size_t i = 0; i < 4; i++)
        x[i] = _mm_xor_si128(_mm_loadu_si128((const __m128i *)(b + i * row)), mask);
    for (size_t half = 0; half < 2; half++) {
        __m128i u = half ? _mm_unpackhi_epi8(x[0], x[1]) : _mm_unpacklo_epi8(x[0], x[1]);
        __m128i v = half ? _mm_unpackhi_epi8(x[2], x[3]) : _mm_unpacklo_epi8(x[2], x[3]);
        _mm_storeu_si128((__m128i *)(to + half * 32), _mm_unpacklo_epi16(u, v));
        _mm_storeu_si128((__m128i *)(to + half * 32 + 16), _mm_unpackhi_epi16(u, v));
    }
#else
    for (size_t j = 0; j < 16; j++)
        for (size_t i = 0; i < 4; i++)
            to[4 * j + i] = (int8_t)(b[i * row + j] ^ flip);
#endif
}

/* Lines of a matrix whose columns are adjacent; false where a line is not full. */
static bool weave_line(const bl_bytes_matrix *m, int8_t *to, const uint8_t *b, size_t at,
                       size_t cols, size_t width, uint8_t flip)
{
    if (m->column != 1 || m->run != 1 || cols != width || at + 4 > m->channels)
        return false;
    for (size_t j = 0; j < width; j += 16)
        weave_16(to + 4 * j, b + at * m->channel + j, m->channel, flip);
    return true;
}

/* Products [at, at + 4) of a segment, for the columns of one panel. */
static void pack_line(const bl_bytes_matrix *m, int8_t *to, const uint8_t *b, size_t at,
                      size_t cols, size_t width, uint8_t flip)
{
    if (weave_line(m, to, b, at, cols, width, flip))
        return;
    memset(to, 0, width * 4);
    for (size_t i = 0; i < 4; i++) {
        size_t tap = (at + i) / m->padded, channel = (at + i) % m->padded;
        if (tap >= m->run || channel >= m->channels)
            continue;
        const uint8_t *from = b + tap * m->tap + channel * m->channel;
        for (size_t j = 0; j < cols; j++)
            to[4 * j + i] = (int8_t)(from[j * m->column] ^ flip);
    }
}

/* Zero points and sums of the columns, once the panel is packed. */
static void pack_head(const bl_bytes *k, const bl_bytes_matrix *m, const bl_segments *ones,
                      const uint8_t *one, size_t width, int32_t *panel, size_t column, size_t cols)
{
    uint32_t products = (uint32_t)(m->segments * m->run * m->channels);
    int32_t  sums[BL_BYTES_TILE] __attribute__((aligned(64)));
    k->tile(sums, 1, one, 0, false, ones, (const int8_t *)(panel + BL_BYTES_HEAD * width), NULL,
            NULL);
    for (size_t j = 0; j < width; j++) {
        int32_t zero = j < cols && m->zero ? m->zero[column + j] : 0;
        zero = (int32_t)((uint32_t)zero - (m->is_signed ? 0u : 128u));
        zero = j < cols ? zero : 0;
        panel[j] = (int32_t)((uint32_t)sums[j] - products * (uint32_t)zero);
        panel[width + j] = zero;
    }
}

static void pack_panel(const bl_bytes *k, const bl_bytes_matrix *m, const bl_packed *p,
                       const bl_segments *ones, const uint8_t *one, size_t group, size_t panel)
{
    size_t         width = p->width, column = panel * width, cols = BL_MIN(width, m->n - column);
    int32_t       *to = (int32_t *)(void *)p->data + group * p->group_stride + panel * p->k * width;
    int8_t        *line = (int8_t *)(to + BL_BYTES_HEAD * width);
    const uint8_t *b = (const uint8_t *)m->data + group * m->group + column * m->column;
    for (size_t s = 0; s < m->segments; s++)
        for (size_t i = 0; i < ones->steps; i++, line += 4 * width)
            pack_line(m, line, b + s * m->segment, 4 * i, cols, width, m->is_signed ? 0 : 0x80);
    pack_head(k, m, ones, one, width, to, group * m->n + column, cols);
}

blind_code bl_bytes_pack(const bl_bytes *k, const bl_bytes_matrix *m, bl_packed **out,
                         blind_error *err)
{
    size_t len = m->run * m->padded, filled = bl_bytes_filled(k, len), lines, size;
    *out = NULL;
    if (!bl_mul(filled / 4, m->segments, &lines) || !bl_add(lines, BL_BYTES_HEAD, &lines) ||
        !bl_mul(m->segments, sizeof(size_t), &size) || !bl_add(size, filled + 64, &size))
        return blind_fail(err, BLIND_LIMIT, "nn.pack", "weights of impossible size");
    bl_auto_free size_t *offset = calloc(1, size); /* all segments are the same ones */
    if (!offset)
        return blind_fail(err, BLIND_MEMORY, "nn.pack", "no memory to pack weights");
    uint8_t *one = (uint8_t *)(offset + m->segments);
    memset(one, 1, filled);
    BL_TRY(bl_packed_new(lines, m->n, m->groups, k->width, BL_LAYOUT_BYTES, out, err));
    bl_segments ones = { .count = m->segments, .len = len, .steps = filled / 4, .offset = offset };
    if (k->begin)
        k->begin();
    for (size_t group = 0; group < m->groups; group++)
        for (size_t panel = 0; panel * k->width < m->n; panel++)
            pack_panel(k, m, *out, &ones, one, group, panel);
    if (k->end)
        k->end();
    return BLIND_OK;
}

blind_code bl_bytes_gemm_pack(const bl_bytes *k, const void *b, bool is_signed, const int32_t *zero,
                              size_t len, size_t n, size_t row_stride, size_t col_stride,
                              bl_packed **out, blind_error *err)
{
    bl_bytes_matrix m = { .data = b,
                          .is_signed = is_signed,
                          .zero = zero,
                          .groups = 1,
                          .n = n,
                          .segments = 1,
                          .run = 1,
                          .channels = len,
                          .padded = BL_MAX(len, (size_t)1),
                          .column = col_stride,
                          .channel = row_stride };
    return bl_bytes_pack(k, &m, out, err);
}

/* Multiplying.  ------------------------------------------------------------------------------ */

static const int32_t *head_of(const bl_bytes_product *p, size_t group, size_t panel)
{
    const bl_packed *b = p->b;
    return (const int32_t *)(const void *)b->data + group * b->group_stride +
           panel * b->k * b->width;
}

static int32_t left_zero(const bl_bytes_product *p)
{
    return (int32_t)((uint32_t)p->a_zero + (p->a_signed && p->k->flips ? 128u : 0u));
}

static void set_columns(const bl_bytes_product *p, const int32_t *head, size_t column, size_t cols,
                        bl_bytes_columns *c)
{
    const bl_bytes_finish *f = &p->finish;
    uint32_t               zero = (uint32_t)left_zero(p);
    memset(c, 0, sizeof *c);
    c->has_shift = f->shift != NULL;
    for (size_t j = 0; j < cols; j++) {
        uint32_t bias = f->bias ? (uint32_t)f->bias[column + j] : 0;
        c->first[j] = (int32_t)(bias - zero * (uint32_t)head[j]);
        c->zero[j] = head[p->k->width + j];
        c->has_zero = c->has_zero || c->zero[j] != 0;
        c->scale[j] = f->times * (f->scale ? f->scale[f->one_scale ? 0 : column + j] : 1);
        c->shift[j] = f->shift ? f->shift[column + j] : 0;
    }
}

static void sum_row(const bl_bytes_product *p, const uint8_t *a, int32_t *out)
{
    uint32_t sum = p->a_signed && p->k->flips ? 128u * (uint32_t)p->products : 0u;
    for (size_t s = 0; s < p->segments.count; s++) {
        const uint8_t *u8 = a + p->segments.offset[s];
        const int8_t  *i8 = (const int8_t *)u8;
        if (p->a_signed)
            for (size_t i = 0; i < p->segments.len; i++) {
                const int32_t x = i8[i]; /* NOLINT(cert-str34-c,bugprone-signed-char-misuse) */
                sum += (uint32_t)x;
            }
        else
            for (size_t i = 0; i < p->segments.len; i++)
                sum += u8[i];
    }
    *out = (int32_t)sum;
}

static size_t out_size(const bl_bytes_finish *f)
{
    return f->to == BL_BYTES_BYTES ? 1 : 4;
}
static size_t add_size(const bl_bytes_finish *f)
{
    return f->to == BL_BYTES_FLOATS ? 4 : 1;
}

/* rows x cols elements between [row][width] and columns that lie apart. */
static void turn_out(char *to, size_t apart, const char *from, size_t width, size_t rows,
                     size_t cols, size_t size)
{
    for (size_t j = 0; j < cols; j++)
        for (size_t i = 0; i < rows; i++)
            memcpy(to + (j * apart + i) * size, from + (i * width + j) * size, size);
}
static void turn_in(char *to, const char *from, size_t apart, size_t width, size_t rows,
                    size_t cols, size_t size)
{
    for (size_t j = 0; j < cols; j++)
        for (size_t i = 0; i < rows; i++)
            memcpy(to + (i * width + j) * size, from + (j * apart + i) * size, size);
}

/* Finishes rows that are adjacent in the output, of which the first is `row`. */
static void store_run(const bl_bytes_product *p, const bl_bytes_columns *c, const int32_t *sums,
                      const int32_t *row_sum, size_t row, size_t rows, size_t column, size_t cols)
{
    const bl_bytes_finish *f = &p->finish;
    size_t                 width = p->k->width, size = out_size(f), of_add = add_size(f);
    size_t      at = p->by_column ? column * p->out_row + row : row * p->out_row + column;
    const char *add = f->add ? (const char *)f->add + at * of_add : NULL;
    if (!p->by_column) {
        p->k->store(f, c, sums, width, row_sum, rows, cols, p->out + at * size, add, p->out_row);
        return;
    }
    char turned[BL_BYTES_TILE * 4] __attribute__((aligned(64))), added[BL_BYTES_TILE * 4];
    if (add)
        turn_in(added, add, p->out_row, width, rows, cols, of_add);
    p->k->store(f, c, sums, width, row_sum, rows, cols, turned, add ? added : NULL, width);
    turn_out(p->out + at * size, p->out_row, turned, width, rows, cols, size);
}

/* Finishes those rows of a tile that count. */
static void store_tile(const bl_bytes_product *p, const bl_bytes_columns *c, const int32_t *sums,
                       const int32_t *row_sum, size_t row, size_t rows, size_t column, size_t cols)
{
    for (size_t r = 0; r < rows;) {
        size_t x = (row + r) % p->pitch, run = BL_MIN(rows - r, p->pitch - x);
        if (x < p->valid)
            store_run(p, c, sums + r * p->k->width, row_sum + r,
                      (row + r) / p->pitch * p->valid + x, BL_MIN(run, p->valid - x), column, cols);
        r += run;
    }
}

/* The rest of an activation, over the rows of a part. */
static void activate(const bl_bytes_product *p, size_t begin, size_t end, size_t column,
                     size_t cols)
{
    const bl_bytes_finish *f = &p->finish;
    if (f->to != BL_BYTES_FLOATS || f->act == BL_UNARY_NONE || f->act == BL_UNARY_RELU)
        return;
    for (size_t r = begin; r < end; r++) {
        float *row =
            (float *)(void *)p->out + (r / p->pitch * p->valid + r % p->pitch) * p->out_row;
        if (r % p->pitch < p->valid)
            p->rest->unary(f->act, row + column, row + column, cols, f->a, f->b, NULL);
    }
}

/* next: the panel that comes after this one, fetched a little at each tile; or NULL */
static void panel_by_block(const bl_bytes_product *p, size_t group, size_t panel, size_t begin,
                           size_t end, const int32_t *row_sum, const int32_t *next)
{
    const bl_bytes *k = p->k;
    const int32_t  *head = head_of(p, group, panel);
    size_t         width = k->width, column = panel * width, cols = BL_MIN(p->b->n - column, width);
    const uint8_t *a = p->a + group * p->a_group;
    const char    *ahead = (const char *)next;
    size_t         tiles = (end - begin + k->rows - 1) / k->rows;
    size_t         share = next ? (bl_bytes_panel_size(p->b) / tiles + 63) / 64 * 64 : 0;
    int32_t        sums[BL_BYTES_TILE] __attribute__((aligned(64)));
    bl_bytes_columns c;
    set_columns(p, head, group * p->b->n + column, cols, &c);
    for (size_t row = begin; row < end; row += k->rows) {
        size_t rows = BL_MIN(k->rows, end - row);
        k->tile(sums, rows, a + row * p->a_row, p->a_row, p->a_signed, &p->segments,
                (const int8_t *)(head + BL_BYTES_HEAD * width), ahead,
                ahead ? ahead + share : NULL);
        ahead = ahead ? ahead + share : NULL;
        store_tile(p, &c, sums, row_sum + (row - begin), row, rows, group * p->b->n + column, cols);
    }
}

static bool has_zeros(const bl_bytes_product *p, size_t group, size_t first, size_t last)
{
    bool any = false;
    for (size_t panel = first; panel < last; panel++)
        for (size_t j = 0; j < p->k->width; j++)
            any = any || head_of(p, group, panel)[p->k->width + j] != 0;
    return any;
}

/* The panel that a thread most likely comes to after the last of a part. */
static const int32_t *panel_after(const bl_bytes_product *p, size_t index)
{
    size_t next = index + p->threads;
    return next < p->groups * p->blocks * p->chunks
               ? head_of(p, next / (p->blocks * p->chunks), next % p->chunks * p->chunk_panels)
               : NULL;
}

static void product_part(void *arg, size_t index, int worker)
{
    (void)worker;
    const bl_bytes_product *p = arg;
    size_t                  group = index / (p->blocks * p->chunks);
    size_t                  block = index % (p->blocks * p->chunks) / p->chunks;
    size_t                  first = index % p->chunks * p->chunk_panels;
    size_t                  last = BL_MIN(first + p->chunk_panels, p->panels);
    size_t  begin = block * p->block_rows, end = BL_MIN(begin + p->block_rows, p->rows);
    int32_t row_sum[ROW_BLOCK] = { 0 };
    if (has_zeros(p, group, first, last))
        for (size_t r = begin; r < end; r++)
            sum_row(p, p->a + group * p->a_group + r * p->a_row, &row_sum[r - begin]);
    if (p->k->begin)
        p->k->begin();
    for (size_t panel = first; panel < last; panel++)
        panel_by_block(p, group, panel, begin, end, row_sum,
                       panel + 1 < last ? head_of(p, group, panel + 1) : panel_after(p, index));
    if (p->k->end)
        p->k->end();
    size_t column = first * p->k->width;
    activate(p, begin, end, group * p->b->n + column, BL_MIN(p->b->n, last * p->k->width) - column);
}

void bl_bytes_multiply(bl_bytes_product *p, bl_pool *pool)
{
    size_t rows = p->k->rows;
    p->panels = (p->b->n + p->k->width - 1) / p->k->width;
    if (p->rows == 0 || p->panels == 0 || p->groups == 0)
        return;
    if ((double)p->rows * (double)p->b->n * (double)p->products * (double)p->groups < SMALL)
        pool = NULL;
    p->block_rows = BL_MIN(ROW_BLOCK / rows * rows, (p->rows + rows - 1) / rows * rows);
    p->threads = (size_t)bl_pool_threads(pool);
    p->blocks = (p->rows + p->block_rows - 1) / p->block_rows;
    size_t wanted = p->panels * p->blocks * p->groups / (4 * (size_t)bl_pool_threads(pool));
    p->chunk_panels = BL_MAX(BL_MIN(wanted, (size_t)MAX_PANELS), (size_t)1);
    p->chunks = (p->panels + p->chunk_panels - 1) / p->chunk_panels;
    bl_pool_run(pool, product_part, p, p->groups * p->blocks * p->chunks);
}

/* Matrices.  --------------------------------------------------------------------------------- */

bool bl_bytes_gemm_scratch(const bl_bytes *k, size_t rows, size_t len, size_t n, size_t *size)
{
    (void)n;
    *size = 0;
    if (len % k->step == 0)
        return true;
    return bl_mul(rows, bl_bytes_filled(k, len), size) && bl_add(*size, 64, size);
}

/* Rows that end between two steps are copied: what is read beyond them must be there. */
static const uint8_t *filled_rows(const bl_bytes *k, const bl_bytes_gemm *g, size_t *stride)
{
    size_t   filled = bl_bytes_filled(k, g->k);
    uint8_t *to = g->scratch;
    *stride = filled;
    if (filled == g->k)
        return g->a;
    for (size_t r = 0; r < g->rows; r++) {
        memcpy(to + r * filled, (const uint8_t *)g->a + r * g->k, g->k);
        memset(to + r * filled + g->k, 0, filled - g->k);
    }
    return to;
}

void bl_bytes_gemm_run(const bl_bytes *k, const bl_kernels *rest, const bl_bytes_gemm *g,
                       bl_pool *pool)
{
    static const size_t none[1] = { 0 };
    bl_bytes_product    p = { .k = k,
                              .rest = rest,
                              .b = g->b,
                              .a_signed = g->a_signed,
                              .a_zero = g->a_zero,
                              .segments = { .count = 1, .len = g->k, .offset = none },
                              .products = g->k,
                              .rows = g->rows,
                              .pitch = BL_MAX(g->rows, (size_t)1),
                              .valid = g->rows,
                              .groups = 1,
                              .finish = g->finish,
                              .out = g->out,
                              .out_row = g->n };
    if (g->rows == 0 || g->n == 0)
        return;
    p.segments.steps = bl_bytes_filled(k, g->k) / 4;
    p.a = filled_rows(k, g, &p.a_row);
    bl_bytes_multiply(&p, pool);
}

/* Between floats and bytes.  ----------------------------------------------------------------- */

typedef struct {
    const bl_bytes *k;
    void           *out;
    const void     *x;
    bool            is_signed;
    size_t          len, parts;
    float           scale;
    int32_t         zero, low, high;
    float          *lows, *highs;
} element_job;

static size_t element_parts(size_t len, bl_pool *pool)
{
    size_t most = 4 * (size_t)bl_pool_threads(pool);
    return BL_MIN(bl_parts(len, FEW, 64), most);
}

static void quantize_part(void *arg, size_t index, int worker)
{
    (void)worker;
    const element_job *j = arg;
    size_t             begin, end;
    bl_part(j->len, j->parts, index, 64, &begin, &end);
    j->k->quantize((char *)j->out + begin, (const float *)j->x + begin, end - begin, j->scale,
                   j->zero, j->low, j->high);
}

void bl_bytes_quantize(const bl_bytes *k, void *out, const float *x, size_t len, float scale,
                       int32_t zero, int32_t low, int32_t high, bl_pool *pool)
{
    element_job j = { .k = k, .out = out, .x = x, .len = len, .scale = scale, .zero = zero };
    j.low = low;
    j.high = high;
    j.parts = element_parts(len, pool);
    bl_pool_run(j.parts > 1 ? pool : NULL, quantize_part, &j, j.parts);
}

static void dequantize_part(void *arg, size_t index, int worker)
{
    (void)worker;
    const element_job *j = arg;
    size_t             begin, end;
    bl_part(j->len, j->parts, index, 64, &begin, &end);
    j->k->dequantize((float *)j->out + begin, (const char *)j->x + begin, j->is_signed, end - begin,
                     j->scale, j->zero);
}

/* NOLINTNEXTLINE(readability-non-const-parameter): the parts of the job write it */
void bl_bytes_dequantize(const bl_bytes *k, float *out, const void *x, bool is_signed, size_t len,
                         float scale, int32_t zero, bl_pool *pool)
{
    element_job j = { .k = k, .out = out, .x = x, .len = len, .scale = scale, .zero = zero };
    j.is_signed = is_signed;
    j.parts = element_parts(len, pool);
    bl_pool_run(j.parts > 1 ? pool : NULL, dequantize_part, &j, j.parts);
}

static void range_part(void *arg, size_t index, int worker)
{
    (void)worker;
    const element_job *j = arg;
    size_t             begin, end;
    bl_part(j->len, j->parts, index, 64, &begin, &end);
    j->k->range((const float *)j->x + begin, end - begin, &j->lows[index], &j->highs[index]);
}

void bl_bytes_range(const bl_bytes *k, const float *x, size_t len, float *low, float *high,
                    bl_pool *pool)
{
    enum { PARTS = 64 };
    float       lows[PARTS], highs[PARTS];
    element_job j = { .k = k, .x = x, .len = len, .lows = lows, .highs = highs };
    j.parts = BL_MIN(element_parts(len, pool), (size_t)PARTS);
    bl_pool_run(j.parts > 1 ? pool : NULL, range_part, &j, j.parts);
    *low = *high = 0;
    for (size_t i = 0; i < j.parts; i++) {
        *low = BL_MIN(*low, lows[i]);
        *high = BL_MAX(*high, highs[i]);
    }
}
