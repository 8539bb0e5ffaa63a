/* SPDX-License-Identifier: Apache-2.0 */
/* The router's index in figures: each is one row. */
#include "server/observe/router_index.h"

#include "base/clock.h"
#include "server/server.h"

#include <string.h>

typedef unsigned long long number;

struct figure {
    const char *name;   /* in INFO and `stat`, behind router_index_ */
    const char *metric; /* behind prefixcache_router_index_ */
    const char *type, *help;
    uint64_t value;
};

#define FIGURES 12u

/* Also how long it took to write or read the file last. */
static void
list(struct server *server, struct figure figures[FIGURES], uint64_t *save_ns)
{
    struct saver_usage saver = {.saves = 0};
    struct catalog_usage usage;

    catalog_usage(server->catalog, &usage);
    if (server->saver != NULL)
        saver_usage(server->saver, &saver);
    *save_ns = saver.save_ns;
    const struct figure rows[FIGURES] = {
        {"size", "size_bytes", "gauge",
         "Memory the router's index may use, index.size.", usage.size},
        {"used", "used_bytes", "gauge", "Memory the router's index uses.",
         usage.used},
        {"hashes", "hashes", "gauge", "Hashes in the router's index: blocks.",
         usage.hashes},
        {"sets", "sets", "gauge",
         "Sorted sets in the router's index: engine keys.", usage.sets},
        {"items", "items", "gauge", "Fields and members in the router's index.",
         usage.items},
        {"words", "words", "gauge", "Different strings in the router's index.",
         usage.words},
        {"changes", "changes_total", "counter",
         "Changes of the router's index.", usage.changes},
        {"saves", "saves_total", "counter",
         "Times the router's index was written to its file.", saver.saves},
        {"save_failures", "save_failures_total", "counter",
         "Times it could not be written.", saver.failures},
        {"file_bytes", "file_bytes", "gauge",
         "Bytes of the router's index's file.", saver.bytes},
        {"file_keys", "file_keys", "gauge",
         "Keys in the router's index's file.", saver.keys},
        {"saved_unix", "saved_timestamp_seconds", "gauge",
         "Unix time that file was written; 0: there is none.",
         saver.saved_unix_ms / 1000},
    };

    memcpy(figures, rows, sizeof(rows));
}

void
router_index_write_info(struct server *server, FILE *file)
{
    struct figure figures[FIGURES];
    uint64_t save_ns;

    list(server, figures, &save_ns);
    for (unsigned i = 0; i < FIGURES; i++)
        fprintf(file, "router_index_%s:%llu\r\n", figures[i].name,
                (number)figures[i].value);
    fprintf(file, "router_index_save_ms:%llu\r\n",
            (number)(save_ns / NS_PER_MS));
}

void
router_index_write_metrics(struct server *server, FILE *file)
{
    struct figure figures[FIGURES];
    uint64_t save_ns;

    list(server, figures, &save_ns);
    for (unsigned i = 0; i < FIGURES; i++) {
        const struct figure *at = &figures[i];

        fprintf(file,
                "# HELP prefixcache_router_index_%s %s\n# TYPE "
                "prefixcache_router_index_%s %s\nprefixcache_router_index_%s "
                "%llu\n",
                at->metric, at->help, at->metric, at->type, at->metric,
                (number)at->value);
    }
    fprintf(file,
            "# HELP prefixcache_router_index_save_seconds How long it took to "
            "write or read the router's index's file last.\n"
            "# TYPE prefixcache_router_index_save_seconds gauge\n"
            "prefixcache_router_index_save_seconds %.3f\n",
            (double)save_ns / 1e9);
}
