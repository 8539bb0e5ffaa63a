/* SPDX-License-Identifier: Apache-2.0 */
/* A short list of GETs under way, most often empty. */
#include "server/net/order.h"

#include "storage/poison.h"

#include <assert.h>
#include <stdlib.h>

#define KEPT_MAX 64u

struct order {
    struct store_get get;
    struct order_terms terms;
    struct order_list *list;
    struct order *next;
    uint32_t size; /* bytes of its value */
    bool is_done;
};

static struct order *
order_new(struct order_stock *stock)
{
    struct order *order = stock->kept;

    if (order == NULL)
        return malloc(sizeof(*order));
    POISON_RELEASE(&order->get, sizeof(order->get));
    stock->kept = order->next;
    stock->kept_count--;
    return order;
}

static void
order_free(struct order_stock *stock, struct order *order)
{
    if (stock->kept_count == KEPT_MAX) {
        free(order);
        return;
    }
    /* The store has nothing to do with it any more. */
    POISON_HOLD(&order->get, sizeof(order->get));
    order->next = stock->kept;
    stock->kept = order;
    stock->kept_count++;
}

void
order_stock_close(struct order_stock *stock)
{
    while (stock->kept != NULL) {
        struct order *order = stock->kept;

        stock->kept = order->next;
        POISON_RELEASE(&order->get, sizeof(order->get));
        free(order);
    }
    stock->kept_count = 0;
}

static void
end(struct order *order)
{
    assert(!order->is_done);
    order->is_done = true;
    order->list->done_count++;
    order->list->wake(order->list);
}

static void
on_get(struct store_get *get)
{
    end((struct order *)get);
}

/* Behind the last: those that are done at one time are answered in the order in
 * which they were asked for. */
static void
add(struct order_list *list, struct order *order, const struct store_name *name)
{
    struct order **at = &list->first;
    struct store_view view;

    while (*at != NULL)
        at = &(*at)->next;
    *at = order;
    order->next = NULL;
    order->size = 0;
    if (store_view(list->stock->port, name, &view) == STATUS_OK)
        order->size = view.body_size;
    list->count++;
    list->bytes += order->size;
}

enum progress
order_start(struct order_list *list, const struct order_terms *terms,
            const struct store_name *name, struct store_get *out)
{
    struct order *order = order_new(list->stock);

    assert(list->count < ORDERS_LAST);
    if (order == NULL) {
        *out = (struct store_get){.status = STATUS_MISS};
        return FINISHED;
    }
    order->terms = *terms;
    order->list = list;
    order->is_done = false;
    order->get.done = on_get;
    order->get.run = list->run;
    if (store_get_start(list->stock->port, &order->get, name) == PENDING) {
        add(list, order, name);
        return PENDING;
    }
    *out = order->get;
    order_free(list->stock, order);
    return FINISHED;
}

/* Takes it out of the list. */
static struct order *
unlink_at(struct order_list *list, struct order **at)
{
    struct order *order = *at;

    *at = order->next;
    list->count--;
    list->done_count -= order->is_done;
    list->bytes -= order->size;
    return order;
}

bool
order_take(struct order_list *list, struct order_terms *terms_out,
           struct store_get *out)
{
    struct order **at = &list->first, *order;

    if (list->done_count == 0)
        return false;
    while (!(*at)->is_done)
        at = &(*at)->next;
    order = unlink_at(list, at);
    *terms_out = order->terms;
    *out = order->get;
    order_free(list->stock, order);
    return true;
}

void
order_expire(struct order_list *list, uint64_t now_ns)
{
    for (struct order *at = list->first; at != NULL; at = at->next) {
        uint64_t deadline_ns = at->terms.deadline_ns;

        if (at->is_done || deadline_ns == 0 || now_ns <= deadline_ns)
            continue;
        store_get_cancel(list->stock->port, &at->get);
        at->get.status = STATUS_LATE;
        at->get.chunk = NULL;
        end(at);
    }
}

void
order_forget(struct order_list *list)
{
    while (list->first != NULL) {
        struct order *order = unlink_at(list, &list->first);

        if (!order->is_done)
            store_get_cancel(list->stock->port, &order->get);
        else
            chunk_drop(&order->get.chunk);
        order_free(list->stock, order);
    }
}
