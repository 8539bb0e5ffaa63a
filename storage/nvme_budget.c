/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The bytes in flight of a device, and the line of those that wait for some.
 * Who gives bytes back grants them to the head of the line, and tells it by a
 * post to its own thread.
 */
#include "storage/nvme_state.h"

#include <assert.h>

void
nvme_budget_open(struct nvme_budget *budget, uint64_t size)
{
    pthread_mutex_init(&budget->lock, NULL);
    budget->size = size;
}

void
nvme_budget_close(struct nvme_budget *budget)
{
    assert(budget->used == 0);
    assert(budget->read_line.first == NULL && budget->write_line.first == NULL);
    pthread_mutex_destroy(&budget->lock);
}

/* Writes never stand in the way of a read that waits, except for the one that
 * there may always be: neither kind waits for ever. */
static bool
may_have(const struct nvme_budget *budget, const struct nvme_wait *wait)
{
    bool fits = wait->bytes <= budget->size &&
                budget->used <= budget->size - wait->bytes;

    if (wait->is_write)
        return budget->writes == 0 || (budget->read_line.first == NULL && fits);
    return budget->reads == 0 || fits;
}

static void
take(struct nvme_budget *budget, const struct nvme_wait *wait)
{
    budget->used += wait->bytes;
    if (wait->is_write)
        budget->writes++;
    else
        budget->reads++;
}

static void
on_post(struct post *post)
{
    struct nvme_wait *wait = (struct nvme_wait *)post;

    wait->granted(wait);
}

static void
stand(struct nvme_line *line, struct nvme_wait *wait)
{
    wait->next = NULL;
    if (line->last != NULL)
        line->last->next = wait;
    else
        line->first = wait;
    line->last = wait;
}

static struct nvme_wait *
leave(struct nvme_line *line)
{
    struct nvme_wait *wait = line->first;

    line->first = wait->next;
    if (line->first == NULL)
        line->last = NULL;
    wait->next = NULL;
    return wait;
}

bool
nvme_budget_take(struct nvme_budget *budget, struct nvme_wait *wait)
{
    struct nvme_line *line =
        wait->is_write ? &budget->write_line : &budget->read_line;
    bool is_taken;

    wait->is_refused = false;
    wait->post.run = on_post;
    pthread_mutex_lock(&budget->lock);
    is_taken = line->first == NULL && may_have(budget, wait);
    if (is_taken)
        take(budget, wait);
    else
        stand(line, wait);
    pthread_mutex_unlock(&budget->lock);
    return is_taken;
}

/* Moves those at the head of a line that may have some to the others. */
static void
grant(struct nvme_budget *budget, struct nvme_line *line,
      struct nvme_line *granted)
{
    while (line->first != NULL && may_have(budget, line->first)) {
        struct nvme_wait *wait = leave(line);

        take(budget, wait);
        stand(granted, wait);
    }
}

/* Without the lock: a post is a system call. */
static void
tell(struct nvme_line *granted)
{
    while (granted->first != NULL) {
        struct nvme_wait *wait = leave(granted);

        port_post(wait->port, &wait->post);
    }
}

void
nvme_budget_give(struct nvme_budget *budget, uint64_t bytes, bool is_write)
{
    struct nvme_line granted = {NULL, NULL};

    pthread_mutex_lock(&budget->lock);
    assert(budget->used >= bytes);
    budget->used -= bytes;
    if (is_write)
        budget->writes--;
    else
        budget->reads--;
    grant(budget, &budget->read_line, &granted);
    grant(budget, &budget->write_line, &granted);
    pthread_mutex_unlock(&budget->lock);
    tell(&granted);
}

void
nvme_budget_refuse_reads(struct nvme_budget *budget)
{
    struct nvme_line granted = {NULL, NULL};

    pthread_mutex_lock(&budget->lock);
    while (budget->read_line.first != NULL) {
        struct nvme_wait *wait = leave(&budget->read_line);

        wait->is_refused = true;
        stand(&granted, wait);
    }
    grant(budget, &budget->write_line, &granted);
    pthread_mutex_unlock(&budget->lock);
    tell(&granted);
}
