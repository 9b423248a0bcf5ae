"""How RocksDB is set up: what one process gives it in memory is bounded, however many partitions and members it has.

- One block cache and one budget for write buffers, for all partitions and column families. What has been written and
  not flushed is counted into the cache, and so are index and filter blocks: the cache is the bound of it all. They come
  in parts, of which only the topmost stays in memory, so ten million members' worth of them need not fit.
- Records are read singly and at random: blocks of 4 KiB, a bloom filter of ten bits, which tells of nearly all new
  members without reading. What doesn't fit into the cache is in the system's page cache, compressed with LZ4.
- Level compaction, in the background. Entries of the due index live for a while and are deleted in their order: files
  that are mostly deletions are compacted first, so that what follows them is found at once.
"""

from functools import cache
from typing import Any

import rocksdict

CACHE_BYTES = 256 * 2**20
WRITE_BUFFERS_BYTES = 96 * 2**20
"""Of all partitions together, within the cache."""
WRITE_BUFFER_BYTES = 16 * 2**20
WRITE_BUFFERS_MAX = 3
BLOCK_BYTES = 4 * 2**10
BLOOM_BITS = 10
OPEN_FILES_MAX = 256  # of a partition
DELETIONS_WINDOW = 4096
DELETIONS_MAX = 2048
INFO_LOGS_MAX = 2
INFO_LOG_BYTES_MAX = 2**20


@cache
def memory() -> tuple[Any, Any]:
    """The process's cache and its budget for write buffers."""
    blocks = rocksdict.Cache(CACHE_BYTES)
    buffers = rocksdict.WriteBufferManager.new_write_buffer_manager_with_cache(WRITE_BUFFERS_BYTES, False, blocks)
    return blocks, buffers


def options() -> Any:
    """The options of a column family."""
    blocks, buffers = memory()
    chosen = rocksdict.Options(raw_mode=True)
    chosen.create_if_missing(True)
    chosen.create_missing_column_families(True)
    chosen.set_write_buffer_manager(buffers)
    chosen.set_write_buffer_size(WRITE_BUFFER_BYTES)
    chosen.set_max_write_buffer_number(WRITE_BUFFERS_MAX)
    chosen.set_max_open_files(OPEN_FILES_MAX)
    chosen.set_keep_log_file_num(INFO_LOGS_MAX)
    chosen.set_max_log_file_size(INFO_LOG_BYTES_MAX)
    chosen.set_compression_type(rocksdict.DBCompressionType.lz4())
    chosen.add_compact_on_deletion_collector_factory(DELETIONS_WINDOW, DELETIONS_MAX, 0.0)
    table = rocksdict.BlockBasedOptions()
    table.set_block_size(BLOCK_BYTES)
    table.set_bloom_filter(BLOOM_BITS, block_based=False)
    table.set_block_cache(blocks)
    table.set_index_type(rocksdict.BlockBasedIndexType.two_level_index_search())
    table.set_partition_filters(True)
    table.set_cache_index_and_filter_blocks(True)
    table.set_pin_top_level_index_and_filter(True)
    table.set_pin_l0_filter_and_index_blocks_in_cache(True)
    chosen.set_block_based_table_factory(table)
    return chosen
