#include "CAllocationCounter.h"

#include <errno.h>
#include <malloc.h>
#include <stdatomic.h>
#include <stddef.h>

#if __has_include(<valgrind/callgrind.h>)
#include <valgrind/callgrind.h>
#define HAS_VALGRIND 1
#endif

// glibc's own, under the names that stay when others define malloc.
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *block, size_t size);
void *__libc_memalign(size_t alignment, size_t size);
void __libc_free(void *block);

static _Atomic uint64_t blocks;
static _Atomic int64_t liveOctets;

uint64_t allocation_counter_blocks(void) { return atomic_load_explicit(&blocks, memory_order_relaxed); }

int64_t allocation_counter_live_octets(void) { return atomic_load_explicit(&liveOctets, memory_order_relaxed); }

static int64_t cost(void *block) {
    return block ? (int64_t)malloc_usable_size(block) + (int64_t)sizeof(size_t) : 0;
}

static void *counted(void *block) {
    atomic_fetch_add_explicit(&blocks, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&liveOctets, cost(block), memory_order_relaxed);
    return block;
}

void *malloc(size_t size) { return counted(__libc_malloc(size)); }

void *calloc(size_t count, size_t size) { return counted(__libc_calloc(count, size)); }

void *realloc(void *block, size_t size) {
    int64_t before = cost(block);
    void *moved = __libc_realloc(block, size);
    atomic_fetch_add_explicit(&blocks, 1, memory_order_relaxed);
    // Without room the old block stays; a size of 0 frees it.
    if (moved || size == 0) atomic_fetch_add_explicit(&liveOctets, cost(moved) - before, memory_order_relaxed);
    return moved;
}

void *memalign(size_t alignment, size_t size) { return counted(__libc_memalign(alignment, size)); }

void *aligned_alloc(size_t alignment, size_t size) { return counted(__libc_memalign(alignment, size)); }

int posix_memalign(void **result, size_t alignment, size_t size) {
    if (alignment % sizeof(void *) != 0 || alignment == 0 || (alignment & (alignment - 1)) != 0) return EINVAL;
    void *block = __libc_memalign(alignment, size);
    if (!block) return ENOMEM;
    *result = counted(block);
    return 0;
}

void free(void *block) {
    atomic_fetch_sub_explicit(&liveOctets, cost(block), memory_order_relaxed);
    __libc_free(block);
}

#ifdef HAS_VALGRIND

bool callgrind_is_there(void) { return RUNNING_ON_VALGRIND != 0; }
void callgrind_start_counting(void) { CALLGRIND_START_INSTRUMENTATION; }
void callgrind_stop_counting(void) { CALLGRIND_STOP_INSTRUMENTATION; }

#else

bool callgrind_is_there(void) { return false; }
void callgrind_start_counting(void) {}
void callgrind_stop_counting(void) {}

#endif
