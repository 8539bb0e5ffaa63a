/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the HTTP port answers, without the HTTP: a page is made of what was asked
 * for, whole.  All are made on the HTTP port's thread and change nothing.
 */
#ifndef OBSERVE_PAGE_H
#define OBSERVE_PAGE_H

#include "base/counters.h"
#include "proto/message.h"

struct json_t;
struct server;

struct page_ask {
    struct server *server;
    struct counters *counters; /* the thread's own */
    struct bytes query; /* behind the '?', encoded as it came; size 0: none */
    struct bytes body;  /* of a POST */
};

/* All zeros: there was no memory for it. */
struct page {
    int code; /* of HTTP */
    const char *type;
    char *text; /* on the heap: page_free() */
    size_t size;
};
void page_free(struct page *);

typedef void page_fn(const struct page_ask *, struct page *out);

/* page_state.c */
page_fn page_live, page_ready, page_metrics, page_config;
/* page_prefix.c */
page_fn page_prefix;
/* page_query.c */
page_fn page_query_by_hash, page_batch_query_keys;
/* page_keys.c */
page_fn page_keys;
/* page_stats.c */
page_fn page_stats;
/* page_status.c */
page_fn page_status;
extern const char page_status_html[]; /* made of status.html */

/* For those who make them.  Text is copied. */
void page_text(struct page *, int code, const char *text);
/* Takes the reference; NULL stands for no memory. */
void page_json(struct page *, int code, struct json_t *);
/* {"error": word, "reason": ...} */
void page_error(struct page *, int code, const char *word, const char *format,
                ...) __attribute__((format(printf, 4, 5)));

/* Hit rates, and what they were in the last hour; NULL without memory. */
struct json_t *page_rates(struct server *);
struct json_t *page_rates_history(struct server *);

/* A JSON string; of bytes that are no UTF-8 each such byte is U+FFFD.  NULL
 * without memory. */
struct json_t *page_string(const struct bytes *);

#endif
