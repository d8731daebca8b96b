/* Col2Im, DepthToSpace, SpaceToDepth, ReverseSequence: elements of an image or a sequence in other
 * places.  Source: ONNX operators of these names. */
#include "onnx/families.h"
#include "onnx/fold.h"

/* Col2Im.  ----------------------------------------------------------------------------------- */

typedef struct {
    bl_window window;
    size_t    taps;
} folding;

static blind_code fold_axis(bl_build *b, const bl_node *n, int64_t image, int64_t kernel,
                            const int64_t v[4], bl_window *w, size_t at)
{
    int64_t stride = v[0], dilation = v[1], before = v[2], after = v[3];
    if (image < 1 || kernel < 1 || stride < 1 || dilation < 1 || before < 0 || after < 0 ||
        image > INT32_MAX || kernel > INT32_MAX || stride > INT32_MAX || dilation > INT32_MAX ||
        before > INT32_MAX || after > INT32_MAX)
        return bl_op_fail(b, n, BLIND_INPUT, "impossible windows");
    w->in[at] = (size_t)image;
    w->kernel[at] = (size_t)kernel;
    w->stride[at] = (size_t)stride;
    w->dilation[at] = (size_t)dilation;
    w->pad[at] = (size_t)before;
    w->out[at] = bl_window_out(w->in[at], w->kernel[at], w->stride[at], w->dilation[at], w->pad[at],
                               (size_t)after, false);
    return BLIND_OK;
}

static blind_code fold_window(bl_build *b, const bl_node *n, folding *p, int64_t *image,
                              size_t *spatial)
{
    int64_t kernel[3], stride[3] = { 1, 1, 1 }, dilation[3] = { 1, 1, 1 }, pads[6] = { 0 };
    size_t  n_kernel, s, len;
    BL_TRY(bl_const_ints(b, n, 1, image, 3, &s));
    BL_TRY(bl_const_ints(b, n, 2, kernel, 3, &n_kernel));
    if (s < 1 || n_kernel != s)
        return bl_op_fail(b, n, BLIND_INPUT, "blocks of %zu axes in an image of %zu", n_kernel, s);
    BL_TRY(bl_attr_ints(b, n, "strides", stride, s, &len));
    BL_TRY(bl_attr_ints(b, n, "dilations", dilation, s, &len));
    BL_TRY(bl_attr_ints(b, n, "pads", pads, 2 * s, &len));
    if (len && len != 2 * s)
        return bl_op_fail(b, n, BLIND_INPUT, "%zu pads for %zu axes", len, s);
    p->taps = 1;
    for (size_t i = 0; i < 3; i++)
        p->window.in[i] = p->window.out[i] = p->window.kernel[i] = p->window.stride[i] =
            p->window.dilation[i] = 1;
    for (size_t i = 0; i < s; i++) {
        int64_t v[4] = { stride[i], dilation[i], pads[i], pads[i + s] };
        BL_TRY(fold_axis(b, n, image[i], kernel[i], v, &p->window, 3 - s + i));
        if (!bl_mul(p->taps, (size_t)kernel[i], &p->taps))
            return bl_op_fail(b, n, BLIND_INPUT, "impossible windows");
    }
    *spatial = s;
    return BLIND_OK;
}

blind_code bl_op_col2im_infer(bl_build *b, bl_node *n)
{
    const bl_tensor *x = bl_in(b, n, 0);
    int64_t          image[3], dim[BL_ONNX_RANK];
    size_t           spatial = 0, places = 0;
    folding         *p;
    BL_TRY(bl_need_real(b, n, 0));
    BL_TRY(bl_params(b, n, sizeof *p, &p));
    BL_TRY(fold_window(b, n, p, image, &spatial));
    places = p->window.out[0] * p->window.out[1] * p->window.out[2];
    if (x->rank != 3 || (size_t)x->dim[1] % p->taps != 0 || (size_t)x->dim[2] != places)
        return bl_op_fail(b, n, BLIND_INPUT, "columns that are not %zu places of %zu", places,
                          p->taps);
    dim[0] = x->dim[0];
    dim[1] = x->dim[1] / (int64_t)p->taps;
    for (size_t i = 0; i < spatial; i++)
        dim[2 + i] = image[i];
    return bl_set_out(b, n, 0, x->dtype, (int)spatial + 2, dim);
}

typedef struct {
    const folding   *p;
    const bl_tensor *in;
    bl_tensor       *out;
    size_t           planes;
} fold_job;

static void fold_part(void *arg, size_t index, int worker)
{
    const fold_job *j = arg;
    size_t out = bl_tensor_size(j->out) / j->planes, in = bl_tensor_size(j->in) / j->planes;
    char  *to = (char *)j->out->data + index * out;
    (void)worker;
    memset(to, 0, out);
    bl_fold_plane(&j->p->window, j->in->dtype, (const char *)j->in->data + index * in, to);
}

blind_code bl_op_col2im_run(const bl_exec *x, const bl_node *n)
{
    fold_job j = { n->params, bl_arg(x, n, 0), bl_result(x, n, 0), 0 };
    j.planes = bl_dims(j.out, 0, 2);
    if (j.out->len)
        bl_pool_run(x->pool, fold_part, &j, j.planes);
    return BLIND_OK;
}

/* DepthToSpace and SpaceToDepth: one strided copy of six axes.  -------------------------------- */

