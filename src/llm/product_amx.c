/* Products on AMX tiles: rows of weights are the left factor, tokens the right one's columns.
 *
 * A tile of 16 rows needs no interleaving, so weights are unpacked straight into tile order, a few
 * at a time, into the first cache; activations are interleaved once.  Sums stay in tiles over all
 * columns: up to 16 tokens cost what one does, and a sum has one order, by steps of 32 columns and
 * within a step by parts, small ones first.
 *
 * For few tokens memory is what counts: tiles multiply the chunk that was unpacked before while
 * the next one is read.  For many, a panel of rows is unpacked into the second cache and all
 * tokens pass by. */
#include "llm/product_kernels.h"
#include "llm/product_unpack.h"
#include "nn/vec512.h"

#define STEP  32  /* columns of a tile */
#define TILE  512 /* bf16 numbers of one */
#define GROUP 16  /* tokens of one */
#define FEW   64  /* tokens for which sums of 16 rows fit into tiles */

#define CHUNK      512  /* columns times parts that are unpacked at once, for few tokens */
#define PANEL_ROWS 128  /* for many */
#define PANEL_LEN  2048 /* columns times parts */

/* What an input holds, in this order. */
#define NATURAL 1u /* bf16, in the order of columns */
#define SECOND  2u /* and what it lost, as bf16 */
#define HALVES  4u /* bf16, in the order of bl_unpack_halves */

/* Tiles of sums and of tokens with n columns.  Static and constant, since compilers may think that
 * ldtilecfg reads less than 64 bytes. */
typedef struct {
    uint8_t  palette, start, zero[14];
    uint16_t row_size[16];
    uint8_t  rows[16];
} config;
#define CONFIG(n)                                                                                  \
    {                                                                                              \
        .palette = 1,                                                                              \
        .row_size = { 4 * (n), 4 * (n), 4 * (n), 4 * (n), 64, 64, 4 * (n), 4 * (n) }, .rows = {    \
            16,                                                                                    \
            16,                                                                                    \
            16,                                                                                    \
            16,                                                                                    \
            16,                                                                                    \
            16,                                                                                    \
            16,                                                                                    \
            16                                                                                     \
        }                                                                                          \
    }
static const config configs[GROUP] __attribute__((aligned(64))) = {
    CONFIG(1), CONFIG(2),  CONFIG(3),  CONFIG(4),  CONFIG(5),  CONFIG(6),  CONFIG(7),  CONFIG(8),
    CONFIG(9), CONFIG(10), CONFIG(11), CONFIG(12), CONFIG(13), CONFIG(14), CONFIG(15), CONFIG(16)
};

static size_t ceil_to(size_t n, size_t unit)
{
    return (n + unit - 1) / unit * unit;
}

/* Activations.  ------------------------------------------------------------------------------- */

static unsigned form(const bl_quant_type *type)
{
    const bl_unpack *u = bl_unpack_of(type);
    if (u->halves)
        return HALVES;
    return type->len == 1 ? NATURAL | SECOND : NATURAL;
}

/* bf16 numbers of all tokens in one order, and 64 bytes that tiles may read beyond them. */
static bool plane_len(size_t tokens, size_t columns, size_t parts, size_t *len)
{
    size_t padded;
    return bl_add(columns, STEP - 1, &padded) && bl_mul(padded / STEP * STEP, tokens, len) &&
           bl_mul(*len, parts, len) && bl_add(*len, 32 + 31, len) && (*len -= *len % 32, true);
}

static size_t natural_parts(unsigned forms)
{
    return !(forms & NATURAL) ? 0 : forms & SECOND ? 2 : 1;
}

static size_t input_size(unsigned forms, size_t tokens, size_t columns)
{
    size_t parts = natural_parts(forms), natural = 0, halves = 0, size;
    if ((parts && !plane_len(tokens, columns, parts, &natural)) ||
        ((forms & HALVES) && !plane_len(tokens, columns, 1, &halves)) ||
        !bl_add(natural, halves, &size) || !bl_mul(size, sizeof(uint16_t), &size))
        return 0;
    return size;
}

