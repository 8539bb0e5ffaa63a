/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Log lines as a reader gets them: both forms, escaping, levels, cutting,
 * threads, the limiter; and the two clocks and the counters' table beside it.
 */
#include "base/clock.h"
#include "base/counters.h"
#include "base/log.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char text[1 << 20]; /* what was written since the last look */
static int reading = -1;

/* Each test is a process of its own, so that stderr may be replaced: by a
 * file, which takes any number of lines. */
static void
begin(void)
{
    FILE *stream = tmpfile();

    cr_assert(stream != NULL);
    reading = dup(fileno(stream));
    cr_assert(fcntl(reading, F_SETFL, O_APPEND) == 0);
    cr_assert(dup2(reading, STDERR_FILENO) == STDERR_FILENO);
    fclose(stream);
}

TestSuite(log, .init = begin);

static const char *
written(void)
{
    ssize_t n = pread(reading, text, sizeof(text) - 1, 0);

    cr_assert(n >= 0);
    text[n] = '\0';
    cr_assert(ftruncate(reading, 0) == 0);
    return text;
}

/* YYYY-MM-DDThh:mm:ss.mmmZ */
static bool
is_time(const char *at)
{
    static const char form[] = "dddd-dd-ddTdd:dd:dd.dddZ";

    for (const char *want = form; *want != '\0'; want++, at++)
        if (*want == 'd' ? *at < '0' || *at > '9' : *at != *want)
            return false;
    return true;
}

Test(log, a_logfmt_line_has_time_level_event_detail)
{
    const char *line;

    log_event(LOG_INFO, "server ready", "data=%s", "127.0.0.1:1");
    line = written();
    cr_assert(strncmp(line, "time=", 5) == 0 && is_time(line + 5), "%s", line);
    cr_expect_str_eq(line + 29, " level=info event=\"server ready\" "
                                "detail=\"data=127.0.0.1:1\"\n");
}

Test(log, a_line_without_detail_leaves_it_out)
{
    log_event(LOG_ERROR, "lost", "%s", "");
    cr_expect_str_eq(written() + 29, " level=error event=\"lost\"\n");
}

/* The line is JSON; returns its member, which lives till the next call. */
static const char *
json_member(const char *line, const char *name)
{
    static json_t *root;

    json_decref(root);
    root = json_loads(line, 0, NULL);
    cr_assert(root != NULL, "no JSON: %s", line);
    return json_string_value(json_object_get(root, name));
}

Test(log, a_json_line_is_json)
{
    const char *line;

    log_setup(LOG_DEBUG, LOG_JSON);
    log_event(LOG_WARN, "odd bytes", "%s",
              "a \"b\" \\ \n\r\t\x01\x7f \xc3\xa9");
    line = written();
    cr_expect(strchr(line, '\n') == line + strlen(line) - 1);
    cr_expect(is_time(json_member(line, "time")));
    cr_expect_str_eq(json_member(line, "level"), "warn");
    cr_expect_str_eq(json_member(line, "event"), "odd bytes");
    cr_expect_str_eq(json_member(line, "detail"),
                     "a \"b\" \\ \n\r\t\x01\x7f \xc3\xa9");
}

Test(log, broken_utf8_and_controls_do_not_reach_the_reader)
{
    static const struct {
        const char *given, *spelled;
    } rows[] = {
        {"\x80", "\\ufffd"},
        {"\xc3", "\\ufffd"},
        {"\xc0\xaf", "\\ufffd\\ufffd"},
        {"\xed\xa0\x80", "\\ufffd\\ufffd\\ufffd"},
        {"\xe0\x80\x80", "\\ufffd\\ufffd\\ufffd"},
        {"\xf4\x90\x80\x80", "\\ufffd\\ufffd\\ufffd\\ufffd"},
        {"\xf5\x80", "\\ufffd\\ufffd"},
        {"\xe2\x82", "\\ufffd\\ufffd"},
        {"\xc2\x9b", "\\ufffd\\ufffd"},
        {"\x1b[0m", "\\u001b[0m"},
        {"\xe2\x82\xac", "\xe2\x82\xac"},
        {"\xf0\x9f\x98\x80", "\xf0\x9f\x98\x80"},
        {"\xc2\xa0", "\xc2\xa0"},
        {"\xef\xbf\xbd", "\xef\xbf\xbd"},
    };
    char expected[128];

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        snprintf(expected, sizeof(expected),
                 " level=info event=\"x\" detail=\"%s\"\n", rows[i].spelled);
        log_event(LOG_INFO, "x", "%s", rows[i].given);
        cr_expect_str_eq(written() + 29, expected);
    }
}

Test(log, lines_below_the_level_are_left_out)
{
    log_event(LOG_DEBUG, "no", "%s", "x");
    cr_expect_str_eq(written(), "");
    log_setup(LOG_ERROR, LOG_LOGFMT);
    log_event(LOG_WARN, "no", "%s", "x");
    cr_expect_str_eq(written(), "");
    log_event(LOG_ERROR, "yes", "%s", "x");
    cr_expect(strstr(written(), "level=error event=\"yes\"") != NULL);
}

Test(log, a_long_detail_is_cut_and_the_line_stays_whole)
{
    static char plain[5000], quotes[5000], controls[5000];
    static const char *const details[] = {plain, quotes, controls};

    memset(plain, 'x', sizeof(plain) - 1);
    memset(quotes, '"', sizeof(quotes) - 1);
    memset(controls, 1, sizeof(controls) - 1);
    log_setup(LOG_INFO, LOG_JSON);
    for (size_t i = 0; i < 3; i++) {
        const char *line;

        log_event(LOG_INFO, "long", "%s", details[i]);
        line = written();
        cr_expect(strlen(line) <= 4096);
        cr_expect(strlen(json_member(line, "detail")) >= 600);
        log_event(LOG_INFO, details[i], "%s", details[i]);
        cr_expect(json_member(written(), "detail") != NULL);
    }
}

