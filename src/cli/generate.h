/* What the build makes of the table. */
#ifndef BL_GENERATE_H
#define BL_GENERATE_H

#include "base/buf.h"

/* The names of the man pages, one to a line: blind, blind-serve, blind-policy-create, ... */
void bl_generate_pages(bl_buf *out, const char *page);
/* One man page in mdoc; nothing when there is none of that name.  NULL: blind. */
void bl_generate_man(bl_buf *out, const char *page);
/* Completion scripts; `page` is not used. */
void bl_generate_bash(bl_buf *out, const char *page);
void bl_generate_zsh(bl_buf *out, const char *page);
void bl_generate_fish(bl_buf *out, const char *page);

#endif