/* Where the plane of a type begins, and its parts. */
static const uint16_t *plane_of(const bl_product_input *in, bool halves, size_t *parts)
{
    size_t natural = natural_parts(in->forms), len = 0;
    *parts = halves ? 1 : natural;
    if (halves && natural)
        plane_len(in->tokens, in->columns, natural, &len);
    return (const uint16_t *)in->data + len;
}

static inline __m512 widened(__m256i bf16)
{
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(bf16), 16));
}

/* 32 columns of one token as bf16, what they lose, and both orders. */
typedef struct {
    _Alignas(64) uint16_t natural[GROUP][32], second[GROUP][32], halves[GROUP][32];
} step_rows;

static void round_row(step_rows *s, size_t row, const float *x, size_t columns)
{
    vmask   some = vmask_first(BL_MIN(columns, (size_t)16));
    vmask   more = columns > 16 ? vmask_first(BL_MIN(columns - 16, (size_t)16)) : 0;
    __m512  low = _mm512_maskz_loadu_ps(some, x);
    __m512  high = _mm512_maskz_loadu_ps(more, more ? x + 16 : x);
    __m512i both = (__m512i)_mm512_cvtne2ps_pbh(high, low);
    low = _mm512_sub_ps(low, widened(_mm512_castsi512_si256(both)));
    high = _mm512_sub_ps(high, widened(_mm512_extracti64x4_epi64(both, 1)));
    _mm512_store_si512(s->natural[row], both);
    _mm512_store_si512(s->second[row], (__m512i)_mm512_cvtne2ps_pbh(high, low));
    _mm512_store_si512(s->halves[row],
                       _mm512_permutexvar_epi16(_mm512_loadu_si512(bl_unpack_halves), both));
}

/* [tokens][16 pairs] to [16 pairs][tokens]. */
static void put_pairs(uint16_t *to, uint16_t rows[GROUP][32], size_t tokens)
{
    if (tokens == 1)
        _mm512_storeu_si512(to, _mm512_load_si512(rows));
    else
        turn_block((float *)to, tokens, (const float *)rows, 16, tokens, 16);
}

static void prepare_group(const bl_product_input *in, uint16_t *to, const float *x, size_t x_row,
                          size_t first, size_t tokens)
{
    size_t    parts = natural_parts(in->forms), ignored;
    size_t    padded = ceil_to(in->columns, STEP), one = STEP * tokens;
    uint16_t *natural = to + first * padded * parts;
    uint16_t *halves =
        to + (plane_of(in, true, &ignored) - (const uint16_t *)in->data) + first * padded;
    step_rows s;
    for (size_t c = 0; c < in->columns; c += STEP) {
        for (size_t t = 0; t < tokens; t++)
            round_row(&s, t, x + (first + t) * x_row + c, in->columns - c);
        if (parts > 0)
            put_pairs(natural, s.natural, tokens);
        if (parts > 1)
            put_pairs(natural + one, s.second, tokens);
        if (in->forms & HALVES)
            put_pairs(halves, s.halves, tokens);
        natural += parts * one;
        halves += one;
    }
}

static void prepare(const bl_product_input *in, void *to, const float *x, size_t x_row,
                    size_t first, size_t count)
{
    for (size_t t = first; t < first + count; t += GROUP)
        prepare_group(in, to, x, x_row, t, BL_MIN(first + count - t, (size_t)GROUP));
}

/* What both ways to multiply share.  ---------------------------------------------------------- */

typedef struct {
    const bl_product *p;
    bl_unpack         unpack;
    size_t            parts;              /* of the weights; unpack's */
    const uint16_t   *x;                  /* the plane */
    size_t            x_parts;            /* of the plane; of them used are */
    bool              second;             /* both, or one */
    size_t            padded;             /* columns */
    size_t            row_size;           /* bytes of weights */
    size_t            chunk, chunks;      /* columns that are unpacked at once */
    size_t            groups, last_group; /* of tokens; how many are in the last */
} work;

