/* SPDX-License-Identifier: Apache-2.0 */
/* Binding, with errors that say what and where. */
#include "server/net/address.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define BACKLOG 1024

static enum status
fail(const char *what, const char *where, char *why, size_t room)
{
    snprintf(why, room, "can not %s %s: %s", what, where, strerror(errno));
    return STATUS_IO;
}

bool
address_split(const char *address, char *host, char *port, size_t room)
{
    const char *colon = strrchr(address, ':');
    size_t size;

    if (colon == NULL)
        return false;
    size = (size_t)(colon - address);
    if (size >= 2 && address[0] == '[' && address[size - 1] == ']') {
        address++;
        size -= 2;
    }
    if (size >= room || strlen(colon + 1) >= room)
        return false;
    memcpy(host, address, size);
    host[size] = '\0';
    memcpy(port, colon + 1, strlen(colon + 1) + 1);
    return true;
}

void
address_spell(const struct sockaddr_storage *address, char *into, size_t room)
{
    char host[64] = "", port[16] = "";

    if (address->ss_family == AF_UNIX ||
        getnameinfo((const struct sockaddr *)address, sizeof(*address), host,
                    sizeof(host), port, sizeof(port),
                    NI_NUMERICHOST | NI_NUMERICSERV) != 0)
        snprintf(into, room, "unix");
    else if (address->ss_family == AF_INET6)
        snprintf(into, room, "[%s]:%s", host, port);
    else
        snprintf(into, room, "%s:%s", host, port);
}

/* An IPv4 peer of a socket for both is told the IPv4 address. */
static void
unmap(struct sockaddr_storage *address)
{
    const struct sockaddr_in6 *six = (const struct sockaddr_in6 *)address;
    struct sockaddr_in four = {.sin_family = AF_INET};

    if (address->ss_family != AF_INET6 ||
        !IN6_IS_ADDR_V4MAPPED(&six->sin6_addr))
        return;
    four.sin_port = six->sin6_port;
    memcpy(&four.sin_addr, six->sin6_addr.s6_addr + 12, sizeof(four.sin_addr));
    memset(address, 0, sizeof(*address));
    memcpy(address, &four, sizeof(four));
}

bool
address_of_own(int fd, char into[ADDRESS_TEXT_MAX])
{
    struct sockaddr_storage own = {0};
    socklen_t size = sizeof(own);

    if (getsockname(fd, (struct sockaddr *)&own, &size) != 0 ||
        own.ss_family == AF_UNIX)
        return false;
    unmap(&own);
    address_spell(&own, into, ADDRESS_TEXT_MAX);
    return true;
}

static int
listen_on(const struct addrinfo *info)
{
    int on = 1;
    int fd = socket(info->ai_family,
                    info->ai_socktype | SOCK_NONBLOCK | SOCK_CLOEXEC,
                    info->ai_protocol);

    if (fd < 0)
        return -1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (bind(fd, info->ai_addr, info->ai_addrlen) == 0 &&
        listen(fd, BACKLOG) == 0)
        return fd;
    close(fd);
    return -1;
}

enum status
address_listen(const char *address, int *fd_out, char spelled[ADDRESS_TEXT_MAX],
               char *why, size_t room)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM,
                             .ai_flags = AI_PASSIVE | AI_NUMERICSERV};
    struct addrinfo *found;
    struct sockaddr_storage bound = {0};
    socklen_t size = sizeof(bound);
    char host[256], port[256];
    int error, fd;

    if (!address_split(address, host, port, sizeof(host))) {
        snprintf(why, room, "%s: expected host:port", address);
        return STATUS_BAD_REQUEST;
    }
    error = getaddrinfo(host, port, &hints, &found);
    if (error != 0) {
        snprintf(why, room, "can not resolve %s: %s", address,
                 gai_strerror(error));
        return STATUS_IO;
    }
    fd = listen_on(found);
    freeaddrinfo(found);
    if (fd < 0)
        return fail("listen on", address, why, room);
    if (getsockname(fd, (struct sockaddr *)&bound, &size) != 0) {
        close(fd);
        return fail("ask the address of", address, why, room);
    }
    address_spell(&bound, spelled, ADDRESS_TEXT_MAX);
    *fd_out = fd;
    return STATUS_OK;
}

/* Does anybody answer there? */
static bool
is_served(const struct sockaddr_un *address)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool is_served = fd >= 0 && connect(fd, (const struct sockaddr *)address,
                                        sizeof(*address)) == 0;

    if (fd >= 0)
        close(fd);
    return is_served;
}

/* Takes a socket nobody serves out of the way, and nothing else. */
static enum status
clear_path(const struct sockaddr_un *address, char *why, size_t room)
{
    const char *path = address->sun_path;
    struct stat file;

    if (lstat(path, &file) != 0)
        return STATUS_OK;
    if (!S_ISSOCK(file.st_mode)) {
        errno = EEXIST;
        return fail("make a socket at", path, why, room);
    }
    if (is_served(address)) {
        errno = EADDRINUSE;
        return fail("listen on", path, why, room);
    }
    unlink(path);
    return STATUS_OK;
}

enum status
address_listen_unix(const char *path, int *fd_out, char *why, size_t room)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd;

    if (strlen(path) >= sizeof(address.sun_path)) {
        snprintf(why, room, "%s: a socket's path has at most %zu bytes", path,
                 sizeof(address.sun_path) - 1);
        return STATUS_BAD_REQUEST;
    }
    memcpy(address.sun_path, path, strlen(path) + 1);
    if (clear_path(&address, why, room) != STATUS_OK)
        return STATUS_IO;
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return fail("make a socket for", path, why, room);
    if (bind(fd, (const struct sockaddr *)&address, sizeof(address)) != 0 ||
        listen(fd, BACKLOG) != 0) {
        fail("listen on", path, why, room);
        close(fd);
        return STATUS_IO;
    }
    *fd_out = fd;
    return STATUS_OK;
}
