/* SPDX-License-Identifier: GPL-2.0 */
/*
 * One measurement for rkprobes and for native kprobes, in one boot and on the
 * same sites. With one CPU and the -icount of QEMU a nanosecond is one
 * instruction, so the clock counts instructions.
 */
#ifndef BENCH_H
#define BENCH_H

#include <linux/kprobes.h>
#include <linux/ktime.h>
#include <rkprobes.h>

#define MAX_SITES	10000

enum side { OURS, MAINLINE, SIDES };

/* The chosen sites. Both sides probe them in turn. */
extern unsigned long *sites;
extern unsigned int site_count;
/* The sites whose region is one instruction. */
extern bool *single;

/* The probes of one site, for both sides. */
extern struct rkprobe *ours;
extern struct kprobe *mainline;

/*
 * Attaches and detaches the first @count sites. Returns how many are attached;
 * a site that the side refuses is skipped.
 */
unsigned int attach(enum side side, unsigned int count);
void detach(enum side side, unsigned int count);

/* Whether the site with this number has a jump, of either side. */
bool is_jump(unsigned int at);
unsigned int count_jumps(unsigned int count);
/* Polls until the text of the sites has not changed for @quiet_ms. */
void wait_until_quiet(unsigned int count, unsigned int quiet_ms);

/* In bench_main.c: prints a line "SIDE NAME VALUE" of the answer. */
void say(enum side side, const char *name, u64 value);

/* All-CPU rounds of do_sync_core() since the last call. */
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
