/* SPDX-License-Identifier: Apache-2.0 */
/* /livez /readyz /healthz /metrics /v1/config: the server itself. */
#include "server/observe/metrics.h"
#include "server/observe/page.h"
#include "server/server.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CODE_OK          200
#define CODE_UNAVAILABLE 503

void
page_live(const struct page_ask *ask, struct page *out)
{
    (void)ask;
    page_text(out, CODE_OK, "ok\n");
}

void
page_ready(const struct page_ask *ask, struct page *out)
{
    if (atomic_load(&ask->server->is_draining))
        page_text(out, CODE_UNAVAILABLE, "draining\n");
    else
        page_text(out, CODE_OK, "ready\n");
}

void
page_metrics(const struct page_ask *ask, struct page *out)
{
    char *text = NULL;
    size_t size = 0;
    FILE *file = open_memstream(&text, &size);
    bool is_whole;

    if (file == NULL)
        return;
    metrics_write(ask->server, file);
    is_whole = !ferror(file);
    if (fclose(file) != 0 || !is_whole || text == NULL) {
        free(text);
        return;
    }
    out->code = CODE_OK;
    out->type = "text/plain; version=0.0.4; charset=utf-8";
    out->text = text;
    out->size = size;
}

/* A file's name may hold anything. */
static json_t *
text_of(const char *text)
{
    struct bytes bytes = {(const uint8_t *)text, strlen(text)};

    return page_string(&bytes);
}

static json_t *
option_of(const struct options *options, enum option_id id)
{
    char value[OPTION_TEXT_MAX];

    option_format(options, id, value, sizeof(value));
    return json_pack("{s:o, s:o, s:b}", "value", text_of(value), "source",
                     text_of(options->source[id]), "reloadable",
                     option_may_reload(id));
}

/* No option is a secret. */
void
page_config(const struct page_ask *ask, struct page *out)
{
    struct options *options = malloc(sizeof(*options));
    json_t *all = json_object();
    char name[128];

    if (options == NULL || all == NULL) {
        json_decref(all);
        free(options);
        return;
    }
    server_options(ask->server, options);
    for (unsigned i = 0; i < OPTION_ID_COUNT; i++) {
        enum option_id id = (enum option_id)i;

        snprintf(name, sizeof(name), "%s.%s", option_section(id),
                 option_key(id));
        json_object_set_new(all, name, option_of(options, id));
    }
    free(options);
    page_json(out, CODE_OK, json_pack("{s:o}", "options", all));
}
