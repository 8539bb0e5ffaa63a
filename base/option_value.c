/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From a text to the value of an option: sizes, shares of memory, counts,
 * times, words, addresses and paths, and the limits of their rows.  Knows
 * nothing of sources; spelling values again is options_print.c's.
 */
#include "base/memory_limit.h"
#include "base/option_table.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <string.h>
#include <strings.h>

struct unit {
    const char *name;
    uint64_t factor;
};

static const struct unit size_units[] = {
    {"", 1},
    {"B", 1},
    {"K", 1000ull},
    {"KB", 1000ull},
    {"Ki", 1ull << 10},
    {"KiB", 1ull << 10},
    {"M", 1000000ull},
    {"MB", 1000000ull},
    {"Mi", 1ull << 20},
    {"MiB", 1ull << 20},
    {"G", 1000000000ull},
    {"GB", 1000000000ull},
    {"Gi", 1ull << 30},
    {"GiB", 1ull << 30},
    {"T", 1000000000000ull},
    {"TB", 1000000000000ull},
    {"Ti", 1ull << 40},
    {"TiB", 1ull << 40},
    {NULL, 0},
};

static const struct unit time_units[] = {
    {"", 1},        {"ms", 1},       {"s", 1000}, {"m", 60000},
    {"h", 3600000}, {"d", 86400000}, {NULL, 0},
};

static const struct unit no_units[] = {{"", 1}, {NULL, 0}};

/* Digits; UINT64_MAX stands for anything that does not fit. */
static bool
read_digits(const char **at, uint64_t *number_out)
{
    uint64_t number = 0;

    if (!isdigit((unsigned char)**at))
        return false;
    for (; isdigit((unsigned char)**at); (*at)++)
        if (__builtin_mul_overflow(number, 10, &number) ||
            __builtin_add_overflow(number, (uint64_t)(**at - '0'), &number))
            number = UINT64_MAX;
    *number_out = number;
    return true;
}

static bool
read_number(const char *text, const struct unit *units, uint64_t *number_out)
{
    uint64_t number;

    if (!read_digits(&text, &number))
        return false;
    for (; units->name != NULL; units++) {
        if (strcasecmp(units->name, text) != 0)
            continue;
        if (__builtin_mul_overflow(number, units->factor, &number))
            number = UINT64_MAX;
        *number_out = number;
        return true;
    }
    return false;
}

static const struct unit *
units_of(enum option_type type)
{
    if (type == OPTION_MS)
        return time_units;
    return type == OPTION_COUNT ? no_units : size_units;
}

static const char *
noun_of(enum option_type type)
{
    switch (type) {
    case OPTION_SIZE:
        return "not a size";
    case OPTION_SHARE:
        return "not a size or share";
    case OPTION_COUNT:
        return "not a whole number";
    case OPTION_MS:
        return "not a time";
    case OPTION_BOOL:
        return "not a yes or no";
    case OPTION_CHOICE:
        return "not one of the words";
    case OPTION_ADDRESS:
        return "not an address";
    case OPTION_ENDPOINT:
        return "not an endpoint";
    case OPTION_PATH:
        return "not a path";
    case OPTION_TEXT:
        return "not a text";
    }
    return "not a value";
}

/* "70%": a share of what memory there is for this process. */
static bool
read_share(const char *text, uint64_t *bytes_out)
{
    uint64_t share, memory;

    if (!read_digits(&text, &share) || strcmp(text, "%") != 0 || share < 1 ||
        share > 100)
        return false;
    memory = memory_limit();
    *bytes_out = memory / 100 * share + memory % 100 * share / 100;
    return true;
}

static const char *
parse_number(const struct option_row *row, const char *text,
             uint64_t *number_out)
{
    const struct unit *units = units_of(row->type);
    uint64_t number, least = 0, most = UINT64_MAX - 1;

    if (option_may_be_auto(row) && strcasecmp(text, "auto") == 0) {
        *number_out = 0;
        return NULL;
    }
    if (!read_number(text, units, &number) &&
        (row->type != OPTION_SHARE || !read_share(text, &number)))
        return noun_of(row->type);
    (void)read_number(row->least, units, &least);
    (void)read_number(row->most, units, &most);
    if (number < least)
        return "too small";
    if (number > most)
        return "too large";
    *number_out = number;
    return NULL;
}

static bool
parse_flag(const char *text, bool *flag_out)
{
    static const char *const yes[] = {"true", "yes", "on"};
    static const char *const no[] = {"false", "no", "off"};

    for (unsigned i = 0; i < 3; i++) {
        if (strcasecmp(text, yes[i]) != 0 && strcasecmp(text, no[i]) != 0)
            continue;
        *flag_out = strcasecmp(text, yes[i]) == 0;
        return true;
    }
    return false;
}

static bool
parse_choice(const char *words, const char *text, uint64_t *index_out)
{
    size_t size = strlen(text);
    uint64_t index = 0;

    for (const char *at = words; size > 0; index++) {
        size_t word = strcspn(at, ",");

        if (word == size && strncasecmp(at, text, size) == 0) {
            *index_out = index;
            return true;
        }
        if (at[word] == '\0')
            break;
        at += word + 1;
    }
    return false;
}