static void plan(work *w, const bl_product *p, size_t chunk)
{
    w->p = p;
    w->unpack = *bl_unpack_of(p->w.type);
    w->parts = (size_t)w->unpack.parts;
    w->x = plane_of(p->in, w->unpack.halves, &w->x_parts);
    w->second = p->w.type->len == 1;
    w->padded = ceil_to(p->w.columns, STEP);
    w->row_size = bl_weights_row_size(&p->w);
    w->chunk = chunk / w->parts;
    w->chunks = (p->w.columns + w->chunk - 1) / w->chunk;
    w->groups = (p->in->tokens + GROUP - 1) / GROUP;
    w->last_group = p->in->tokens - (w->groups - 1) * GROUP;
}

static size_t chunk_columns(const work *w, size_t chunk)
{
    return BL_MIN(w->chunk, w->p->w.columns - chunk * w->chunk);
}

static const uint8_t *weights_at(const work *w, size_t row, size_t chunk)
{
    return w->p->w.data + row * w->row_size +
           chunk * w->chunk / w->p->w.type->len * w->p->w.type->size;
}

/* Tokens of one group as tiles: step s, part p at x + (s * x_parts + p) * size. */
typedef struct {
    const uint16_t *x;
    size_t          size;   /* bf16 numbers of a tile */
    size_t          stride; /* bytes of its rows */
} group_tiles;

static group_tiles tiles_of(const work *w, size_t group)
{
    size_t tokens = group + 1 < w->groups ? GROUP : w->last_group;
    return (group_tiles){ w->x + group * GROUP * w->padded * w->x_parts, STEP * tokens,
                          4 * tokens };
}

/* Sums of 16 rows, lying one behind the other, to one token. */
static void put_rows(const bl_product *p, size_t token, size_t row, size_t rows, const float *from)
{
    vmask  some = vmask_first(rows);
    float *to = p->out + token * p->out_row + row;
    vf     sums = vf_load_masked(from, some);
    if (p->bias)
        sums = vf_add(sums, vf_load_masked(p->bias + row, some));
    if (p->add)
        sums = vf_add(vf_load_masked(to, some), sums);
    vf_store_masked(to, some, sums);
}

/* A tile of sums, [16 rows][tokens], its rows `stride` apart. */
static void put_tile(const bl_product *p, size_t token, size_t tokens, size_t row, size_t rows,
                     const float *sums, size_t stride)
{
    _Alignas(64) float turned[GROUP * 16];
    turn_block(turned, 16, sums, stride, 16, tokens);
    for (size_t t = 0; t < tokens; t++)
        put_rows(p, token + t, row, rows, turned + t * 16);
}

/* Few tokens.  -------------------------------------------------------------------------------- */

/* One group's sums with the rows in tiles 4 and, of halves and floats, 5. */
#define GROUP_PRODUCT(g)                                                                           \
    do {                                                                                           \
        const uint16_t *x = b[g].x + (s * w->x_parts) * b[g].size;                                 \
        _tile_loadd(6, x, b[g].stride);                                                            \
        if (second) {                                                                              \
            _tile_loadd(7, x + b[g].size, b[g].stride);                                            \
            _tile_dpbf16ps(g, 4, 7);                                                               \
        }                                                                                          \
        if (parts == 2)                                                                            \
            _tile_dpbf16ps(g, 5, 6);                                                               \
        _tile_dpbf16ps(g, 4, 6);                                                                   \
    } while (0)

/* Steps begin..end - 1, of which `a` holds those from `from` on. */
static inline __attribute__((always_inline)) void multiply_few(
    const work *w, const group_tiles *b, const uint16_t *a, size_t from, size_t begin, size_t end,
    const size_t parts, const bool second, const size_t groups)
{
    for (size_t s = begin; s < end; s++) {
        _tile_loadd(4, a + (s - from) * parts * TILE, 64);
        if (parts == 2)
            _tile_loadd(5, a + ((s - from) * parts + 1) * TILE, 64);
        GROUP_PRODUCT(0);
        if (groups > 1)
            GROUP_PRODUCT(1);
        if (groups > 2)
            GROUP_PRODUCT(2);
        if (groups > 3)
            GROUP_PRODUCT(3);
    }
}

