/* SPDX-License-Identifier: Apache-2.0 */
/* The page for people: status.html, which asks for /v1/stats. */
#include "server/observe/page.h"

#define CODE_OK 200

void
page_status(const struct page_ask *ask, struct page *out)
{
    (void)ask;
    page_text(out, CODE_OK, page_status_html);
    if (out->code == CODE_OK)
        out->type = "text/html; charset=utf-8";
}
