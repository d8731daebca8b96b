/* libedit is looked for when a line is wanted: a server's program does not depend on an editor. */
#include "cli/line.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* Of <editline/readline.h>. */
typedef struct {
    char *(*readline)(const char *prompt);
    int (*add_history)(const char *line);
} editor;

static const editor *find_editor(void)
{
    static editor found;
    static bool   looked;
    if (!looked) {
        void *library = dlopen("libedit.so.2", RTLD_NOW | RTLD_LOCAL);
        if (library) {
            *(void **)&found.readline = dlsym(library, "readline");
            *(void **)&found.add_history = dlsym(library, "add_history");
        }
        looked = true;
    }
    return found.readline && found.add_history ? &found : NULL;
}

static bool read_plainly(const char *prompt, bl_buf *out)
{
    char  *line = NULL;
    size_t room = 0;
    if (prompt) {
        fputs(prompt, stdout);
        fflush(stdout);
    }
    ssize_t size = getline(&line, &room, stdin);
    if (size > 0 && line[size - 1] == '\n')
        size--;
    if (size > 0)
        bl_buf_add(out, bl_span(line, (size_t)size));
    free(line);
    return size >= 0;
}

bool bl_line_read(const char *prompt, bl_buf *out)
{
    bool          person = isatty(STDIN_FILENO) && isatty(STDOUT_FILENO);
    const editor *e = person ? find_editor() : NULL;
    if (!e)
        return read_plainly(person ? prompt : NULL, out);
    char *line = e->readline(prompt);
    if (!line)
        return false;
    if (*line)
        e->add_history(line);
    bl_buf_add_str(out, line);
    free(line);
    return true;
}