static bool
is_port(const char *text)
{
    uint64_t port;

    return strlen(text) <= 5 && read_digits(&text, &port) && *text == '\0' &&
           port <= 65535;
}

/* Names, and IPv4 in its full form only: inet_aton() would read 127.1 and
 * 0177.0.0.1 as loopback where other software does not. */
static bool
is_host(const char *host)
{
    struct in_addr address;

    if (host[0] == '\0' || strspn(host, "abcdefghijklmnopqrstuvwxyz"
                                        "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                        "0123456789.-_") != strlen(host))
        return false;
    if (strspn(host, "0123456789.") == strlen(host))
        return inet_pton(AF_INET, host, &address) == 1;
    return true;
}

void
option_host(const char *address, char *into, size_t room)
{
    const char *colon = strrchr(address, ':');
    size_t size = colon == NULL ? strlen(address) : (size_t)(colon - address);

    if (size >= 2 && address[0] == '[' && address[size - 1] == ']') {
        address++;
        size -= 2;
    }
    if (size >= room)
        size = room - 1;
    memcpy(into, address, size);
    into[size] = '\0';
}

static bool
is_address(const char *text)
{
    const char *colon = strrchr(text, ':');
    char host[OPTION_TEXT_MAX];
    struct in6_addr address;

    if (colon == NULL || !is_port(colon + 1))
        return false;
    option_host(text, host, sizeof(host));
    if (text[0] == '[')
        return colon[-1] == ']' && inet_pton(AF_INET6, host, &address) == 1;
    return is_host(host);
}

/* tcp://host:port, of which either may be *, or ipc://path. */
static bool
is_endpoint(const char *text)
{
    char address[OPTION_TEXT_MAX];
    char *port;

    if (strncmp(text, "ipc://", 6) == 0)
        return text[6] != '\0';
    if (strncmp(text, "tcp://", 6) != 0)
        return false;
    snprintf(address, sizeof(address), "%s", text + 6);
    port = strrchr(address, ':');
    if (port != NULL && strcmp(port, ":*") == 0)
        port[1] = '0';
    return is_address(address) ||
           (strncmp(address, "*:", 2) == 0 && is_port(address + 2));
}

static bool
is_spelled_well(const struct option_row *row, const char *text)
{
    if (text[0] == '\0' && row->fallback[0] == '\0')
        return true;
    if (row->type == OPTION_ADDRESS)
        return is_address(text);
    return row->type != OPTION_ENDPOINT || is_endpoint(text);
}

static const char *
parse_text(const struct option_row *row, const char *text, char *text_out)
{
    size_t size = strlen(text);

    if (size >= OPTION_TEXT_MAX)
        return "too long";
    for (const char *at = text; *at != '\0'; at++)
        if (iscntrl((unsigned char)*at))
            return noun_of(row->type);
    if (!is_spelled_well(row, text))
        return noun_of(row->type);
    memcpy(text_out, text, size + 1);
    return NULL;
}

const char *
option_parse(const struct option_row *row, const char *text,
             struct option_value *value_out)
{
    memset(value_out, 0, sizeof(*value_out));
    switch (row->type) {
    case OPTION_SIZE:
    case OPTION_SHARE:
    case OPTION_COUNT:
    case OPTION_MS:
        return parse_number(row, text, &value_out->number);
    case OPTION_BOOL:
        return parse_flag(text, &value_out->flag) ? NULL : noun_of(row->type);
    case OPTION_CHOICE:
        return parse_choice(row->words, text, &value_out->number)
                   ? NULL
                   : noun_of(row->type);
    case OPTION_ADDRESS:
    case OPTION_ENDPOINT:
    case OPTION_PATH:
    case OPTION_TEXT:
        return parse_text(row, text, value_out->text);
    }
    return "of an unknown type";
}

static const char *
example_of(enum option_type type)
{
    switch (type) {
    case OPTION_SIZE:
        return "a size such as 65536, 64MiB, 4Gi or 10G";
    case OPTION_SHARE:
        return "a size such as 64MiB, 4Gi or 10G, or a share from 1% to 100%";
    case OPTION_COUNT:
        return "a whole number";
    case OPTION_MS:
        return "a time such as 20ms, 5s, 2m, 1h or 7d";
    case OPTION_BOOL:
        return "true or false";
    case OPTION_CHOICE:
        return "one of ";
    case OPTION_ADDRESS:
        return "host:port or [v6]:port, port 0 to 65535";
    case OPTION_ENDPOINT:
        return "tcp://host:port, tcp://[v6]:port or ipc://path, * for any host "
               "or port";
    case OPTION_PATH:
        return "a path of at most 255 bytes without control characters";
    case OPTION_TEXT:
        return "a text of at most 255 bytes without control characters";
    }
    return "another value";
}

void
option_expectation(const struct option_row *row, char *into, size_t room)
{
    bool has_limits = row->least[0] != '\0' && row->most[0] != '\0';

    snprintf(into, room, "%s%s%s%s%s%s%s", example_of(row->type), row->words,
             has_limits ? ", from " : "", has_limits ? row->least : "",
             has_limits ? " to " : "", has_limits ? row->most : "",
             option_may_be_auto(row) ? ", or auto" : "");
}
