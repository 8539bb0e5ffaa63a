/* SPDX-License-Identifier: Apache-2.0 */
/* Numbers and names in few columns of ASCII. */
#ifndef CLI_TOP_TEXT_H
#define CLI_TOP_TEXT_H

#include <stddef.h>

#define TOP_TEXT_SIZE 24u

/* At most 5 columns: 0.4, 12, 3.14k, 271M. */
void top_text_number(char text[TOP_TEXT_SIZE], double number);
/* At most 7: 512B, 4.00KiB, 31.4MiB. */
void top_text_bytes(char text[TOP_TEXT_SIZE], double bytes);
/* Of a ratio; "-" where it is negative. */
void top_text_percent(char text[TOP_TEXT_SIZE], double ratio);
/* At most 6: 0.12, 3.4, 1234; "-" where it is negative. */
void top_text_ms(char text[TOP_TEXT_SIZE], double ms);
/* At most room - 1 columns, 0 behind them: what is no printable ASCII is '?',
 * and what is too long loses its beginning: names differ at their end. */
void top_text_name(char *text, size_t room, const char *name);

#endif
