/* What the table says, as text for people. */
#ifndef BL_HELP_H
#define BL_HELP_H

#include "base/buf.h"
#include "cli/cli.h"

/* "blind verify [OPTION]... URL" */
void bl_help_usage(bl_buf *out, const bl_command *command);
/* All of one subcommand's --help. */
void bl_help_command(bl_buf *out, const bl_command *command);
/* `blind help`: every subcommand by a line.  `group` is a first word as "policy", or NULL for all.
 */
void bl_help_table(bl_buf *out, const char *group);

/* The row that argv names, and how many words its name took; NULL when there is none. */
const bl_command *bl_command_find(int argc, char *const *argv, int *words);
/* True when a row's name starts with this word and has another after it. */
bool bl_command_is_group(const char *word);

/* The common exit statuses, and 10 to 13: "status\ttext" rows. */
typedef struct {
    int         status;
    const char *text;
    bool        appraisal; /* only for commands that appraise */
} bl_exit_row;
const bl_exit_row *bl_exit_rows(size_t *len);

#endif
