/* SPDX-License-Identifier: Apache-2.0 */
/* A build without ncurses has no screen: `top` prints lines. */
#include "tools/cli/top_screen.h"

bool
top_screen_open(void)
{
    return false;
}

void
top_screen_close(void)
{
}

unsigned
top_screen_width(void)
{
    return 0;
}

unsigned
top_screen_paint(const char *text, unsigned head, unsigned skip)
{
    (void)text;
    (void)head;
    (void)skip;
    return 0;
}

enum top_screen_key
top_screen_wait(unsigned ms)
{
    (void)ms;
    return TOP_SCREEN_QUIT;
}
