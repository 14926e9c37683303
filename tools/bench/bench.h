/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Equal measurements for rkprobes and for native kprobes, in one boot and on equal
 * sites. With one CPU and QEMU's -icount a nanosecond is one instruction, so the
 * clock counts instructions there.
 */
#ifndef BENCH_H
#define BENCH_H

#include <linux/kprobes.h>
#include <linux/ktime.h>
#include <rkprobes.h>

#define MAX_SITES	10000

enum side { OURS, MAINLINE, SIDES };

/* The chosen sites. The two sides probe them in turn. */
extern unsigned long *sites;
extern unsigned int site_count;
/* True for a site whose region is one instruction. */
extern bool *single;

/* The probes of one site, for both sides. */
extern struct rkprobe *ours;
extern struct kprobe *mainline;

/*
 * Attaches probes to the first @count sites with one call, and returns the number of
 * attached probes. Sites that a side refuses are left out.
 */
unsigned int attach(enum side side, unsigned int count);
void detach(enum side side, unsigned int count);

/* True if the site with this number has a jump of either side. */
bool is_jump(unsigned int at);
unsigned int count_jumps(unsigned int count);
/* Polls until the text of the sites has not changed for @quiet_ms. */
void wait_until_quiet(unsigned int count, unsigned int quiet_ms);

/* Adds a line "SIDE NAME VALUE" to the answer. */
void say(enum side side, const char *name, u64 value);

/* Returns the number of sync rounds (do_sync_core() on all CPUs) since the last call. */
u64 sync_rounds(void);

int bench_bulk(enum side side, unsigned int count);
int bench_arm(enum side side, unsigned int count);
int bench_optimize(enum side side, unsigned int count);
int bench_unoptimize(enum side side, unsigned int count);
int bench_disarm(enum side side, unsigned int count);
int bench_latency(enum side side, unsigned int count);
int bench_alone(enum side side, unsigned int count);
int bench_hits(enum side side, unsigned int calls);
int bench_static_key(enum side side, unsigned int count);
int bench_native_register(enum side side, unsigned int count);
int bench_hotplug(enum side side, unsigned int count);
int bench_stall(enum side side, unsigned int count);

#endif /* BENCH_H */
