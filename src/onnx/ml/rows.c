/* The operators of the domain ai.onnx.ml. */
#include "onnx/ml/ml.h"

enum { MANY = 1 << 16 };

#define ROW(name, max, family)                                                                     \
    {                                                                                              \
        "ai.onnx.ml", #name, 1, 1, max, 1, bl_ml_##family##_infer, NULL, bl_ml_##family##_run, 0   \
    }
#define HEAVY(name, out, family, prepares)                                                         \
    {                                                                                              \
        "ai.onnx.ml", #name, 1, 1, 1, out, bl_ml_##family##_infer, bl_ml_##prepares##_prepare,     \
            bl_ml_##family##_run, 0                                                                \
    }

/* Those that make or take a map, which is two values: onnx/maps.h. */
#define MAPS(name, in, out, family)                                                                \
    {                                                                                              \
        "ai.onnx.ml", #name, 1, in, in, out, bl_ml_##family##_infer, NULL, bl_ml_##family##_run,   \
            BL_OP_TYPED                                                                            \
    }

const bl_op bl_ml_rows[] = {
    HEAVY(TreeEnsemble, 1, tree, tree),
    HEAVY(TreeEnsembleRegressor, 1, tree, tree),
    HEAVY(TreeEnsembleClassifier, 2, tree, tree),
    HEAVY(LinearRegressor, 1, linear, linear),
    HEAVY(LinearClassifier, 2, linear, linear),
    HEAVY(SVMRegressor, 1, svm_regressor, svm),
    HEAVY(SVMClassifier, 2, svm_classifier, svm),
    ROW(Scaler, 1, scaler),
    ROW(Normalizer, 1, normalizer),
    ROW(Imputer, 1, imputer),
    ROW(Binarizer, 1, binarizer),
    ROW(LabelEncoder, 1, label_encoder),
    ROW(CategoryMapper, 1, label_encoder),
    ROW(OneHotEncoder, 1, one_hot),
    ROW(FeatureVectorizer, MANY, feature_vectorizer),
    ROW(ArrayFeatureExtractor, 2, array_feature),
    MAPS(ZipMap, 1, 2, zip_map),
    MAPS(DictVectorizer, 2, 1, dict_vectorizer),
    MAPS(CastMap, 2, 1, cast_map),
};
const size_t bl_ml_rows_len = BL_LEN(bl_ml_rows);