Test(log, errno_survives_and_can_be_spelled)
{
    errno = ENOENT;
    log_event(LOG_INFO, "x", "%m");
    cr_expect(errno == ENOENT);
    cr_expect(strstr(written(), "No such file") != NULL);
}

#define THREADS 4
#define LINES   200

static void *
write_many(void *unused)
{
    (void)unused;
    for (unsigned i = 0; i < LINES; i++)
        log_event(LOG_INFO, "many", "%0300u", i);
    return NULL;
}

Test(log, lines_of_threads_do_not_mix)
{
    pthread_t threads[THREADS];
    unsigned lines = 0;
    char *rest = NULL;

    log_setup(LOG_INFO, LOG_JSON);
    for (unsigned i = 0; i < THREADS; i++)
        cr_assert(pthread_create(&threads[i], NULL, write_many, NULL) == 0);
    for (unsigned i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    (void)written();
    for (char *line = strtok_r(text, "\n", &rest); line != NULL;
         line = strtok_r(NULL, "\n", &rest)) {
        cr_assert(strlen(json_member(line, "detail")) == 300);
        lines++;
    }
    cr_expect(lines == THREADS * LINES);
}

Test(log, a_limited_event_is_written_once_a_minute)
{
    static struct log_limiter limiter;

    for (unsigned i = 0; i < 5; i++)
        log_limited(&limiter, LOG_WARN, "refused", "peer %u", i);
    cr_expect_str_eq(written() + 29,
                     " level=warn event=\"refused\" detail=\"peer 0\"\n");
    limiter.last_ns -= 59 * NS_PER_SECOND;
    log_limited(&limiter, LOG_WARN, "refused", "peer %u", 5u);
    cr_expect_str_eq(written(), "");
    limiter.last_ns -= 1 * NS_PER_SECOND;
    log_limited(&limiter, LOG_WARN, "refused", "peer %u", 6u);
    cr_expect_str_eq(
        written() + 29,
        " level=warn event=\"refused\" detail=\"peer 6\" left_out=5\n");
    cr_expect(limiter.suppressed == 0);
    limiter.last_ns = 0;
    limiter.suppressed = 2;
    log_setup(LOG_INFO, LOG_JSON);
    log_limited(&limiter, LOG_INFO, "refused", "%s", "x");
    cr_expect(strstr(written(), ",\"left_out\":2}\n") != NULL);
}

Test(log, a_limited_event_below_the_level_uses_up_nothing)
{
    static struct log_limiter limiter;

    log_limited(&limiter, LOG_DEBUG, "refused", "%s", "x");
    cr_expect(limiter.last_ns == 0 && limiter.suppressed == 0);
    cr_expect_str_eq(written(), "");
}

static void *
write_limited(void *limiter)
{
    for (unsigned i = 0; i < LINES; i++)
        log_limited(limiter, LOG_INFO, "limited", "%u", i);
    return NULL;
}

Test(log, of_many_threads_one_writes_and_none_is_forgotten)
{
    static struct log_limiter limiter;
    pthread_t threads[THREADS];
    const char *line;

    for (unsigned i = 0; i < THREADS; i++)
        cr_assert(pthread_create(&threads[i], NULL, write_limited, &limiter) ==
                  0);
    for (unsigned i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    line = written();
    cr_expect(strchr(line, '\n') == line + strlen(line) - 1, "%s", line);
    /* A thread may count itself out between the winner's two steps. */
    cr_expect(limiter.suppressed <= THREADS * LINES - 1);
    cr_expect(limiter.suppressed >= THREADS * LINES - 1 - THREADS);
}

Test(log, the_clocks_go_on)
{
    uint64_t before = clock_now_ns();

    cr_expect(before > 0);
    cr_expect(clock_now_ns() >= before);
    cr_expect(clock_unix_ms() / 1000 - (uint64_t)time(NULL) + 1 <= 2);
}

Test(log, rows_of_one_metric_stand_together_and_agree)
{
    for (unsigned id = 0; id < COUNTER_COUNT; id++) {
        const struct counter_row *row = &counter_rows[id];
        bool is_apart = false;

        cr_expect(strncmp(row->metric, "prefixcache_", 12) == 0);
        cr_expect(strstr(row->metric, "_total") != NULL, "%s", row->metric);
        cr_expect(row->name[0] != '\0' && row->help[0] != '\0');
        for (unsigned next = id + 1; next < COUNTER_COUNT; next++) {
            const struct counter_row *other = &counter_rows[next];
            bool is_same = strcmp(row->metric, other->metric) == 0;

            cr_expect(strcmp(row->name, other->name) != 0, "%s", row->name);
            cr_expect(!is_same || !is_apart, "%s", other->name);
            cr_expect(!is_same || strcmp(row->labels, other->labels) != 0);
            cr_expect(!is_same || strcmp(row->help, other->help) == 0);
            is_apart = is_apart || !is_same;
        }
    }
}

Test(log, a_counter_counts)
{
    static struct counters counters;

    count(&counters, COUNTER_get_hits, 2);
    count(&counters, COUNTER_get_hits, 3);
    cr_expect(counter_read(&counters, COUNTER_get_hits) == 5);
    cr_expect(counter_read(&counters, COUNTER_get_misses) == 0);
}
