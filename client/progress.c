#include "client/progress.h"

#include "client/utf8.h"

#include <math.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define INTERVAL_NS 100000000
#define BAR_WIDTH 28
#define LINE 512

static bool has_utf8(void)
{
    const char *names[] = {"LC_ALL", "LC_CTYPE", "LANG"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        const char *value = getenv(names[i]);
        if (value && *value)
            return strcasestr(value, "utf-8") || strcasestr(value, "utf8");
    }
    return false;
}

void progress_init(struct progress *progress, FILE *stream)
{
    const char *terminal = getenv("TERM");
    *progress = (struct progress){
        .stream = stream,
        .shown = isatty(fileno(stream)) && !(terminal && strcmp(terminal, "dumb") == 0),
        .utf8 = has_utf8(),
        .next_ns = INT64_MIN,
    };
}

static int terminal_width(FILE *stream)
{
    struct winsize size;
    if (ioctl(fileno(stream), TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
        return size.ws_col;
    return 80;
}

/* The bar and the percentage; in half characters where there are such. */
static void print_bar(const struct progress *progress, double fraction, char *text)
{
    fraction = fraction > 1 ? 1 : fraction;
    int halves = (int)(fraction * 2 * BAR_WIDTH);
    char *end = text;
    for (int i = 0; i < BAR_WIDTH; i++) {
        bool full = 2 * i + 1 < halves;
        bool half = 2 * i + 1 == halves;
        end = stpcpy(end, progress->utf8 ? full   ? "━"
                                           : half ? "╸"
                                                  : "─"
                          : full         ? "#"
                                         : ".");
    }
    sprintf(end, " %3d%%  ", (int)(fraction * 100));
}

void progress_update(struct progress *progress, int64_t now_ns, double fraction,
                     const char *label, const char *detail)
{
    if (!progress->shown || now_ns < progress->next_ns)
        return;
    progress->next_ns = now_ns + INTERVAL_NS;
    char bar[3 * BAR_WIDTH + 16] = "";
    if (isfinite(fraction) && fraction >= 0)
        print_bar(progress, fraction, bar);
    char line[LINE];
    snprintf(line, sizeof line, "%s%s%s%s", label, *label ? " " : "", bar, detail);
    /* A full line would wrap, and what wraps is not erased. */
    *utf8_at(line, terminal_width(progress->stream) - 1) = '\0';
    fprintf(progress->stream, "\r%s\033[K", line);
    fflush(progress->stream);
    progress->drawn = true;
}

void progress_clear(struct progress *progress)
{
    if (!progress->drawn)
        return;
    fputs("\r\033[K", progress->stream);
    fflush(progress->stream);
    progress->drawn = false;
    progress->next_ns = INT64_MIN;
}
