# SPDX-License-Identifier: Apache-2.0
# The other end.

noinst_LIBRARIES += libclient.a
libclient_a_SOURCES = \
	client/stream.c \
	client/wire.c \
	client/wire_lm.c \
	client/wire_memcached.c \
	client/wire_resp.c \
	client/wire_url.c

client_libs = libclient.a
