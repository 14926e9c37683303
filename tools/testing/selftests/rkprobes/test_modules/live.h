/* SPDX-License-Identifier: GPL-2.0 */
#ifndef RKTEST_LIVE_H
#define RKTEST_LIVE_H

/* What rktest_live_inner() adds to its argument, and what the livepatch adds. */
#define OLD	1
#define NEW	1001

long rktest_live_inner(long x);
long rktest_live_outer(long x);

#endif
