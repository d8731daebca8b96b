#include "onnx/plan.h"
blind_code bl_plan_fuse(bl_build *b)
{
    (void)b;
    return BLIND_OK;
}
