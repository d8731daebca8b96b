/* NonMaxSuppression: of boxes that cover each other, the best stays.  How many stay is known only
 * from their values, so they are chosen when the shape is inferred; running copies the list.
 * Source: ONNX operators, NonMaxSuppression. */
#include "onnx/families.h"
#include "onnx/values.h"

#include <math.h>
#include <stdlib.h>

typedef struct {
    int64_t image, class_, box;
} chosen;

typedef struct {
    chosen *list;
    size_t  len;
} suppression;

typedef struct {
    float   score;
    int64_t box;
} candidate;

typedef struct {
    const float *boxes;  /* [images][n][4] */
    const float *scores; /* [images][classes][n] */
    size_t       images, classes, n;
    double       iou, threshold;
    bool         any_score, centred;
    size_t       most;  /* per class */
    uint64_t     pairs; /* compared so far */
    candidate   *candidates;
} boxes;

static int better(const void *a, const void *b)
{
    const candidate *p = a, *q = b;
    if (p->score != q->score)
        return p->score > q->score ? -1 : 1;
    return p->box < q->box ? -1 : p->box > q->box;
}

/* Corners of a box, the lower ones first. */
static void corners(const boxes *s, const float *box, double c[4])
{
    for (int i = 0; i < 2; i++) { /* y, x; centred boxes name x first */
        double a = (double)box[i], d = (double)box[i + 2];
        double low = s->centred ? a - d / 2 : a, high = s->centred ? a + d / 2 : d;
        c[i] = BL_MIN(low, high);
        c[i + 2] = BL_MAX(low, high);
    }
}

static bool overlap(const boxes *s, const float *p, const float *q)
{
    double a[4], b[4];
    corners(s, p, a);
    corners(s, q, b);
    double height = BL_MIN(a[2], b[2]) - BL_MAX(a[0], b[0]);
    double width = BL_MIN(a[3], b[3]) - BL_MAX(a[1], b[1]);
    double area_a = (a[2] - a[0]) * (a[3] - a[1]), area_b = (b[2] - b[0]) * (b[3] - b[1]);
    if (!(height > 0 && width > 0) || area_a <= 0 || area_b <= 0)
        return false;
    double both = height * width;
    return both / (area_a + area_b - both) > s->iou;
}

/* The boxes of one class of one image, best first; `out` has room for all. */
static blind_code choose(bl_build *b, const bl_node *n, boxes *s, size_t image, size_t class_,
                         suppression *out)
{
    const float *scores = s->scores + (image * s->classes + class_) * s->n;
    const float *rects = s->boxes + image * s->n * 4;
    size_t       count = 0, first = out->len;
    for (size_t i = 0; i < s->n; i++)
        if (s->any_score || (double)scores[i] > s->threshold)
            s->candidates[count++] =
                (candidate){ scores[i] == scores[i] ? scores[i] : -INFINITY, (int64_t)i };
    if (count)
        qsort(s->candidates, count, sizeof *s->candidates, better);
    for (size_t i = 0; i < count && out->len - first < s->most; i++) {
        int64_t box = s->candidates[i].box;
        bool    stays = true;
        for (size_t k = first; k < out->len && stays; k++)
            stays = !overlap(s, rects + box * 4, rects + out->list[k].box * 4);
        s->pairs += out->len - first;
        if (s->pairs > BL_MAX_BOX_PAIRS)
            return bl_op_fail(b, n, BLIND_LIMIT, "too many boxes to compare");
        if (stays)
            out->list[out->len++] = (chosen){ (int64_t)image, (int64_t)class_, box };
    }
    return BLIND_OK;
}

static blind_code read_inputs(bl_build *b, const bl_node *n, boxes *s)
{
    double           number;
    const bl_tensor *rects = bl_in(b, n, 0), *scores = bl_in(b, n, 1);
    for (int i = 0; i < 5; i++)
        BL_TRY(bl_need_value(b, n, i));
    if (rects->rank != 3 || rects->dim[2] != 4 || scores->rank != 3 ||
        scores->dim[0] != rects->dim[0] || scores->dim[2] != rects->dim[1] ||
        rects->dtype != BLIND_F32 || scores->dtype != BLIND_F32)
        return bl_op_fail(b, n, BLIND_INPUT, "boxes and scores that do not fit");
    BL_TRY(bl_floats_of(b, n, 0, &s->boxes));
    BL_TRY(bl_floats_of(b, n, 1, &s->scores));
    s->images = (size_t)scores->dim[0];
    s->classes = (size_t)scores->dim[1];
    s->n = (size_t)scores->dim[2];
    s->centred = bl_attr_int(n, "center_point_box", 0) != 0;
    s->any_score = !bl_has_in(n, 4);
    for (int i = 2; i < 5; i++) {
        if (!bl_has_in(n, i))
            continue;
        if (!bl_const_number(b, n, i, &number) || number != number)
            return bl_op_fail(b, n, BLIND_INPUT, "input %d is no number", i);
        if (i == 2)
            s->most = number <= 0 ? 0 : (size_t)BL_MIN(number, (double)s->n);
        else if (i == 3)
            s->iou = number;
        else
            s->threshold = number;
    }
    if (!(s->iou >= 0 && s->iou <= 1))
        return bl_op_fail(b, n, BLIND_INPUT, "an overlap of %g", s->iou);
    return BLIND_OK;
}

blind_code bl_op_boxes_infer(bl_build *b, bl_node *n)
{
    boxes        s = { 0 };
    suppression *p;
    size_t       all;
    BL_TRY(read_inputs(b, n, &s));
    BL_TRY(bl_params(b, n, sizeof *p, &p));
    if (!bl_mul(s.images * s.classes, BL_MIN(s.most, s.n), &all))
        return bl_op_fail(b, n, BLIND_LIMIT, "an output of impossible size");
    s.candidates = bl_arena_array(b->arena, s.n + 1, sizeof *s.candidates);
    p->list = bl_arena_array(b->arena, all + 1, sizeof *p->list);
    if (!s.candidates || !p->list)
        return bl_op_fail(b, n, BLIND_MEMORY, "no memory for boxes");
    for (size_t i = 0; i < s.images; i++)
        for (size_t c = 0; c < s.classes; c++)
            BL_TRY(choose(b, n, &s, i, c, p));
    int64_t dim[2] = { (int64_t)p->len, 3 };
    return bl_set_out(b, n, 0, BLIND_I64, 2, dim);
}

blind_code bl_op_boxes_run(const bl_exec *x, const bl_node *n)
{
    const suppression *p = n->params;
    bl_tensor         *out = bl_result(x, n, 0);
    _Static_assert(sizeof(chosen) == 3 * sizeof(int64_t), "three numbers, as they are given out");
    if (out->len)
        memcpy(out->data, p->list, bl_tensor_size(out));
    return BLIND_OK;
}
