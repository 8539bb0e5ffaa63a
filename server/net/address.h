/* SPDX-License-Identifier: Apache-2.0 */
/* Listening sockets: host:port and Unix paths, and how they are spelled. */
#ifndef NET_ADDRESS_H
#define NET_ADDRESS_H

#include "proto/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

#define ADDRESS_TEXT_MAX 128u

/* A non-blocking listening socket.  `spelled` is what was really bound, a port
 * the kernel chose included.  IO and why[room] otherwise. */
enum status address_listen(const char *address, int *fd_out,
                           char spelled[ADDRESS_TEXT_MAX], char *why,
                           size_t room) MUST_USE;
/* The same for a Unix socket; a stale file that nobody listens on is replaced.
 */
enum status address_listen_unix(const char *path, int *fd_out, char *why,
                                size_t room) MUST_USE;
/* "1.2.3.4:5", "[::1]:5", "unix". */
void address_spell(const struct sockaddr_storage *, char *into, size_t room);
/* The end of a connection that is ours, as its peer has called it; false where
 * that is no address of a host. */
bool address_of_own(int fd, char into[ADDRESS_TEXT_MAX]) MUST_USE;
/* host:port or [v6]:port into two strings of `room` bytes each. */
bool address_split(const char *address, char *host, char *port,
                   size_t room) MUST_USE;

#endif
