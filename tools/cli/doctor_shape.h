/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How an engine spells the name of a chunk.  The ways that LMCache has had:
 *
 *   model@workers@rank@hash@dtype[@layer][@tag%value]...
 *   format@model@workers@rank@hash[@layer]             (older)
 *   model@rank, 8 digits@group@hash[@salt]             (multi-process)
 *
 * Two engines find each other's chunks only if they spell alike.  Pure.
 */
#ifndef CLI_DOCTOR_SHAPE_H
#define CLI_DOCTOR_SHAPE_H

#include "proto/message.h"

#include <stdbool.h>
#include <stdint.h>

enum doctor_layout {
    DOCTOR_LAYOUT_OTHER,
    DOCTOR_LAYOUT_CURRENT,
    DOCTOR_LAYOUT_OLDER,
    DOCTOR_LAYOUT_PROCESSES,
    DOCTOR_LAYOUTS
};

enum doctor_hash {
    DOCTOR_HASH_OTHER,
    DOCTOR_HASH_SHORT,   /* up to 16 hexadecimal digits: 64 bits */
    DOCTOR_HASH_DECIMAL, /* 17 to 20 decimal ones: 64 bits too */
    DOCTOR_HASH_MIDDLE,  /* up to 32 hexadecimal ones: 128 bits */
    DOCTOR_HASH_LONG,    /* more: SHA-256 */
    DOCTOR_HASHES
};

struct doctor_shape {
    struct bytes
        label; /* before the first '@': what hit rates are counted by */
    struct bytes model, hash_text, dtype; /* empty where there is none */
    enum doctor_layout layout;
    enum doctor_hash hash;
    bool is_negative; /* the hash has a sign, as Python's hash() gives it */
    uint32_t workers; /* 0: not said */
    uint32_t rank;
};

/* Points into the key. */
void doctor_shape_read(struct bytes key, struct doctor_shape *out);

/* For a sentence: "64-bit hexadecimal". */
const char *doctor_shape_hash_name(enum doctor_hash);
const char *doctor_shape_layout_name(enum doctor_layout);

#endif
