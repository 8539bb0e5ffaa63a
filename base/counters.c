/* SPDX-License-Identifier: Apache-2.0 */
/* The names and texts of counters, from the table.  Counting is in the header;
 * summing and spelling them for a reader is the server's. */
#include "base/counters.h"

const struct counter_row counter_rows[COUNTER_COUNT] = {
#define COUNTER(name, metric, labels, help) {#name, metric, labels, help},
#include "base/counters.def"
#undef COUNTER
};
