/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading and writing numbers with units.  Which option takes what stands with
 * each command.
 */
#include "tools/bench/quantity.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool
quantity_read_decimal(const char *text, double *out)
{
    if (!isdigit((unsigned char)text[0]))
        return false;
    char *end;
    errno = 0;
    double value = strtod(text, &end);
    if (errno != 0 || *end != '\0' || !isfinite(value))
        return false;
    *out = value;
    return true;
}

bool
quantity_read_count(const char *text, uint64_t *out)
{
    if (!isdigit((unsigned char)text[0]))
        return false;
    char *end;
    errno = 0;
    unsigned long long value = strtoull(text, &end, 10);
    if (errno != 0 || *end != '\0')
        return false;
    *out = value;
    return true;
}

/* 0 where the unit is none. */
static uint64_t
factor_of(const char *unit)
{
    static const char letters[] = "KMGT";
    if (unit[0] == '\0' || strcmp(unit, "B") == 0)
        return 1;
    const char *letter = strchr(letters, toupper((unsigned char)unit[0]));
    if (letter == NULL)
        return 0;
    bool is_binary = unit[1] == 'i';
    const char *rest = unit + 1 + is_binary;
    if (rest[0] != '\0' && strcmp(rest, "B") != 0)
        return 0;
    uint64_t factor = 1;
    for (const char *step = letters; step <= letter; step++)
        factor *= is_binary ? 1024 : 1000;
    return factor;
}

bool
quantity_read_size(const char *text, uint64_t *out)
{
    if (!isdigit((unsigned char)text[0]))
        return false;
    char *end;
    errno = 0;
    double number = strtod(text, &end);
    uint64_t factor = factor_of(end);
    if (errno != 0 || factor == 0 || !isfinite(number))
        return false;
    double bytes = number * (double)factor;
    if (bytes >= 9e18)
        return false;
    *out = (uint64_t)bytes;
    return true;
}

void
quantity_write_size(uint64_t bytes, char *into, size_t room)
{
    static const char *const unit[] = {"B", "KiB", "MiB", "GiB", "TiB"};
    double number = (double)bytes;
    unsigned step = 0;
    while (number >= 1024 && step < 4) {
        number /= 1024;
        step++;
    }
    if (number == floor(number))
        snprintf(into, room, "%.0f %s", number, unit[step]);
    else
        snprintf(into, room, "%.2f %s", number, unit[step]);
}

uint64_t
quantity_size_option(const struct argp_state *state, const char *option,
                     const char *text, uint64_t least, uint64_t most)
{
    uint64_t value = 0;
    if (!quantity_read_size(text, &value) || value < least || value > most) {
        char low[32], high[32];
        quantity_write_size(least, low, sizeof low);
        quantity_write_size(most, high, sizeof high);
        argp_error(state, "--%s: '%s' is not a size from %s to %s", option,
                   text, low, high);
    }
    return value;
}

uint64_t
quantity_count_option(const struct argp_state *state, const char *option,
                      const char *text, uint64_t least, uint64_t most)
{
    uint64_t value = 0;
    if (!quantity_read_count(text, &value) || value < least || value > most)
        argp_error(state,
                   "--%s: '%s' is not a whole number from %" PRIu64
                   " to %" PRIu64,
                   option, text, least, most);
    return value;
}

double
quantity_decimal_option(const struct argp_state *state, const char *option,
                        const char *text, double least, double most)
{
    double value = 0;
    if (!quantity_read_decimal(text, &value) || value < least || value > most)
        argp_error(state, "--%s: '%s' is not a number from %g to %g", option,
                   text, least, most);
    return value;
}
