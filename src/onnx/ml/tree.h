/* Tree ensembles as they are walked.
 *
 * The nodes of a tree lie breadth first, the two children of a node side by side.  Every comparison
 * is x <= value, left when it holds: x < v is x <= the number before v, and x > v, x >= v have
 * their children exchanged.  A leaf is its own left child and its bit of `feature` is 0, so that
 * walking on from it stays there: rows and trees of different depths walk in step, without a
 * branch.
 *
 * Comparisons of equality and membership, and elements that are no F32, take the general walk. */
#ifndef BL_ONNX_ML_TREE_H
#define BL_ONNX_ML_TREE_H

#include "onnx/ml/ml.h"

typedef enum {
    BL_TREE_LEQ,
    BL_TREE_LT,
    BL_TREE_GTE,
    BL_TREE_GT,
    BL_TREE_EQ,
    BL_TREE_NEQ,
    BL_TREE_MEMBER,
    BL_TREE_LEAF,
} bl_tree_mode; /* in the order of TreeEnsemble's numbers */

typedef struct {
    float    value;
    uint32_t feature; /* << 2, bit 1: NaN goes left, bit 0: not a leaf */
    uint32_t left;    /* the right child follows it; of a leaf: itself */
    uint32_t leaf;    /* of a leaf: its number */
} bl_tree_node;

typedef struct {
    bl_tree_mode mode; /* LEQ, EQ (left when equal), MEMBER (left when among them) or LEAF */
    double       value;
    size_t       members, members_end; /* of a MEMBER: values in `member` */
} bl_tree_exact;

typedef struct {
    uint32_t target;
    float    weight;
    double   exact;
} bl_tree_weight;

typedef struct {
    size_t          n_nodes, n_trees, n_targets, n_leaves, features; /* features that are read */
    bl_tree_node   *nodes;
    bl_tree_exact  *exact; /* beside nodes */
    uint32_t       *roots;
    uint32_t       *depths;    /* of each tree: comparisons on its longest way */
    size_t         *weight_at; /* [n_leaves + 1]: of each leaf, into weights */
    bl_tree_weight *weights;
    double         *member;
    bool            general;          /* needs the general walk */
    bool            doubles;          /* its numbers are doubles */
    bool            all_positive;     /* no weight is negative */
    bool            one_each;         /* every leaf has one weight, of target 0 */
    size_t          classes_weighted; /* distinct targets that leaves have, up to 2 */
} bl_trees;

/* Reads and checks the attributes of TreeEnsemble, TreeEnsembleRegressor or -Classifier: every
 * index and count; a node has one parent and cycles are refused.  The result lies in `arena`. */
BLIND_MUST_USE blind_code bl_trees_build(bl_build *b, const bl_node *n, bl_arena *arena,
                                         size_t n_targets, bl_trees **out);

#endif
