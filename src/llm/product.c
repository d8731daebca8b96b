/* Products are cut into parts of whole strips of rows, across all products of a job; each part is
 * computed by one thread in one order. */
#include "llm/product.h"

#include "llm/dequant.h"
#include "llm/product_kernels.h"

#define PART_SIZE    ((size_t)1 << 16) /* bytes of weights that are worth a part */
#define PART_WORK    ((size_t)1 << 22) /* products that are */
#define PARTS        16                /* of each thread: they even out what memory gives it */
#define PREPARE_WORK 16384             /* activations that are worth a part */

#if defined(__x86_64__)
static bool has_vnni(void)
{
    __builtin_cpu_init();
    return bl_isa_usable(BL_ISA_AVX512) && __builtin_cpu_supports("avx512vnni") &&
           __builtin_cpu_supports("bmi2");
}
#endif

const bl_product_kernels *bl_product_kernels_for(bl_isa isa)
{
#if defined(__x86_64__)
    if (isa == BL_ISA_AMX)
        return &bl_product_amx;
    if (isa == BL_ISA_AVX512 && has_vnni())
        return &bl_product_vnni;
#endif
    (void)isa;
    return &bl_product_scalar;
}

const bl_product_kernels *bl_product_decode_kernels_for(bl_isa isa)
{
    return bl_product_kernels_for(BL_MIN(isa, BL_ISA_AVX512));
}

bool bl_product_knows(const bl_quant_type *type)
{
    return bl_dequant_knows(type);
}

unsigned bl_product_form(const bl_product_kernels *k, const bl_quant_type *type)
{
    return k->form(type);
}

/* Preparing.  -------------------------------------------------------------------------------- */

size_t bl_product_input_size(const bl_product_kernels *k, unsigned forms, size_t tokens,
                             size_t columns)
{
    return k->input_size(forms, tokens, columns);
}

typedef struct {
    const bl_product_kernels *k;
    const bl_product_input   *in;
    void                     *to;
    const float              *x;
    size_t                    x_row, each; /* tokens of a part */
} prepare_job;

static void prepare_part(void *arg, size_t index, int worker)
{
    const prepare_job *j = arg;
    size_t             first = index * j->each;
    (void)worker;
    j->k->prepare(j->in, j->to, j->x, j->x_row, first, BL_MIN(j->each, j->in->tokens - first));
}

void bl_product_prepare(const bl_product_kernels *k, unsigned forms, const float *x, size_t x_row,
                        size_t tokens, size_t columns, void *memory, bl_product_input *out,
                        bl_pool *pool)
{
    *out = (bl_product_input){ forms, tokens, columns, memory };
    size_t      groups = PREPARE_WORK / BL_MAX(columns * k->group, (size_t)1) + 1;
    prepare_job j = { k, out, memory, x, x_row, groups * k->group };
    bl_pool_run(pool, prepare_part, &j, (tokens + j.each - 1) / j.each);
}

/* Multiplying.  ------------------------------------------------------------------------------ */

size_t bl_product_scratch_size(const bl_product_kernels *k, size_t tokens, size_t columns,
                               int threads)
{
    return k->scratch(tokens, columns) * (size_t)threads;
}

typedef struct {
    const bl_product_kernels *k;
    const bl_product         *products;
    size_t                    count, strips, parts; /* of all of them */
    uint8_t                  *scratch;
    size_t                    scratch_size; /* of a worker */
} run_job;

static size_t strips_of(const run_job *j, const bl_product *p)
{
    return p->in->tokens == 0 ? 0 : (p->w.rows + j->k->strip - 1) / j->k->strip;
}

/* Strips begin..end - 1 of all products, counted one after the other. */
static void run_part(void *arg, size_t index, int worker)
{
    const run_job *j = arg;
    size_t begin = j->strips * index / j->parts, end = j->strips * (index + 1) / j->parts, at = 0;
    void  *scratch = j->scratch + (size_t)worker * j->scratch_size;
    for (size_t i = 0; i < j->count && at < end; i++) {
        const bl_product *p = &j->products[i];
        size_t            strips = strips_of(j, p);
        if (begin < at + strips) {
            size_t first = (BL_MAX(begin, at) - at) * j->k->strip;
            size_t last = BL_MIN((BL_MIN(end, at + strips) - at) * j->k->strip, p->w.rows);
            j->k->run(p, first, last - first, scratch);
        }
        at += strips;
    }
}

/* How many parts the products are worth. */
static size_t parts_of(const run_job *j, int threads)
{
    size_t size = 0, work = 0;
    for (size_t i = 0; i < j->count; i++) {
        const bl_product *p = &j->products[i];
        size += p->w.rows * bl_weights_row_size(&p->w);
        work += p->w.rows * p->w.columns * p->in->tokens;
    }
    size_t worth = BL_MAX(size / PART_SIZE, work / PART_WORK);
    worth = BL_MIN(worth, (size_t)threads * PARTS);
    return BL_MAX(BL_MIN(worth, j->strips), (size_t)1);
}

void bl_product_run(const bl_product_kernels *k, const bl_product *products, size_t count,
                    void *scratch, bl_pool *pool)
{
    run_job j = { .k = k, .products = products, .count = count, .scratch = scratch };
    size_t  tokens = 0, columns = 0;
    for (size_t i = 0; i < count; i++) {
        j.strips += strips_of(&j, &products[i]);
        tokens = BL_MAX(tokens, products[i].in->tokens);
        columns = BL_MAX(columns, products[i].w.columns);
    }
    j.scratch_size = k->scratch(tokens, columns);
    j.parts = parts_of(&j, bl_pool_threads(pool));
    if (j.strips > 0)
        bl_pool_run(pool, run_part, &j, j.parts);
}