static void clear_sums(void)
{
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
}

static void put_few(const work *w, size_t row, size_t rows)
{
    _Alignas(64) float sums[4][16 * GROUP];
    if (w->p->in->tokens == 1) {
        _tile_stored(0, sums, 4);
        put_rows(w->p, 0, row, rows, sums[0]);
        return;
    }
    _tile_stored(0, sums[0], 64);
    if (w->groups > 1)
        _tile_stored(1, sums[1], 64);
    if (w->groups > 2)
        _tile_stored(2, sums[2], 64);
    if (w->groups > 3)
        _tile_stored(3, sums[3], 64);
    for (size_t g = 0; g < w->groups; g++)
        put_tile(w->p, g * GROUP, g + 1 < w->groups ? GROUP : w->last_group, row, rows, sums[g],
                 16);
}

/* One chunk of up to 16 rows. */
typedef struct {
    size_t         row, rows;
    size_t         columns, size; /* of each row's chunk, size in bytes */
    size_t         begin, steps;
    const uint8_t *from;
    bool           last; /* chunk: sums are whole behind it */
} turn;

static turn turn_at(const work *w, size_t first, size_t count, size_t index)
{
    size_t chunk = index % w->chunks, row = index / w->chunks * 16,
           columns = chunk_columns(w, chunk);
    return (turn){ .row = first + row,
                   .rows = BL_MIN(count - row, (size_t)16),
                   .columns = columns,
                   .size = columns / w->p->w.type->len * w->p->w.type->size,
                   .begin = chunk * w->chunk / STEP,
                   .steps = (columns + STEP - 1) / STEP,
                   .from = weights_at(w, first + row, chunk),
                   .last = chunk + 1 == w->chunks };
}

/* Row i of a turn, and the fetching of as much that comes 16 rows later: weights are read as one
 * stream, though they are unpacked by chunks. */
static void unpack_row(const work *w, const turn *t, size_t i, uint16_t *to, const char **far)
{
    for (size_t at = 0; at < t->size; at += 64)
        _mm_prefetch(*far + at, _MM_HINT_T1);
    *far += t->size;
    w->unpack.row(t->from + i * w->row_size, t->columns, to + i * STEP, TILE);
}

/* Rows first..first + count - 1.  Turn after turn a chunk of 16 rows is unpacked, a row at a time,
 * and between the rows tiles multiply the chunk of the turn before. */
static inline __attribute__((always_inline)) void few(const work *w, size_t first, size_t count,
                                                      uint16_t *scratch, const size_t parts,
                                                      const bool second, const size_t groups)
{
    size_t      turns = (count + 15) / 16 * w->chunks;
    const char *far = (const char *)weights_at(w, first + 16, 0);
    turn        now = { 0 }, old = { 0 };
    group_tiles b[4];
    for (size_t g = 0; g < groups; g++)
        b[g] = tiles_of(w, g);
    clear_sums();
    for (size_t index = 0; index <= turns; index++, old = now) {
        uint16_t       *to = scratch + index % 2 * 16 * CHUNK;
        const uint16_t *from = scratch + (index + 1) % 2 * 16 * CHUNK;
        now = index < turns ? turn_at(w, first, count, index) : (turn){ 0 };
        for (size_t i = 0; i < 16; i++) {
            if (i < now.rows)
                unpack_row(w, &now, i, to, &far);
            multiply_few(w, b, from, old.begin, old.begin + old.steps * i / 16,
                         old.begin + old.steps * (i + 1) / 16, parts, second, groups);
        }
        if (old.last) {
            put_few(w, old.row, old.rows);
            clear_sums();
        }
    }
}

