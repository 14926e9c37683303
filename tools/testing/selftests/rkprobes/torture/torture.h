/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The objects of the torture: functions that are called all the time, and probes on
 * them whose hits must equal the calls.
 */
#ifndef TORTURE_H
#define TORTURE_H

#define TORTURE_FUNCTIONS	48
#define TORTURE_DISTANCE	64

#ifndef __ASSEMBLER__
#include <linux/atomic.h>
#include <linux/mutex.h>
#include <linux/types.h>
#include <rkprobes.h>

/* The number of probed instructions of each function. Each has two probes. */
#define TORTURE_OFFSETS		5
#define TORTURE_PROBES		(TORTURE_FUNCTIONS * TORTURE_OFFSETS * 2)

/* One function, and the number of calls that are under way. */
struct torture_function {
	atomic_t inside;
	atomic_t pausers;
	atomic64_t calls;
};

enum torture_state { UNREGISTERED, ENABLED, DISABLED };

/*
 * One probe. @calls and @hits are the numbers at the moment when @state was set.
 * Until the next operation, hits grow with the calls or not at all.
 */
struct torture_probe {
	struct rkprobe probe;
	struct torture_function *function;
	struct mutex lock;
	enum torture_state state;
	/* The probe has no handler: rkprobes counts its hits. */
	bool counts;
	atomic64_t hits;
	s64 hits_then;
	s64 calls_then;
};

extern const u8 rktorture_functions[];
extern struct torture_function torture_functions[TORTURE_FUNCTIONS];
extern struct torture_probe torture_probes[TORTURE_PROBES];
extern atomic64_t torture_errors;
extern atomic64_t torture_refusals;
extern atomic64_t torture_operations;

void torture_error(const struct torture_probe *t, const char *what, long got, long expected);
void torture_call(unsigned int function, unsigned long x);
s64 torture_hold(unsigned int function);
void torture_release(unsigned int function);
void torture_make_probes(void);
void torture_random_operation(u64 *seed);
void torture_unregister_all(void);
s64 torture_hits(void);
u64 torture_random(u64 *seed);
#endif

#endif
