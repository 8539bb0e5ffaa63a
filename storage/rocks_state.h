/* SPDX-License-Identifier: Apache-2.0 */
/* Inside of rocks.h, for the rocks*.c files alone. */
#ifndef STORAGE_ROCKS_STATE_H
#define STORAGE_ROCKS_STATE_H

#include "storage/rocks.h"

#include <pthread.h>
#include <rocksdb/c.h>

struct rocks {
    rocksdb_t *db;
    rocksdb_options_t *options;
    rocksdb_ingestexternalfileoptions_t *ingest;
    rocksdb_readoptions_t *read;
    rocksdb_writeoptions_t *write;
    rocksdb_envoptions_t *file;
    struct rocks_family *home, *first; /* the default one; not taken */
    bool is_whole;                     /* all families are known */
    pthread_mutex_t write_lock;        /* one batch at a time */
    enum status written; /* OK, or how a batch failed: the last one */
};

/* From here on what the database there logs for itself goes nowhere. */
void rocks_mute(const char *path);

/* Frees the text; NULL: OK. */
enum status rocks_status(char *error, struct rocks_why *);

#endif
