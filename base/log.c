/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Log lines: made on the caller's stack and given to the kernel in one write,
 * so that lines of threads do not mix and a worker never allocates to log.
 * What is worth a line is the caller's to decide.
 */
#include "base/log.h"

#include "base/clock.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* A line of at most PIPE_BUF is written whole, even into a shared pipe. */
#define LINE_SIZE   4096u
#define TAIL_SIZE   64u /* kept for the closing quote, count, brace, newline */
#define DETAIL_SIZE 2048u
#define QUIET_NS    (60 * NS_PER_SECOND)

static _Atomic int least_level = LOG_INFO;
static _Atomic int line_format = LOG_LOGFMT;

struct line {
    char text[LINE_SIZE];
    size_t used;
};

void
log_setup(enum log_level least, enum log_format format)
{
    least_level = (int)least;
    line_format = (int)format;
}

static const char *
level_name(enum log_level level)
{
    switch (level) {
    case LOG_ERROR:
        return "error";
    case LOG_WARN:
        return "warn";
    case LOG_INFO:
        return "info";
    case LOG_DEBUG:
        return "debug";
    }
    return "error";
}

static void
add(struct line *line, const char *text)
{
    size_t size = strlen(text);

    if (size > LINE_SIZE - line->used)
        size = LINE_SIZE - line->used;
    memcpy(line->text + line->used, text, size);
    line->used += size;
}

/*
 * Bytes of the UTF-8 sequence at `at` that may stand in a log as they are: 0
 * for a broken one, and for control characters, which a terminal would obey.
 * (RFC 3629, section 4.)
 */
static size_t
safe_sequence(const unsigned char *at)
{
    unsigned char lead = at[0];
    unsigned char low = 0x80, high = 0xbf;
    size_t size = lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;

    if (lead < 0x80)
        return lead >= 0x20 && lead != 0x7f;
    if (lead < 0xc2 || lead > 0xf4)
        return 0;
    if (lead == 0xc2)
        low = 0xa0; /* U+0080 to U+009F are controls */
    else if (lead == 0xe0)
        low = 0xa0;
    else if (lead == 0xed)
        high = 0x9f;
    else if (lead == 0xf0)
        low = 0x90;
    else if (lead == 0xf4)
        high = 0x8f;
    if (at[1] < low || at[1] > high)
        return 0;
    for (size_t i = 2; i < size; i++)
        if (at[i] < 0x80 || at[i] > 0xbf)
            return 0;
    return size;
}

/* One character as it stands between quotes, in JSON and in logfmt alike;
 * returns the bytes of the text that it used up. */
static size_t
escape(const unsigned char *at, char into[8])
{
    size_t size = safe_sequence(at);

    if (*at == '"' || *at == '\\')
        snprintf(into, 8, "\\%c", *at);
    else if (size > 0)
        snprintf(into, 8, "%.*s", (int)size, (const char *)at);
    else if (*at == '\n')
        snprintf(into, 8, "\\n");
    else if (*at == '\r')
        snprintf(into, 8, "\\r");
    else if (*at == '\t')
        snprintf(into, 8, "\\t");
    else if (*at < 0x80)
        snprintf(into, 8, "\\u%04x", *at);
    else
        snprintf(into, 8, "\\ufffd");
    return size > 0 ? size : 1;
}

static void
add_quoted(struct line *line, const char *text)
{
    const unsigned char *at = (const unsigned char *)text;
    char piece[8];

    add(line, "\"");
    while (*at != '\0') {
        at += escape(at, piece);
        if (line->used + strlen(piece) > LINE_SIZE - TAIL_SIZE)
            break;
        add(line, piece);
    }
    add(line, "\"");
}

/* RFC 3339, UTC, milliseconds. */
static void
add_time(struct line *line)
{
    uint64_t now = clock_unix_ms();
    time_t seconds = (time_t)(now / 1000);
    struct tm utc;
    char day[32], text[48];

    gmtime_r(&seconds, &utc);
    strftime(day, sizeof(day), "%Y-%m-%dT%H:%M:%S", &utc);
    snprintf(text, sizeof(text), "%s.%03uZ", day, (unsigned)(now % 1000));
    add(line, text);
}

static void
add_json(struct line *line, enum log_level level, const char *event,
         const char *detail)
{
    add(line, "{\"time\":\"");
    add_time(line);
    add(line, "\",\"level\":\"");
    add(line, level_name(level));
    add(line, "\",\"event\":");
    add_quoted(line, event);
    if (detail[0] != '\0') {
        add(line, ",\"detail\":");
        add_quoted(line, detail);
    }
}

static void
add_logfmt(struct line *line, enum log_level level, const char *event,
           const char *detail)
{
    add(line, "time=");
    add_time(line);
    add(line, " level=");
    add(line, level_name(level));
    add(line, " event=");
    add_quoted(line, event);
    if (detail[0] != '\0') {
        add(line, " detail=");
        add_quoted(line, detail);
    }
}

/* A stderr that takes nothing (a full disk, a pipe that nobody reads and that
 * does not block) loses the line: there is nobody left to tell. */
static void
write_line(const struct line *line)
{
    size_t done = 0;

    while (done < line->used) {
        ssize_t n = write(STDERR_FILENO, line->text + done, line->used - done);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return;
        done += (size_t)n;
    }
}

/* `left_out`: events like this one that got no line before it. */
static void
emit(enum log_level level, const char *event, const char *detail,
     unsigned long long left_out)
{
    struct line line = {.used = 0};
    bool is_json = line_format == LOG_JSON;
    char text[48];

    if (is_json)
        add_json(&line, level, event, detail);
    else
        add_logfmt(&line, level, event, detail);
    if (left_out > 0) {
        snprintf(text, sizeof(text),
                 is_json ? ",\"left_out\":%llu" : " left_out=%llu", left_out);
        add(&line, text);
    }
    add(&line, is_json ? "}\n" : "\n");
    write_line(&line);
}

void
log_event(enum log_level level, const char *event, const char *detail, ...)
{
    char text[DETAIL_SIZE];
    int failed = errno;
    va_list words;

    if ((int)level > least_level)
        return;
    va_start(words, detail);
    vsnprintf(text, sizeof(text), detail, words);
    va_end(words);
    emit(level, event, text, 0);
    errno = failed;
}

/* May this caller write the line of these 60 s?  One of many callers wins. */
static bool
may_write(struct log_limiter *limiter)
{
    unsigned long long now = clock_now_ns();
    unsigned long long last =
        __atomic_load_n(&limiter->last_ns, __ATOMIC_RELAXED);

    if ((last == 0 || now >= last + QUIET_NS) &&
        __atomic_compare_exchange_n(&limiter->last_ns, &last, now, false,
                                    __ATOMIC_RELAXED, __ATOMIC_RELAXED))
        return true;
    __atomic_add_fetch(&limiter->suppressed, 1, __ATOMIC_RELAXED);
    return false;
}

void
log_limited(struct log_limiter *limiter, enum log_level level,
            const char *event, const char *detail, ...)
{
    char text[DETAIL_SIZE];
    int failed = errno;
    va_list words;

    if ((int)level > least_level || !may_write(limiter))
        return;
    va_start(words, detail);
    vsnprintf(text, sizeof(text), detail, words);
    va_end(words);
    emit(level, event, text,
         __atomic_exchange_n(&limiter->suppressed, 0, __ATOMIC_RELAXED));
    errno = failed;
}
