/* Markdown as it is written, for a terminal: what a language model says, character by character.
 *
 * Headings, **strong**, *emphasis*, `code`, fences and quotes get the terminal's attributes; what
 * cannot be decided yet waits for the next character.  What could steer a terminal never reaches
 * it: control characters but line ends and tabs, and marks that turn the direction of a text. */
#ifndef BL_CLI_MARKDOWN_H
#define BL_CLI_MARKDOWN_H

#include "base/buf.h"

enum { BL_MARKDOWN_HELD = 16 };

typedef struct {
    bool     plain;                  /* no attributes: only what steers is taken out */
    uint32_t held[BL_MARKDOWN_HELD]; /* marks at the start of a line, or a run within one */
    size_t   held_len;
    uint32_t before;  /* the character in front of what is held; 0: the line's start */
    bool     started; /* the line has more than marks */
    bool     strong, emphasis, code, heading, quote;
    bool     fence;      /* between lines of ``` */
    bool     fence_line; /* on one of them */
} bl_markdown;

/* Appends what can be shown of `text`, which is UTF-8; malformed bytes become U+FFFD. */
void bl_markdown_write(bl_markdown *m, blind_span text, bl_buf *out);
/* The text is at its end: what was held, and the terminal as it was.  Ready for another. */
void bl_markdown_end(bl_markdown *m, bl_buf *out);

#endif
