/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The process, its pool, and dealing connections to threads.  What a
 * connection does with its bytes is ceiling_connection.c's.
 */
#include "tools/bench/ceiling_server.h"

#include "tools/bench/ceiling_connection.h"
#include "tools/bench/load_value.h"

#include <arpa/inet.h>
#include <assert.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define EVENTS_MAX 64

static void *
serve(void *argument)
{
    int queue = (int)(intptr_t)argument;
    struct epoll_event events[EVENTS_MAX];
    for (;;) {
        int count = epoll_wait(queue, events, EVENTS_MAX, -1);
        for (int i = 0; i < count; i++)
            ceiling_connection_on_ready(events[i].data.ptr);
    }
    return NULL;
}

static bool
fill_pool(const struct ceiling_server_plan *plan, struct ceiling_pool *pool)
{
    struct load_value *value = NULL;
    size_t room = plan->slots * plan->size;
    void *memory = mmap(NULL, room, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED)
        return false;
    (void)madvise(memory, room, MADV_HUGEPAGE);
    if (load_value_new(plan->size, &value) != STATUS_OK)
        return false;
    *pool = (struct ceiling_pool){memory, plan->size, plan->slots};
    for (uint64_t i = 0; i < plan->slots; i++)
        memcpy(pool->bytes + i * plan->size, load_value_body(value, i).at,
               plan->size);
    load_value_drop(&value);
    return true;
}

static bool
begin_connection(int queue, int fd, const struct ceiling_pool *pool)
{
    int one = 1;
    struct ceiling_connection *connection = NULL;
    return setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one) == 0 &&
           ceiling_connection_new(queue, fd, pool, &connection) == STATUS_OK &&
           ceiling_connection_start(connection) == STATUS_OK;
}

/* Never returns: accepts until it is killed. */
static void
run_process(const struct ceiling_server_plan *plan, int listener, int tell)
{
    static struct ceiling_pool pool;
    int queues[CEILING_THREADS_MAX] = {0};
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || !fill_pool(plan, &pool))
        _exit(1);
    for (unsigned i = 0; i < plan->threads; i++) {
        pthread_t thread;
        queues[i] = epoll_create1(EPOLL_CLOEXEC);
        if (queues[i] < 0 || pthread_create(&thread, NULL, serve,
                                            (void *)(intptr_t)queues[i]) != 0)
            _exit(1);
    }
    if (write(tell, "", 1) != 1)
        _exit(1);
    for (unsigned turn = 0;; turn = (turn + 1) % plan->threads) {
        int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0 || !begin_connection(queues[turn], fd, &pool))
            _exit(1);
    }
}

static int
open_listener(uint16_t *port_out)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t size = sizeof address;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    if (bind(fd, (struct sockaddr *)&address, size) != 0 ||
        listen(fd, SOMAXCONN) != 0 ||
        getsockname(fd, (struct sockaddr *)&address, &size) != 0) {
        close(fd);
        return -1;
    }
    *port_out = ntohs(address.sin_port);
    return fd;
}

enum status
ceiling_server_start(const struct ceiling_server_plan *plan,
                     struct ceiling_server *out)
{
    assert(plan->threads >= 1 && plan->threads <= CEILING_THREADS_MAX);
    int tell[2];
    int listener = open_listener(&out->port);
    if (listener < 0)
        return STATUS_IO;
    if (pipe(tell) != 0) {
        close(listener);
        return STATUS_IO;
    }
    out->pid = fork();
    if (out->pid == 0) {
        close(tell[0]);
        run_process(plan, listener, tell[1]);
    }
    close(listener);
    close(tell[1]);
    char byte;
    bool is_ready = out->pid > 0 && read(tell[0], &byte, 1) == 1;
    close(tell[0]);
    if (!is_ready && out->pid > 0)
        ceiling_server_stop(out);
    return is_ready ? STATUS_OK : STATUS_NO_SPACE;
}

void
ceiling_server_stop(struct ceiling_server *server)
{
    kill(server->pid, SIGKILL);
    waitpid(server->pid, NULL, 0);
    server->pid = 0;
}
