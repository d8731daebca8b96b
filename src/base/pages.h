/* Memory for much that is read from end to end. */
#ifndef BL_PAGES_H
#define BL_PAGES_H

#include "base/base.h"

/* Aligned to 64 bytes, its content not set; NULL when there is none.  Freed by free().  From 2 MiB
 * on it lies on huge pages where the system gives them, but for the rest of its size. */
void *bl_pages_new(size_t size);

#endif
