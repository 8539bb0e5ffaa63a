/* SPDX-License-Identifier: Apache-2.0 */
/* Reading the number lines of RESP. */
#include "proto/resp_line.h"

#include "proto/resp.h"

#include <assert.h>

enum resp_line
resp_line_read(struct cursor *in, int64_t *out)
{
    assert(cursor_left(in) > 0);
    const uint8_t *text = in->at + 1;
    size_t most = cursor_left(in) - 1;
    if (most > RESP_LINE_MAX + 1)
        most = RESP_LINE_MAX + 1;
    const uint8_t *end = memchr(text, '\r', most);
    if (end == NULL && most > RESP_LINE_MAX)
        return RESP_LINE_LONG;
    if (end == NULL) {
        in->short_by = most == 0 ? 3 : 2;
        return RESP_LINE_SHORT;
    }
    struct bytes number = {text, (size_t)(end - text)};
    if (!argument_integer(&number, out))
        return RESP_LINE_WRONG;
    if (end + 1 == in->end) {
        in->short_by = 1;
        return RESP_LINE_SHORT;
    }
    if (end[1] != '\n')
        return RESP_LINE_WRONG;
    in->at += number.size + 3;
    return RESP_LINE_WHOLE;
}
