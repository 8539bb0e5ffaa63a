/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The terminal: paints text and waits for keys.  One at a time, one thread.
 * Without ncurses there is none (top_screen_none.c).
 */
#ifndef CLI_TOP_SCREEN_H
#define CLI_TOP_SCREEN_H

#include <stdbool.h>

enum top_screen_key {
    TOP_SCREEN_LATE, /* none */
    TOP_SCREEN_QUIT,
    TOP_SCREEN_PAUSE,
    TOP_SCREEN_SORT,
    TOP_SCREEN_FASTER,
    TOP_SCREEN_SLOWER,
    TOP_SCREEN_UP,
    TOP_SCREEN_DOWN,
    TOP_SCREEN_RESIZED
};

/* Takes the terminal that standard input and output are.  False: there is none,
 * or none that can be painted on, and nothing was changed. */
bool top_screen_open(void);
/* Gives it back as it was. */
void top_screen_close(void);

unsigned top_screen_width(void);
/* The first `head` lines of the text, the others from `skip` on as far as there
 * is room, and the keys in the last one.  How many lines could be skipped
 * before the last one would not be at the bottom. */
unsigned top_screen_paint(const char *text, unsigned head, unsigned skip);
/* May be over before its time, and has no key then. */
enum top_screen_key top_screen_wait(unsigned ms);

#endif
