# SPDX-License-Identifier: Apache-2.0
# The answers: bytes in and out, requests, what is shown of it.

noinst_LIBRARIES += libserver.a
libserver_a_CPPFLAGS = $(AM_CPPFLAGS) $(LIBEVENT_CFLAGS)
libserver_a_SOURCES = \
	server/daemon.c \
	server/net/address.c \
	server/net/buffers.c \
	server/net/connection.c \
	server/net/fetch.c \
	server/net/group.c \
	server/net/input.c \
	server/net/outbox.c \
	server/net/roster.c \
	server/net/watch.c \
	server/observe/http.c \
	server/observe/info.c \
	server/observe/metrics.c \
	server/observe/tiers.c \
	server/request/answer.c \
	server/request/glob.c \
	server/request/lm.c \
	server/request/request.c \
	server/request/resp.c \
	server/request/resp_client.c \
	server/request/resp_get.c \
	server/request/resp_key.c \
	server/request/resp_name.c \
	server/request/resp_put.c \
	server/request/resp_server.c \
	server/request/resp_session.c \
	server/request/resp_space.c \
	server/server.c \
	server/worker/deadline.c \
	server/worker/listener.c \
	server/worker/turn.c \
	server/worker/turn_body.c \
	server/worker/worker.c

server_libs = libserver.a $(storage_libs) $(base_libs) $(proto_libs) $(LIBEVENT_LIBS)

bin_PROGRAMS += prefixcached
prefixcached_SOURCES = server/main.c
prefixcached_LDADD = $(server_libs)

dist_man_MANS += \
	server/prefixcached.8
