/* A progress bar on stderr, for people: silent unless stderr is a terminal. */
#include "cli/cli.h"

#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#define REDRAW_NS 100000000 /* ten times a second is smooth enough and costs nothing */

static int64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static int columns(void)
{
    struct winsize size;
    if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
        return BL_MIN(size.ws_col, 100);
    return 80;
}

/* label  [=====>      ]  42 %  12.3 MB/s */
static void draw(const bl_progress *p, uint64_t done)
{
    double seconds = (double)(p->drawn_ns - p->started_ns) / 1e9;
    double rate = seconds > 0 ? (double)done / seconds / 1e6 : 0;
    int    label = (int)BL_MIN(strlen(p->label), 30u);
    int    width = columns() - label - 26;
    if (p->total == 0 || width < 4) {
        fprintf(stderr, "\r\033[K%.*s  %.1f MB  %.1f MB/s", label, p->label, (double)done / 1e6,
                rate);
        return;
    }
    double part = (double)BL_MIN(done, p->total) / (double)p->total;
    int    full = (int)(part * width);
    char   bar[128];
    memset(bar, ' ', sizeof bar);
    memset(bar, '=', (size_t)full);
    if (full < width)
        bar[full] = '>';
    fprintf(stderr, "\r\033[K%.*s  [%.*s] %3d %%  %.1f MB/s", label, p->label, width, bar,
            (int)(part * 100), rate);
}

void bl_progress_start(bl_progress *p, const char *label, uint64_t total)
{
    *p = (bl_progress){ .label = label, .total = total, .on = isatty(STDERR_FILENO) };
    p->started_ns = now_ns();
}

void bl_progress_set(bl_progress *p, uint64_t done)
{
    if (!p->on)
        return;
    int64_t now = now_ns();
    if (now - p->drawn_ns < REDRAW_NS)
        return;
    p->drawn_ns = now;
    draw(p, done);
    fflush(stderr);
}

void bl_progress_end(bl_progress *p)
{
    if (p->on && p->drawn_ns)
        fputs("\r\033[K", stderr);
    p->on = false;
}
