/* SPDX-License-Identifier: Apache-2.0 */
/* Labels, found by a table of slots that is only ever added to. */
#include "server/index/labels.h"

#include "proto/key.h"

#include <assert.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define MODELS_MAX 32768u

struct label {
    uint16_t space;
    uint16_t size;
    char model[LABELS_MODEL_MAX + 1];
};

struct labels {
    unsigned models;
    _Atomic unsigned named; /* models so far */
    unsigned slot_mask;
    _Atomic uint16_t *slots; /* labels of models, by hash; 0: free */
    struct label *all;       /* those of models stand behind the others */
    pthread_mutex_t lock;    /* for who adds one */
};

enum status
labels_open(unsigned models, struct labels **out)
{
    struct labels *labels = calloc(1, sizeof(*labels));
    unsigned slots = 4;

    assert(models <= MODELS_MAX);
    if (labels == NULL)
        return STATUS_NO_SPACE;
    while (slots < 2 * models)
        slots *= 2;
    labels->models = models;
    labels->slot_mask = slots - 1;
    pthread_mutex_init(&labels->lock, NULL);
    labels->slots = calloc(slots, sizeof(*labels->slots));
    labels->all = calloc(labels_most(labels), sizeof(*labels->all));
    if (labels->slots == NULL || labels->all == NULL) {
        labels_close(&labels);
        return STATUS_NO_SPACE;
    }
    for (unsigned i = 0; i < LABELS_SPACES; i++) {
        labels->all[i].space = (uint16_t)i;
        memcpy(labels->all[i].model, LABELS_OTHER, sizeof(LABELS_OTHER));
    }
    *out = labels;
    return STATUS_OK;
}

void
labels_close(struct labels **labels_in)
{
    struct labels *labels = *labels_in;

    if (labels == NULL)
        return;
    *labels_in = NULL;
    free(labels->slots);
    free(labels->all);
    pthread_mutex_destroy(&labels->lock);
    free(labels);
}

/* Before the first '@', and behind a brace (a key that cluster clients keep
 * together); empty where there is none that can be told. */
static struct bytes
model_of(const struct bytes *key)
{
    struct bytes model = *key;
    const uint8_t *end;
    size_t most;

    if (model.size != 0 && model.at[0] == '{') {
        model.at++;
        model.size--;
    }
    most = model.size <= LABELS_MODEL_MAX ? model.size : LABELS_MODEL_MAX + 1;
    end = most == 0 ? NULL : memchr(model.at, '@', most);
    model.size = end == NULL ? 0 : (size_t)(end - model.at);
    return model;
}

/* How many bytes the character at the front has; 0: it is none that may be
 * shown. */
static size_t
character(const uint8_t *at, size_t size)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    uint32_t code = at[0];
    size_t length = 1;

    if (code < 0x80)
        return code < 0x20 || code == 0x7f ? 0 : 1;
    while (length < 5 && (code & (0x80u >> length)) != 0)
        length++;
    if (length < 2 || length > 4 || length > size)
        return 0;
    code &= 0x7fu >> length;
    for (size_t i = 1; i < length; i++) {
        if ((at[i] & 0xc0) != 0x80)
            return 0;
        code = code << 6 | (at[i] & 0x3f);
    }
    return code < least[length] || code > 0x10ffff ||
                   (code >= 0xd800 && code < 0xe000)
               ? 0
               : length;
}

static bool
is_name(const struct bytes *model)
{
    size_t at = 0, length = 1;

    while (at < model->size && length != 0) {
        length = character(model->at + at, model->size - at);
        at += length;
    }
    return length != 0 && !(model->size == strlen(LABELS_OTHER) &&
                            memcmp(model->at, LABELS_OTHER, model->size) == 0);
}

static bool
is_of(const struct labels *labels, unsigned number, uint16_t space,
      const struct bytes *model)
{
    const struct label *label = &labels->all[number];

    return label->size == model->size && label->space == space &&
           memcmp(label->model, model->at, model->size) == 0;
}

/* The label, or 0; *slot_out is where it is, or would be. */
static unsigned
find(const struct labels *labels, uint16_t space, const struct bytes *model,
     unsigned *slot_out)
{
    struct key key =
        key_make(KEY_PLAIN, space, model->at, (uint16_t)model->size);
    unsigned slot = (unsigned)key.hash & labels->slot_mask, label;

    for (;;) {
        label =
            atomic_load_explicit(&labels->slots[slot], memory_order_acquire);
        if (label == 0 || is_of(labels, label, space, model))
            break;
        slot = (slot + 1) & labels->slot_mask;
    }
    *slot_out = slot;
    return label;
}

/* With the lock. */
static unsigned
add(struct labels *labels, uint16_t space, const struct bytes *model)
{
    unsigned slot, number = find(labels, space, model, &slot);
    unsigned named = atomic_load(&labels->named);
    struct label *label;

    if (number != 0)
        return number;
    if (named == labels->models)
        return space;
    number = LABELS_SPACES + named;
    label = &labels->all[number];
    label->space = space;
    label->size = (uint16_t)model->size;
    memcpy(label->model, model->at, model->size);
    atomic_store(&labels->named, named + 1);
    atomic_store_explicit(&labels->slots[slot], (uint16_t)number,
                          memory_order_release);
    return number;
}

unsigned
labels_find(struct labels *labels, uint16_t space, const struct bytes *key,
            unsigned guess)
{
    struct bytes model = model_of(key);
    unsigned label, slot;

    if (model.size == 0)
        return space;
    if (guess >= LABELS_SPACES && is_of(labels, guess, space, &model))
        return guess;
    label = find(labels, space, &model, &slot);
    if (label != 0)
        return label;
    if (atomic_load_explicit(&labels->named, memory_order_relaxed) ==
            labels->models ||
        !is_name(&model))
        return space;
    pthread_mutex_lock(&labels->lock);
    label = add(labels, space, &model);
    pthread_mutex_unlock(&labels->lock);
    return label;
}

unsigned
labels_count(const struct labels *labels)
{
    return LABELS_SPACES + atomic_load(&labels->named);
}

unsigned
labels_most(const struct labels *labels)
{
    return LABELS_SPACES + labels->models;
}

uint16_t
labels_space(const struct labels *labels, unsigned label)
{
    assert(label < labels_count(labels));
    return labels->all[label].space;
}

const char *
labels_model(const struct labels *labels, unsigned label)
{
    assert(label < labels_count(labels));
    return labels->all[label].model;
}
