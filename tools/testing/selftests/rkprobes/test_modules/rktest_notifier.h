/* SPDX-License-Identifier: GPL-2.0 */
/* The functions of rktest_notifier for rktest_async. */
#ifndef RKTEST_NOTIFIER_H
#define RKTEST_NOTIFIER_H

#include <linux/types.h>

/* The length of two instructions. */
#define RKTEST_BYTES	10

/* Waits for the command "run". */
void rktest_wait_to_run(void);

/* Keeps the bytes of the called function and its result. */
void rktest_has_run(const void *text, unsigned long result);

#endif
