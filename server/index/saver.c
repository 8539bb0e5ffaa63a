/* SPDX-License-Identifier: Apache-2.0 */
/* The thread, when it writes, and the file's name and its neighbours. */
#include "server/index/saver.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/thread.h"
#include "server/index/saver_file.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#define PATH_ROOM 1024u

struct saver {
    struct catalog *catalog;
    uint64_t every_ns;
    char path[PATH_ROOM], part[PATH_ROOM + 16], refused[PATH_ROOM + 16];
    uint64_t changes; /* of the catalog, when it was last saved */
    pthread_t thread;
    bool has_thread;

    pthread_mutex_t lock;
    pthread_cond_t told;
    bool must_end;            /* under the lock, */
    struct saver_usage usage; /* as is this */
};

static void
name_files(struct saver *saver, const char *path)
{
    struct stat about;
    bool is_directory = stat(path, &about) == 0 && S_ISDIR(about.st_mode);

    snprintf(saver->path, sizeof(saver->path), "%s%s", path,
             is_directory ? "/prefixcache.index" : "");
    snprintf(saver->part, sizeof(saver->part), "%s.part", saver->path);
    snprintf(saver->refused, sizeof(saver->refused), "%s.refused", saver->path);
}

static uint64_t
changes_of(struct catalog *catalog)
{
    struct catalog_usage usage;

    catalog_usage(catalog, &usage);
    return usage.changes;
}

static void
note(struct saver *saver, const struct saver_file *file, bool is_good)
{
    pthread_mutex_lock(&saver->lock);
    if (is_good) {
        saver->usage.bytes = file->bytes;
        saver->usage.keys = file->keys;
        saver->usage.save_ns = file->took_ns;
        saver->usage.saved_unix_ms = file->unix_ms;
        saver->usage.saves++;
    } else {
        saver->usage.failures++;
    }
    pthread_mutex_unlock(&saver->lock);
}

static void
save(struct saver *saver)
{
    static struct log_limiter limiter;
    uint64_t changes = changes_of(saver->catalog);
    struct saver_file file;
    enum status status;

    if (changes == saver->changes)
        return;
    status = saver_file_write(saver->catalog, saver->path, saver->part, &file);
    note(saver, &file, status == STATUS_OK);
    if (status == STATUS_OK) {
        saver->changes = changes;
        log_event(LOG_DEBUG, "index written",
                  "path=%s keys=%llu bytes=%llu ms=%llu", saver->path,
                  (unsigned long long)file.keys, (unsigned long long)file.bytes,
                  (unsigned long long)(file.took_ns / NS_PER_MS));
        return;
    }
    log_limited(&limiter, LOG_ERROR, "index not written", "path=%s: %s",
                saver->path, file.why);
}

/* Until it is time, or the end; true at the end. */
static bool
wait_for_time(struct saver *saver)
{
    uint64_t until_ns = clock_now_ns() + saver->every_ns;
    struct timespec until = {(time_t)(until_ns / NS_PER_SECOND),
                             (long)(until_ns % NS_PER_SECOND)};
    int waited = 0;
    bool must_end;

    pthread_mutex_lock(&saver->lock);
    while (!saver->must_end && waited != ETIMEDOUT) {
        if (saver->every_ns == 0)
            pthread_cond_wait(&saver->told, &saver->lock);
        else
            waited = pthread_cond_timedwait(&saver->told, &saver->lock, &until);
    }
    must_end = saver->must_end;
    pthread_mutex_unlock(&saver->lock);
    return must_end;
}

static void *
run(void *arg)
{
    struct saver *saver = arg;

    while (!wait_for_time(saver))
        save(saver);
    return NULL;
}

/* The catalog begins empty then, whatever of it was read. */
static void
refuse(struct saver *saver, const char *why)
{
    uint64_t cursor = 0;

    while (catalog_flush_some(saver->catalog, CATALOG_ALL_SPACES, &cursor))
        continue;
    if (rename(saver->path, saver->refused) == 0)
        log_event(LOG_ERROR, "index refused",
                  "path=%s: %s; put aside as %s, the index begins empty",
                  saver->path, why, saver->refused);
    else
        log_event(LOG_ERROR, "index refused",
                  "path=%s: %s; it can not be put aside either: %s",
                  saver->path, why, strerror(errno));
}

static void
load(struct saver *saver)
{
    struct saver_file file;

    switch (saver_file_read(saver->catalog, saver->path, &file)) {
    case STATUS_OK:
        note(saver, &file, true);
        saver->usage.saves = 0;
        log_event(LOG_INFO, "index read",
                  "path=%s keys=%llu bytes=%llu ms=%llu", saver->path,
                  (unsigned long long)file.keys, (unsigned long long)file.bytes,
                  (unsigned long long)(file.took_ns / NS_PER_MS));
        break;
    case STATUS_MISS:
        break;
    default:
        refuse(saver, file.why);
        break;
    }
    saver->changes = changes_of(saver->catalog);
}

static enum status
start(struct saver *saver)
{
    pthread_condattr_t attributes;
    enum status status;

    pthread_mutex_init(&saver->lock, NULL);
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&saver->told, &attributes);
    pthread_condattr_destroy(&attributes);
    load(saver);
    status = thread_start(&saver->thread, "index", run, saver);
    saver->has_thread = status == STATUS_OK;
    return status;
}

enum status
saver_open(struct catalog *catalog, const char *path, uint64_t every_ns,
           struct saver **out)
{
    struct saver *saver = calloc(1, sizeof(*saver));
    enum status status;

    if (saver == NULL)
        return STATUS_NO_SPACE;
    saver->catalog = catalog;
    saver->every_ns = every_ns;
    name_files(saver, path);
    status = start(saver);
    if (status != STATUS_OK)
        saver_close(&saver);
    else
        *out = saver;
    return status;
}

void
saver_close(struct saver **saver_in)
{
    struct saver *saver = *saver_in;

    if (saver == NULL)
        return;
    *saver_in = NULL;
    if (saver->has_thread) {
        pthread_mutex_lock(&saver->lock);
        saver->must_end = true;
        pthread_cond_signal(&saver->told);
        pthread_mutex_unlock(&saver->lock);
        pthread_join(saver->thread, NULL);
        save(saver);
    }
    pthread_cond_destroy(&saver->told);
    pthread_mutex_destroy(&saver->lock);
    free(saver);
}

void
saver_usage(struct saver *saver, struct saver_usage *out)
{
    pthread_mutex_lock(&saver->lock);
    *out = saver->usage;
    pthread_mutex_unlock(&saver->lock);
}