/* perm over the input seen as `shape`, six axes, dense. */
static void six_axes(bl_copy *c, blind_dtype dtype, const size_t shape[6], const int perm[6])
{
    ptrdiff_t stride[6], step = 1;
    c->element_size = bl_element_size(dtype);
    c->rank = 6;
    for (int i = 5; i >= 0; i--) {
        stride[i] = step;
        step *= (ptrdiff_t)shape[i];
    }
    for (int i = 0; i < 6; i++) {
        c->shape[i] = shape[perm[i]];
        c->stride[i] = stride[perm[i]];
    }
}

blind_code bl_op_depth_to_space_infer(bl_build *b, bl_node *n)
{
    static const int dcr[] = { 0, 3, 4, 1, 5, 2 }, crd[] = { 0, 1, 4, 2, 5, 3 };
    static const int back[] = { 0, 3, 5, 1, 2, 4 };
    const bl_tensor *x = bl_in(b, n, 0);
    int64_t          block = bl_attr_int(n, "blocksize", 0);
    bool             apart = strcmp(n->type, "SpaceToDepth") == 0;
    const char      *mode = bl_attr_str(n, "mode", "DCR");
    bl_copy         *p;
    if (x->rank != 4 || block < 1 || block > 65536)
        return bl_op_fail(b, n, BLIND_INPUT, "blocks of %lld in %d axes", (long long)block,
                          x->rank);
    if (apart ? x->dim[2] % block || x->dim[3] % block : x->dim[1] % (block * block) != 0)
        return bl_op_fail(b, n, BLIND_INPUT, "axes that are no multiple of the block");
    if (strcmp(mode, "DCR") != 0 && strcmp(mode, "CRD") != 0)
        return bl_op_fail(b, n, BLIND_INPUT, "mode '%.20s'", mode);
    BL_TRY(bl_params(b, n, sizeof *p, &p));
    size_t s = (size_t)block, batch = (size_t)x->dim[0], c = (size_t)x->dim[1],
           h = (size_t)x->dim[2], w = (size_t)x->dim[3];
    int64_t dim[4] = { x->dim[0], x->dim[1] / (block * block), x->dim[2], x->dim[3] };
    if (apart) {
        six_axes(p, x->dtype, (size_t[]){ batch, c, h / s, s, w / s, s }, back);
        if (__builtin_mul_overflow(x->dim[1], block * block, &dim[1]))
            return bl_op_fail(b, n, BLIND_LIMIT, "an output of impossible size");
        dim[2] /= block;
        dim[3] /= block;
    } else {
        size_t depth = c / (s * s);
        bool   first = mode[0] == 'D';
        six_axes(p, x->dtype,
                 first ? (size_t[]){ batch, s, s, depth, h, w }
                       : (size_t[]){ batch, depth, s, s, h, w },
                 first ? dcr : crd);
        if (__builtin_mul_overflow(x->dim[2], block, &dim[2]) ||
            __builtin_mul_overflow(x->dim[3], block, &dim[3]))
            return bl_op_fail(b, n, BLIND_LIMIT, "an output of impossible size");
    }
    return bl_set_out(b, n, 0, x->dtype, 4, dim);
}

blind_code bl_op_depth_to_space_run(const bl_exec *x, const bl_node *n)
{
    bl_copy c = *(const bl_copy *)n->params;
    c.x = bl_arg(x, n, 0)->data;
    c.out = bl_result(x, n, 0)->data;
    if (bl_result(x, n, 0)->len)
        x->kernels->copy(&c, x->pool);
    return BLIND_OK;
}

/* ReverseSequence.  -------------------------------------------------------------------------- */

blind_code bl_op_reverse_sequence_infer(bl_build *b, bl_node *n)
{
    const bl_tensor *x = bl_in(b, n, 0), *lens = bl_in(b, n, 1);
    int64_t          time = bl_attr_int(n, "time_axis", 0), batch = bl_attr_int(n, "batch_axis", 1);
    if (x->rank < 2 || (time != 0 && time != 1) || batch != 1 - time)
        return bl_op_fail(b, n, BLIND_INPUT, "time along axis %lld, batch along %lld",
                          (long long)time, (long long)batch);
    if (lens->dtype != BLIND_I64 || lens->len != (size_t)x->dim[batch])
        return bl_op_fail(b, n, BLIND_INPUT, "lengths that are not one per sequence");
    return bl_set_same(b, n);
}

blind_code bl_op_reverse_sequence_run(const bl_exec *x, const bl_node *n)
{
    const bl_tensor *in = bl_arg(x, n, 0);
    const int64_t   *lens = bl_arg(x, n, 1)->data;
    char            *out = bl_result(x, n, 0)->data;
    bool             time_first = bl_attr_int(n, "time_axis", 0) == 0;
    int64_t          times = in->dim[time_first ? 0 : 1], batch = in->dim[time_first ? 1 : 0];
    size_t           size = bl_dims(in, 2, in->rank) * bl_element_size(in->dtype);
    for (int64_t s = 0; s < batch; s++) {
        if (lens[s] < 0 || lens[s] > times)
            return bl_run_fail(x, n, "a sequence of %lld elements in %lld", (long long)lens[s],
                               (long long)times);
        for (int64_t t = 0; t < times && size; t++) {
            int64_t from = t < lens[s] ? lens[s] - 1 - t : t;
            size_t  at = (size_t)(time_first ? t * batch + s : s * times + t);
            size_t  source = (size_t)(time_first ? from * batch + s : s * times + from);
            memcpy(out + at * size, (const char *)in->data + source * size, size);
        }
    }
    return BLIND_OK;
}
