/* The registry's thread: loads that were started and not waited for, one after another. */
#ifndef BL_LOADER_H
#define BL_LOADER_H

#include "server/registry.h"

typedef struct bl_loader bl_loader;

BLIND_MUST_USE blind_code bl_loader_new(bl_registry *registry, size_t max_model_size,
                                        bl_loader **out, blind_error *err);
/* Tasks that still wait are told CLOSED; the one under way is waited for. */
void                      bl_loader_free(bl_loader *loader);
BLIND_MUST_USE blind_code bl_loader_start(bl_loader *loader, const bl_load_task *task,
                                          blind_error *err);

#endif
