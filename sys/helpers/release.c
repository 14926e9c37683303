// SPDX-License-Identifier: GPL-2.0
/* The running kernel, and the kernels that the module knows. */
#include <linux/utsname.h>
#include "sys/helpers.h"

/*
 * The kernels whose structures and behaviour the module was written for and is
 * tested on. test-unknown.sh finds this text in the module's file.
 */
const char rk_known_kernels[] = "rkprobes knows Linux 7.2 7.3";

const char *rk_release(void)
{
	return init_utsname()->release;
}
