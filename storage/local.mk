# SPDX-License-Identifier: Apache-2.0
# The places: store, index, policy, pool, chunks, tiers.

noinst_LIBRARIES += libstorage.a
libstorage_a_CPPFLAGS = $(AM_CPPFLAGS) $(URING_CFLAGS) $(ROCKSDB_CFLAGS)
libstorage_a_SOURCES = \
	storage/chunk.c \
	storage/chunk_cursor.c \
	storage/extent.c \
	storage/ghost.c \
	storage/index.c \
	storage/index_order.c \
	storage/lease.c \
	storage/lower.c \
	storage/mover.c \
	storage/mover_ahead.c \
	storage/mover_job.c \
	storage/mover_loss.c \
	storage/mover_reclaim.c \
	storage/nvme_batch.c \
	storage/nvme_budget.c \
	storage/nvme_file.c \
	storage/nvme_format.c \
	storage/nvme_health.c \
	storage/nvme_item.c \
	storage/nvme_log.c \
	storage/nvme_lower.c \
	storage/nvme_notes.c \
	storage/nvme_read.c \
	storage/nvme_recovery.c \
	storage/nvme_scan.c \
	storage/nvme_seal.c \
	storage/nvme_super.c \
	storage/nvme_victim.c \
	storage/nvme_walk.c \
	storage/nvme_window.c \
	storage/nvme_write.c \
	storage/policy.c \
	storage/policy_adaptive.c \
	storage/policy_curve.c \
	storage/policy_ghost.c \
	storage/policy_lower.c \
	storage/policy_lru.c \
	storage/policy_run.c \
	storage/policy_s3fifo.c \
	storage/pool.c \
	storage/pool_object.c \
	storage/port.c \
	storage/port_threads.c \
	storage/store_port.c \
	storage/store.c \
	storage/store_curve.c \
	storage/store_event.c \
	storage/store_evict.c \
	storage/store_flight.c \
	storage/store_flush.c \
	storage/store_get.c \
	storage/store_look.c \
	storage/store_meta.c \
	storage/store_place.c \
	storage/store_put.c \
	storage/store_recover.c \
	storage/store_walk.c \
	storage/tier.c \
	storage/tier_counters.c \
	storage/tier_dram.c \
	storage/tier_nvme.c
if HAVE_SPILL
libstorage_a_SOURCES += \
	storage/rocks.c \
	storage/rocks_data.c \
	storage/rocks_mute.c \
	storage/spill_base.c \
	storage/spill_files.c \
	storage/spill_group.c \
	storage/spill_head.c \
	storage/spill_health.c \
	storage/spill_note.c \
	storage/spill_read.c \
	storage/spill_recovery.c \
	storage/spill_space.c \
	storage/spill_victim.c \
	storage/spill_write.c \
	storage/spill_writer.c \
	storage/tier_rocks.c
else
libstorage_a_SOURCES += storage/tier_spill_none.c
endif

storage_libs = libstorage.a $(URING_LIBS) $(ROCKSDB_LIBS)
