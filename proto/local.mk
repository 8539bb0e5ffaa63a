# SPDX-License-Identifier: Apache-2.0
# The words: pure codecs over memory.

noinst_LIBRARIES += libproto.a
libproto_a_CPPFLAGS = $(AM_CPPFLAGS) $(XXHASH_CFLAGS)
libproto_a_CFLAGS = $(AM_CFLAGS) -fPIC
libproto_a_SOURCES = $(proto_sources)
nodist_libproto_a_SOURCES = proto/native.pb.c

# PIC, as libprefixcache.so takes what it needs from here.
proto_sources = \
	proto/checksum.c \
	proto/key.c \
	proto/lm.c \
	proto/native.c \
	proto/native_list.c \
	proto/object_name.c \
	proto/resp.c \
	proto/resp_argument.c \
	proto/resp_command.c \
	proto/resp_line.c \
	proto/resp_reply.c \
	proto/resp_token.c \
	proto/slot.c \
	proto/status.c

proto_libs = libproto.a $(NANOPB_LIBS) $(XXHASH_LIBS)

# The messages of the native wire, by nanopb; both files at once.  Objects of
# native.c need the header before they are made for the first time.
BUILT_SOURCES += proto/native.pb.h
CLEANFILES += proto/native.pb.c proto/native.pb.h
proto/native.pb.c: $(srcdir)/proto/native.proto $(srcdir)/proto/native.options
	$(AM_V_GEN)$(MKDIR_P) proto && \
	$(PROTOC) -I$(srcdir) --nanopb_opt=-I$(srcdir) --nanopb_out=. \
	    $(srcdir)/proto/native.proto && touch proto/native.pb.h
proto/native.pb.h: proto/native.pb.c
	@test -f $@ || { rm -f proto/native.pb.c && $(MAKE) $(AM_MAKEFLAGS) proto/native.pb.c; }
proto/libproto_a-native.$(OBJEXT): proto/native.pb.h
