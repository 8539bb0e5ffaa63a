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

# libprefixcache.  Its own files; what it takes from proto comes from libproto.a.
libprefixcache_sources = \
	client/addresses.c \
	client/ask.c \
	client/cache.c \
	client/cache_items.c \
	client/cache_options.c \
	client/cache_prefix.c \
	client/cache_shards.c \
	client/cache_url.c \
	client/call.c \
	client/completions.c \
	client/deadlines.c \
	client/engine.c \
	client/link.c \
	client/link_answer.c \
	client/link_receive.c \
	client/link_send.c \
	client/placement.c \
	client/shard.c

# For programs of this tree, which run from it: they link it statically, by
# $(cache_libs).  And what the library is made of.
noinst_LIBRARIES += libcache.a
libcache_a_CFLAGS = $(AM_CFLAGS) -fPIC -fvisibility=hidden
libcache_a_SOURCES = $(libprefixcache_sources)
cache_libs = libcache.a $(proto_libs)

# One object that shows nothing but the interface: other names could meet those
# of a program that links the archive.
library_soname = libprefixcache.so.0
library_file = libprefixcache.so.$(PACKAGE_VERSION)
library_map = $(srcdir)/client/libprefixcache.map
libprefixcache.o: libcache.a libproto.a
	$(AM_V_CCLD)$(CC) -r -nostdlib -o $@.new \
	    -Wl,--whole-archive libcache.a -Wl,--no-whole-archive libproto.a \
	    -Wl,-Bstatic $(NANOPB_LIBS) && \
	$(OBJCOPY) --wildcard --keep-global-symbol='prefixcache_*' $@.new $@ && \
	rm -f $@.new
libprefixcache.a: libprefixcache.o
	$(AM_V_AR)rm -f $@ && $(AR) $(ARFLAGS) $@ libprefixcache.o && $(RANLIB) $@
$(library_file): libprefixcache.o $(library_map)
	$(AM_V_CCLD)$(CC) $(AM_CFLAGS) $(CFLAGS) $(LDFLAGS) -fPIC -shared -o $@ \
	    -Wl,-soname,$(library_soname) -Wl,--version-script,$(library_map) \
	    -Wl,-z,relro,-z,now -Wl,--as-needed \
	    libprefixcache.o $(XXHASH_LIBS) $(LIBS)
# By the name that the loader looks for, where the tree's tests load it.
$(library_soname): $(library_file)
	$(AM_V_GEN)$(LN_S) -f $(library_file) $@
noinst_DATA = $(library_soname)

librarydir = $(libdir)
library_DATA = libprefixcache.a $(library_file)
pkgconfigdir = $(libdir)/pkgconfig
nodist_pkgconfig_DATA = client/libprefixcache.pc
include_HEADERS = client/prefixcache.h
CLEANFILES += libprefixcache.a libprefixcache.o $(library_file) $(library_soname)
install-data-hook:
	cd $(DESTDIR)$(libdir) && \
	$(LN_S) -f $(library_file) $(library_soname) && \
	$(LN_S) -f $(library_soname) libprefixcache.so
uninstall-hook:
	cd $(DESTDIR)$(libdir) && rm -f $(library_soname) libprefixcache.so

# A page for each function; those that are about several have aliases.
dist_man_MANS += \
	client/man/libprefixcache.3 \
	client/man/prefixcache_close.3 \
	client/man/prefixcache_drain.3 \
	client/man/prefixcache_drop.3 \
	client/man/prefixcache_event_fd.3 \
	client/man/prefixcache_exists.3 \
	client/man/prefixcache_get.3 \
	client/man/prefixcache_open.3 \
	client/man/prefixcache_prefix.3 \
	client/man/prefixcache_put.3 \
	client/man/prefixcache_put_behind.3 \
	client/man/prefixcache_shard_of.3 \
	client/man/prefixcache_shards.3 \
	client/man/prefixcache_stats.3 \
	client/man/prefixcache_status_name.3 \
	client/man/prefixcache_submit.3 \
	client/man/prefixcache_walk.3

# What programs were built against is kept in libprefixcache.abi.  It is not
# compared where abidiff is missing, which is said.
compare_abi = $(top_srcdir)/tools/dev/abi
abi-check: $(library_file)
	@$(compare_abi) $(abs_builddir)/$(library_file) || [ $$? -eq 77 ]
abi-update: $(library_file)
	@$(compare_abi) --update $(abs_builddir)/$(library_file)
.PHONY: abi-check abi-update

# The Python packages, which load the library when they are used.  Debian's
# interpreter looks there when the prefix is /usr; elsewhere
# `make install pythondir=...`.
pythondir = $(prefix)/lib/python3/dist-packages
pythonclientdir = $(pythondir)/prefixcache
dist_pythonclient_DATA = \
	client/python/prefixcache/__init__.py \
	client/python/prefixcache/aio.py \
	client/python/prefixcache/cache.py \
	client/python/prefixcache/item.py \
	client/python/prefixcache/library.py \
	client/python/prefixcache/memory.py
pythonplugindir = $(pythondir)/prefixcache_lmcache
dist_pythonplugin_DATA = \
	client/lmcache/prefixcache_lmcache/__init__.py \
	client/lmcache/prefixcache_lmcache/connector.py \
	client/lmcache/prefixcache_lmcache/native.py
EXTRA_DIST = \
	client/lmcache/README.md \
	client/lmcache/pyproject.toml \
	client/python/README.md \
	client/python/pyproject.toml
