// Counts what a process allocates, and marks for callgrind what it shall count.
//
// Linking this target defines malloc and its relatives for the whole process, the Swift runtime's calls included; each
// counts, then calls glibc's own. Only lispd-bench links it.

#ifndef CALLOCATIONCOUNTER_H
#define CALLOCATIONCOUNTER_H

#include <stdbool.h>
#include <stdint.h>

/// Blocks allocated so far by all threads: malloc, calloc, realloc (each call one) and the aligned ones.
uint64_t allocation_counter_blocks(void);

/// Octets of the heap in use now, glibc's eight octets before each block included.
int64_t allocation_counter_live_octets(void);

/// Whether the process runs under valgrind, and this was built where its headers are.
bool callgrind_is_there(void);

/// Callgrind counts instructions between these two. Without valgrind they do nothing.
void callgrind_start_counting(void);
void callgrind_stop_counting(void);

#endif
