/* SPDX-License-Identifier: Apache-2.0 */
/* The terminal by ncurses.  Names of servers and models are ASCII when they get
 * here, so that a line's bytes are its columns. */
#include "tools/cli/top_screen.h"

#include <ncurses.h>
#include <term.h>

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define WIDTH_LEAST     20
#define HEIGHT_LEAST    4
#define CONTROL(letter) ((letter) - '@')

/* A new size that ncurses hears of just before it begins to wait does not end
 * the wait. */
#define WAIT_MOST_MS 200u

static const char keys[] =
    "q quit  space pause  s sort  + - interval  arrows scroll";

/* Is it there, known, and one on which the cursor can be moved? */
static bool
may_paint(const char *kind)
{
    const char *move;
    bool may;
    int error;

    if (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO) || kind == NULL ||
        setupterm(kind, STDOUT_FILENO, &error) != OK)
        return false;
    move = tigetstr("cup");
    may = move != NULL && move != (const char *)-1;
    del_curterm(cur_term);
    return may;
}

bool
top_screen_open(void)
{
    const char *kind = getenv("TERM");
    SCREEN *screen;

    if (!may_paint(kind))
        return false;
    screen = newterm(kind, stdout, stdin);
    if (screen == NULL)
        return false;
    set_term(screen);
    /* Not cbreak(): then an interrupt would end the program with a status of
     * its own, and leave the terminal to ncurses's handler. */
    raw();
    noecho();
    nonl();
    curs_set(0);
    keypad(stdscr, TRUE);
    return true;
}

void
top_screen_close(void)
{
    endwin();
}

unsigned
top_screen_width(void)
{
    return COLS < WIDTH_LEAST ? WIDTH_LEAST : (unsigned)COLS;
}

/* Of titles: those that are written in capitals. */
static bool
is_title(const char *line, size_t size)
{
    static const char *const titles[] = {"SHARD ", "TIER ", "MODEL "};

    for (size_t i = 0; i < sizeof titles / sizeof *titles; i++)
        if (size >= strlen(titles[i]) &&
            strncmp(line, titles[i], strlen(titles[i])) == 0)
            return true;
    return false;
}

static void
paint_line(int row, const char *line, size_t size, bool is_bright)
{
    int width = size < (size_t)COLS ? (int)size : COLS;

    if (is_bright)
        attron(A_BOLD);
    mvaddnstr(row, 0, line, width);
    if (is_bright)
        attroff(A_BOLD);
}

unsigned
top_screen_paint(const char *text, unsigned head, unsigned skip)
{
    unsigned number = 0, room, most;
    unsigned height = LINES < HEIGHT_LEAST ? HEIGHT_LEAST : (unsigned)LINES;

    for (const char *at = text; *at != '\0'; at++)
        number += *at == '\n';
    room = height - 1 > head ? height - 1 - head : 0;
    most = number > head + room ? number - head - room : 0;
    if (skip > most)
        skip = most;
    erase();
    for (unsigned i = 0; *text != '\0'; i++) {
        size_t size = strcspn(text, "\n");
        unsigned row = i < head ? i : i - skip;

        if ((i < head || i >= head + skip) && row < height - 1)
            paint_line((int)row, text, size, i == 0 || is_title(text, size));
        text += size + (text[size] == '\n');
    }
    attron(A_DIM);
    mvaddnstr((int)height - 1, 0, keys, COLS - 1);
    attroff(A_DIM);
    refresh();
    return most;
}

/* As a shell expects of Ctrl-Z; raw() keeps the terminal from doing it. */
static void
suspend(void)
{
    def_prog_mode();
    endwin();
    raise(SIGTSTP);
    reset_prog_mode();
}

enum top_screen_key
top_screen_wait(unsigned ms)
{
    timeout((int)(ms < WAIT_MOST_MS ? ms : WAIT_MOST_MS));
    switch (getch()) {
    case 'q':
    case 'Q':
    case CONTROL('C'):
    case CONTROL('D'):
        return TOP_SCREEN_QUIT;
    case CONTROL('Z'):
        suspend();
        return TOP_SCREEN_RESIZED;
    case CONTROL('L'):
        clear();
        return TOP_SCREEN_RESIZED;
    case KEY_RESIZE:
        return TOP_SCREEN_RESIZED;
    case ' ':
    case 'p':
        return TOP_SCREEN_PAUSE;
    case 's':
        return TOP_SCREEN_SORT;
    case '+':
    case '=':
        return TOP_SCREEN_SLOWER;
    case '-':
        return TOP_SCREEN_FASTER;
    case KEY_UP:
    case 'k':
        return TOP_SCREEN_UP;
    case KEY_DOWN:
    case 'j':
        return TOP_SCREEN_DOWN;
    case ERR: /* a terminal that has gone would be late at once for ever */
        return isatty(STDIN_FILENO) ? TOP_SCREEN_LATE : TOP_SCREEN_QUIT;
    default:
        return TOP_SCREEN_LATE;
    }
}
