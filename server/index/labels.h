/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What models are counted under: a small number for each namespace and model.
 *
 * A model is the text before the first '@' of a key.  The first ones that are
 * met are told apart, as many as index.models says; whatever else there is has
 * the label of its namespace's "other": later models, keys without an '@', names
 * that are no UTF-8 or too long.  A label never changes.
 */
#ifndef INDEX_LABELS_H
#define INDEX_LABELS_H

#include "proto/message.h"
#include "proto/status.h"

#include <stdint.h>

#define LABELS_SPACES    256u /* namespaces; a label below this is an "other" */
#define LABELS_MODEL_MAX 255u /* bytes */
#define LABELS_OTHER     "other"

struct labels;

/* For so many models, at most 32,768.  Main thread. */
enum status labels_open(unsigned models, struct labels **out) MUST_USE;
void labels_close(struct labels **);

/* From here on any thread. */

/* guess: the label of a key before, which costs least where it is right again;
 * else 0. */
unsigned labels_find(struct labels *, uint16_t space, const struct bytes *key,
                     unsigned guess);

/* All labels are below this, now, and for ever. */
unsigned labels_count(const struct labels *);
unsigned labels_most(const struct labels *);
/* Of one that was given: UTF-8 without control characters, lent while the labels
 * are open. */
uint16_t labels_space(const struct labels *, unsigned label);
const char *labels_model(const struct labels *, unsigned label);

#endif
