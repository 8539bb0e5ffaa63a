# SPDX-License-Identifier: Apache-2.0
# The places: store, index, policy, pool, chunks, tiers.

noinst_LIBRARIES += libstorage.a
libstorage_a_CPPFLAGS = $(AM_CPPFLAGS) $(URING_CFLAGS)
libstorage_a_SOURCES = \
	storage/chunk.c \
	storage/chunk_cursor.c \
	storage/extent.c \
	storage/index.c \
	storage/index_order.c \
	storage/lease.c \
	storage/policy.c \
	storage/pool.c \
	storage/pool_object.c \
	storage/store_port.c \
	storage/store.c \
	storage/store_evict.c \
	storage/store_get.c \
	storage/store_meta.c \
	storage/store_put.c \
	storage/store_walk.c \
	storage/tier.c \
	storage/tier_dram.c

storage_libs = libstorage.a $(URING_LIBS)
