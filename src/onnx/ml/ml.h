/* Operators of the domain ai.onnx.ml: what their files share. */
#ifndef BL_ONNX_ML_H
#define BL_ONNX_ML_H

#include "onnx/ops.h"

/* The table of the domain. */
extern const bl_op  bl_ml_rows[];
extern const size_t bl_ml_rows_len;

/* clang-format off */
#define BL_ML_FUNCTIONS(X)                                                                         \
    /* tree.c */                                                                                   \
    X(tree)                                                                                        \
    /* linear.c */                                                                                 \
    X(linear)                                                                                      \
    /* svm.c */                                                                                    \
    X(svm_classifier) X(svm_regressor)                                                             \
    /* scale.c */                                                                                  \
    X(scaler) X(normalizer) X(imputer) X(binarizer)                                                \
    /* encode.c */                                                                                 \
    X(label_encoder) X(one_hot)                                                                    \
    /* features.c */                                                                               \
    X(feature_vectorizer) X(array_feature)                                                         \
    /* maps.c */                                                                                   \
    X(zip_map) X(dict_vectorizer) X(cast_map)
/* clang-format on */

#define X(name)                                                                                    \
    bl_op_infer bl_ml_##name##_infer;                                                              \
    bl_op_run   bl_ml_##name##_run;
BL_ML_FUNCTIONS(X)
#undef X
bl_op_infer bl_ml_tree_prepare, bl_ml_linear_prepare, bl_ml_svm_prepare;

/* What is done to the scores of one row at the end. */
typedef enum {
    BL_POST_NONE,
    BL_POST_SOFTMAX,
    BL_POST_LOGISTIC,
    BL_POST_SOFTMAX_ZERO,
    BL_POST_PROBIT,
} bl_post; /* in the order of TreeEnsemble's numbers */

/* Attribute post_transform.  Errors: INPUT for another word. */
BLIND_MUST_USE blind_code bl_post_of(bl_build *b, const bl_node *n, bl_post *out);
/* In place.  One score alone knows PROBIT only, as ONNX Runtime has it. */
void bl_post_apply(bl_post post, float *scores, size_t len);
/* One score of a classifier of two classes becomes two; `sum_to_one`: it is a probability. */
void bl_post_two(bl_post post, bool sum_to_one, float score, float out[2]);

/* Labels of classes: whole numbers or text. */
typedef struct {
    const int64_t    *numbers; /* or NULL */
    const blind_span *text;    /* or NULL */
    size_t            len;
} bl_labels;

/* Errors: INPUT when there are none, or both. */
BLIND_MUST_USE blind_code bl_labels_of(bl_build *b, const bl_node *n, const char *numbers,
                                       const char *text, bl_labels *out);
blind_dtype               bl_labels_type(const bl_labels *l);
/* Element i of `out` becomes label `which`. */
void bl_label_put(const bl_labels *l, bl_tensor *out, size_t i, size_t which);

/* Rows and columns of a table: one axis is one row.  Errors: INPUT for other ranks, UNSUPPORTED
 * for elements that are no F32, F64, I64 or I32. */
BLIND_MUST_USE blind_code bl_table_of(bl_build *b, const bl_node *n, const bl_tensor *x,
                                      size_t *rows, size_t *columns);

/* Elements [from, from + len) as floats: where they lie, or converted into `room`. */
const float *bl_table_floats(const bl_tensor *x, size_t from, size_t len, float *room);
void         bl_table_doubles(const bl_tensor *x, size_t from, size_t len, double *out);

/* Floats of an attribute, or NULL; INPUT when there are not `len` (any number for SIZE_MAX). */
BLIND_MUST_USE blind_code bl_ml_floats(bl_build *b, const bl_node *n, const char *name, size_t len,
                                       const float **out, size_t *found);

#endif
