# SPDX-License-Identifier: Apache-2.0
# The words: pure codecs over memory.

noinst_LIBRARIES += libproto.a
libproto_a_CPPFLAGS = $(AM_CPPFLAGS) $(XXHASH_CFLAGS)
libproto_a_SOURCES = \
	proto/checksum.c \
	proto/key.c \
	proto/lm.c \
	proto/object_name.c \
	proto/resp.c \
	proto/resp_argument.c \
	proto/resp_command.c \
	proto/resp_line.c \
	proto/resp_reply.c \
	proto/resp_token.c \
	proto/slot.c \
	proto/status.c

proto_libs = libproto.a $(XXHASH_LIBS)
