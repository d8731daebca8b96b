/* A line from a person: with editing and history where libedit is installed, else as the terminal
 * gives it. */
#ifndef BL_CLI_LINE_H
#define BL_CLI_LINE_H

#include "base/buf.h"

/* Appends the next line without its end; at the end of input or on ^C at the prompt false.
 * prompt  shown when standard input is a terminal; without it lines are read silently */
bool bl_line_read(const char *prompt, bl_buf *out);

#endif