static inline __attribute__((always_inline)) void few_of(const work *w, size_t first, size_t count,
                                                         uint16_t *scratch, const size_t parts,
                                                         const bool second)
{
    switch (w->groups) {
    case 1:
        few(w, first, count, scratch, parts, second, 1);
        break;
    case 2:
        few(w, first, count, scratch, parts, second, 2);
        break;
    case 3:
        few(w, first, count, scratch, parts, second, 3);
        break;
    default:
        few(w, first, count, scratch, parts, second, 4);
    }
}

/* Many tokens.  ------------------------------------------------------------------------------- */

/* The left factor's tiles 4 and 5 are 16 rows each, the right one's 6 and 7 a group each. */
#define LEFT(part)                                                                                 \
    do {                                                                                           \
        _tile_loadd(4, a + (part)*2 * TILE, 64);                                                   \
        if (tall)                                                                                  \
            _tile_loadd(5, a + (part)*2 * TILE + TILE, 64);                                        \
    } while (0)
#define RIGHT(part)                                                                                \
    do {                                                                                           \
        _tile_loadd(6, x + (part)*b[0].size, b[0].stride);                                         \
        if (wide)                                                                                  \
            _tile_loadd(7, y + (part)*b[1].size, b[1].stride);                                     \
    } while (0)
#define MULTIPLY                                                                                   \
    do {                                                                                           \
        _tile_dpbf16ps(0, 4, 6);                                                                   \
        if (wide)                                                                                  \
            _tile_dpbf16ps(1, 4, 7);                                                               \
        if (tall)                                                                                  \
            _tile_dpbf16ps(2, 5, 6);                                                               \
        if (tall && wide)                                                                          \
            _tile_dpbf16ps(3, 5, 7);                                                               \
    } while (0)

static inline __attribute__((always_inline)) void multiply_square(
    const uint16_t *a, const group_tiles *b, size_t first, size_t steps, size_t x_parts,
    const size_t parts, const bool second, const bool tall, const bool wide)
{
    const uint16_t *x = b[0].x + first * x_parts * b[0].size;
    const uint16_t *y = b[1].x + first * x_parts * b[1].size;
    for (; steps > 0; steps--) {
        LEFT(0);
        if (second) {
            RIGHT(1);
            MULTIPLY;
        }
        RIGHT(0);
        if (parts == 2) {
            LEFT(1);
            MULTIPLY;
            LEFT(0);
        }
        MULTIPLY;
        a += parts * 2 * TILE;
        x += x_parts * b[0].size;
        y += x_parts * b[1].size;
    }
}

static void load_square(const float *sums)
{
    _tile_loadd(0, sums, 128);
    _tile_loadd(1, sums + 16, 128);
    _tile_loadd(2, sums + 16 * 32, 128);
    _tile_loadd(3, sums + 16 * 32 + 16, 128);
}

static void store_square(float *sums)
{
    _tile_stored(0, sums, 128);
    _tile_stored(1, sums + 16, 128);
    _tile_stored(2, sums + 16 * 32, 128);
    _tile_stored(3, sums + 16 * 32 + 16, 128);
}

/* 32 rows and tokens of [32][32] sums. */
static void put_square(const work *w, size_t group, size_t row, size_t rows, const float *sums)
{
    for (size_t g = group; g < w->groups && g < group + 2; g++)
        for (size_t r = 0; r < rows; r += 16)
            put_tile(w->p, g * GROUP, g + 1 < w->groups ? GROUP : w->last_group, row + r,
                     BL_MIN(rows - r, (size_t)16), sums + r * 32 + (g - group) * 16, 32);
}

static void square(const work *w, const uint16_t *a, const group_tiles *b, size_t first,
                   size_t steps, bool tall, bool wide)
{
#define CASE(parts, second)                                                                        \
    do {                                                                                           \
        if (tall && wide)                                                                          \
            multiply_square(a, b, first, steps, w->x_parts, parts, second, true, true);            \
        else if (tall)                                                                             \
            multiply_square(a, b, first, steps, w->x_parts, parts, second, true, false);           \
        else if (wide)                                                                             \
            multiply_square(a, b, first, steps, w->x_parts, parts, second, false, true);           \
        else                                                                                       \
            multiply_square(a, b, first, steps, w->x_parts, parts, second, false, false);          \
    } while (0)
    if (w->parts == 2)
        CASE(2, true);
    else if (w->second)
        CASE(1, true);
    else
        CASE(1, false);
#undef CASE
}

