/* SPDX-License-Identifier: Apache-2.0 */
/* Pages of text and of JSON. */
#include "server/observe/page.h"

#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define REASON_MAX 512u

void
page_free(struct page *page)
{
    free(page->text);
    memset(page, 0, sizeof(*page));
}

void
page_text(struct page *page, int code, const char *text)
{
    page->text = strdup(text);
    if (page->text == NULL)
        return;
    page->code = code;
    page->type = "text/plain; charset=utf-8";
    page->size = strlen(text);
}

void
page_json(struct page *page, int code, json_t *json)
{
    char *text = json == NULL ? NULL : json_dumps(json, JSON_COMPACT);

    json_decref(json);
    if (text == NULL)
        return;
    page->text = text;
    page->code = code;
    page->type = "application/json";
    page->size = strlen(text);
}

void
page_error(struct page *page, int code, const char *word, const char *format,
           ...)
{
    char reason[REASON_MAX];
    struct bytes text = {(const uint8_t *)reason, 0};
    va_list list;

    va_start(list, format);
    vsnprintf(reason, sizeof(reason), format, list);
    va_end(list);
    text.size = strlen(reason);
    page_json(
        page, code,
        json_pack("{s:s, s:o}", "error", word, "reason", page_string(&text)));
}

json_t *
page_string(const struct bytes *bytes)
{
    json_t *json = json_stringn((const char *)bytes->at, bytes->size);
    char *text, *at;

    if (json != NULL)
        return json;
    at = text = malloc(3 * bytes->size + 1);
    if (text == NULL)
        return NULL;
    for (size_t i = 0; i < bytes->size; i++) {
        if (bytes->at[i] < 0x80) {
            *at++ = (char)bytes->at[i];
        } else {
            memcpy(at, "\xef\xbf\xbd", 3);
            at += 3;
        }
    }
    json = json_stringn(text, (size_t)(at - text));
    free(text);
    return json;
}
