/* SPDX-License-Identifier: GPL-2.0 */
/* What rktest_notifier has for rktest_async. */
#ifndef RKTEST_NOTIFIER_H
#define RKTEST_NOTIFIER_H

#include <linux/types.h>

/* Two instructions. */
#define RKTEST_BYTES	10

/* Waits for the command "run". */
void rktest_wait_to_run(void);

/* What the text was, and what it returned when it was called. */
void rktest_has_run(const void *text, unsigned long result);

#endif
