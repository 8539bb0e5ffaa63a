/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One event, one line, on stderr: logfmt for people, JSON for machines
 * (log.format).  Whoever decides about an error logs it, once.  Any thread.
 */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include <stdbool.h>

enum log_level { LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG };
enum log_format { LOG_LOGFMT, LOG_JSON };

void log_setup(enum log_level least, enum log_format);

/* `event` names what happened (lower case words); the rest is one printf
 * format of further words for the reader, the `detail` of the line. */
void log_event(enum log_level, const char *event, const char *detail, ...)
    __attribute__((format(printf, 3, 4)));

/* For events an outsider can cause at will: at most one line in 60 s for each
 * limiter; the next line says how many were left out. */
struct log_limiter {
    unsigned long long last_ns, suppressed; /* touched atomically */
};
void log_limited(struct log_limiter *, enum log_level, const char *event,
                 const char *detail, ...) __attribute__((format(printf, 4, 5)));

#endif
