/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The lines RESP is framed by: a marker, a decimal number, CRLF.  Shared by the
 * two files that read framing, of requests and of replies.
 */
#ifndef PROTO_RESP_LINE_H
#define PROTO_RESP_LINE_H

#include "proto/protocol.h"

#define RESP_LINE_MAX 32u /* between marker and CRLF */

enum resp_line {
    RESP_LINE_WHOLE,
    RESP_LINE_SHORT, /* in->short_by is set */
    RESP_LINE_LONG,  /* no CRLF within RESP_LINE_MAX */
    RESP_LINE_WRONG  /* not one integer, or CR without LF */
};

/* Reads the number behind the marker at in->at, which is there and has been
 * looked at.  Consumes the line when it is WHOLE and nothing otherwise. */
enum resp_line resp_line_read(struct cursor *in, int64_t *out);

#endif
