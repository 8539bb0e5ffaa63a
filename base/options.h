/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The configuration: one table (options.def), one struct made from it, and one
 * option_set() that every source goes through: the YAML file, then the
 * environment (PREFIXCACHE_<SECTION>_<KEY>), then --set; later wins.
 */
#ifndef BASE_OPTIONS_H
#define BASE_OPTIONS_H

#include "proto/status.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#define OPTION_TEXT_MAX 256u

enum option_type {
    OPTION_SIZE,     /* bytes: 64MiB, 4Gi, 10G (powers of 1000), 65536 */
    OPTION_SHARE,    /* a size, or a share of the memory this process may use:
                       70% (of the cgroup's limit, else of the machine) */
    OPTION_COUNT,    /* a whole number */
    OPTION_MS,       /* milliseconds; also 20ms, 5s, 2m, 1h */
    OPTION_BOOL,     /* true false yes no on off */
    OPTION_CHOICE,   /* one of the words named in the table */
    OPTION_ADDRESS,  /* host:port, [v6]:port; port 0: the kernel chooses; empty
                       where that is the fallback */
    OPTION_ENDPOINT, /* ZeroMQ's: tcp://host:port, ipc://path; * for all
                        addresses, or for the port that the kernel chooses; may
                        be empty */
    OPTION_PATH,
    OPTION_TEXT
};

/* options.section_key, typed: uint64_t for SIZE SHARE COUNT MS CHOICE (index
 * of the word), bool for BOOL, char[OPTION_TEXT_MAX] for ADDRESS, ENDPOINT,
 * PATH, TEXT. */
#define OPTION_FIELD_SIZE(f)     uint64_t f;
#define OPTION_FIELD_SHARE(f)    uint64_t f;
#define OPTION_FIELD_COUNT(f)    uint64_t f;
#define OPTION_FIELD_MS(f)       uint64_t f;
#define OPTION_FIELD_CHOICE(f)   uint64_t f;
#define OPTION_FIELD_BOOL(f)     bool f;
#define OPTION_FIELD_ADDRESS(f)  char f[OPTION_TEXT_MAX];
#define OPTION_FIELD_ENDPOINT(f) char f[OPTION_TEXT_MAX];
#define OPTION_FIELD_PATH(f)     char f[OPTION_TEXT_MAX];
#define OPTION_FIELD_TEXT(f)     char f[OPTION_TEXT_MAX];

enum option_id {
#define OPTION(section, key, type, fallback, least, most, words, reload, help) \
    OPTION_ID_##section##_##key,
#include "base/options.def"
#undef OPTION
    OPTION_ID_COUNT
};

struct options {
#define OPTION(section, key, type, fallback, least, most, words, reload, help) \
    OPTION_FIELD_##type(section##_##key)
#include "base/options.def"
#undef OPTION
    /* Where each value came from: "default", "FILE:LINE", "environment NAME",
     * "--set", "derived". */
    char source[OPTION_ID_COUNT][OPTION_TEXT_MAX + 24];
};

/* What is wrong with an option, for a person: what, where, what was expected,
 * and the nearest known name where one was misspelt. */
struct option_problem {
    char text[1024];
};

/* All defaults. */
void options_init(struct options *);

/* One text for one option, and where it came from: `source` is remembered
 * with the value, `where` is what a problem's text begins with. */
struct option_input {
    const char *section, *key, *text;
    const char *source, *where;
};

/* BAD_REQUEST and *problem for an unknown name or a bad value; then nothing
 * was changed.  All texts are copied. */
enum status option_set(struct options *, const struct option_input *,
                       struct option_problem *) MUST_USE;

/* "section.key=value", as given to --set. */
enum status option_set_pair(struct options *, const char *pair,
                            const char *source,
                            struct option_problem *) MUST_USE;

/* Sources, in the order they are meant to be called.  The file is YAML: a
 * mapping of sections to mappings of keys to scalars. */
enum status options_read_file(struct options *, const char *path,
                              struct option_problem *) MUST_USE;
enum status options_read_yaml(struct options *, const void *text, size_t size,
                              const char *name,
                              struct option_problem *) MUST_USE; /* fuzzed */
enum status options_read_environment(struct options *, char **environment,
                                     struct option_problem *) MUST_USE;

/* Fills in what depends on other values (those whose fallback is "auto"), then
 * checks the whole: sizes that can not fit, a bind beyond loopback without
 * security.insecure.  Call once, after all sources. */
enum status options_finish(struct options *, struct option_problem *) MUST_USE;

/* --print-config: every option as YAML, with its source as a comment. */
void options_print(const struct options *, FILE *);
/* The option's value spelled as a source would spell it. */
void option_format(const struct options *, enum option_id, char *into,
                   size_t room);
/* One option's value and source, of others. */
void option_copy(struct options *, const struct options *from, enum option_id);
const char *option_section(enum option_id);
const char *option_key(enum option_id);
bool option_may_reload(enum option_id);

#endif
