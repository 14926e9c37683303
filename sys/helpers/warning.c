// SPDX-License-Identifier: GPL-2.0
/* What cannot happen has happened. */
#include <linux/bug.h>
#include "sys/helpers.h"

void rk_warn(const char *file, size_t len, unsigned int line)
{
	WARN(1, "rkprobes: a condition at %.*s:%u does not hold\n", (int)len, file, line);
}
