// SPDX-License-Identifier: GPL-2.0
/* What the module needs to know of the processor. */
#include <asm/cpufeature.h>
#include "sys/helpers.h"

/*
 * A paravirtual guest of Xen. There CLI does not keep interrupts away
 * (arch/x86/xen/irq.c), and handlers of jumps rely on it.
 */
bool rk_is_xen_pv(void)
{
	return cpu_feature_enabled(X86_FEATURE_XENPV);
}

/* With FRED the return from an exception need not serialize the processor. */
bool rk_has_fred(void)
{
	return cpu_feature_enabled(X86_FEATURE_FRED);
}