/* The panel's rows against two groups; sums are where the chunk before left them. */
static void two_groups(const work *w, const uint16_t *panel, size_t group, size_t row, size_t rows,
                       size_t chunk, float *sums)
{
    size_t      first = chunk * w->chunk / STEP, len = (chunk_columns(w, chunk) + STEP - 1) / STEP;
    bool        wide = group + 1 < w->groups;
    group_tiles b[2] = { tiles_of(w, group), tiles_of(w, wide ? group + 1 : group) };
    for (size_t r = 0; r < rows; r += 32) {
        _Alignas(64) float here[32 * 32];
        float             *to = w->chunks > 1 ? sums + r * 32 : here;
        size_t             strip = BL_MIN(rows - r, (size_t)32);
        if (chunk == 0)
            clear_sums();
        else
            load_square(to);
        square(w, panel + r * STEP * len * w->parts, b, first, len, strip > 16, wide);
        store_square(to);
        if (chunk + 1 == w->chunks)
            put_square(w, group, row + r, strip, to);
    }
}

static void unpack_panel(const work *w, uint16_t *panel, size_t row, size_t rows, size_t chunk)
{
    size_t columns = chunk_columns(w, chunk), steps = (columns + STEP - 1) / STEP;
    for (size_t r = 0; r < rows; r++)
        w->unpack.row(weights_at(w, row + r, chunk), columns,
                      panel + r / 32 * 32 * STEP * steps * w->parts + r % 32 / 16 * TILE +
                          r % 16 * STEP,
                      2 * TILE);
}

static void many(const work *w, size_t first, size_t count, uint16_t *scratch)
{
    float *sums = (float *)(scratch + PANEL_ROWS * PANEL_LEN);
    for (size_t r = 0; r < count; r += PANEL_ROWS) {
        size_t rows = BL_MIN(count - r, (size_t)PANEL_ROWS);
        for (size_t chunk = 0; chunk < w->chunks; chunk++) {
            unpack_panel(w, scratch, first + r, rows, chunk);
            for (size_t g = 0; g < w->groups; g += 2)
                two_groups(w, scratch, g, first + r, rows, chunk, sums + g / 2 * PANEL_ROWS * 32);
        }
    }
}

/* The table.  --------------------------------------------------------------------------------- */

static size_t scratch_size(size_t tokens, size_t columns)
{
    if (tokens <= FEW)
        return (size_t)2 * 16 * CHUNK * sizeof(uint16_t);
    size_t sums = columns * 2 > PANEL_LEN ? ceil_to(tokens, 32) * PANEL_ROWS * sizeof(float) : 0;
    return (size_t)PANEL_ROWS * PANEL_LEN * sizeof(uint16_t) + sums;
}

static void run(const bl_product *p, size_t first, size_t count, void *scratch)
{
    work w;
    bool is_few = p->in->tokens <= FEW;
    plan(&w, p, is_few ? CHUNK : PANEL_LEN);
    _tile_loadconfig(&configs[(w.groups > 1 ? GROUP : w.last_group) - 1]);
    if (!is_few)
        many(&w, first, count, scratch);
    else if (w.parts == 2)
        few_of(&w, first, count, scratch, 2, true);
    else if (w.second)
        few_of(&w, first, count, scratch, 1, true);
    else
        few_of(&w, first, count, scratch, 1, false);
    _tile_release();
}

const bl_product_kernels bl_product_amx = { .isa = BL_ISA_AMX,
                                            .strip = 32,
                                            .group = GROUP,
                                            .form = form,
                                            .input_size = input_size,
                                            .prepare = prepare,
                                            .scratch = scratch_size,
                                            .run = run };
