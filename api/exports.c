// SPDX-License-Identifier: GPL-2.0
/* Exports the C interface of api/c.rs, because Rust has no EXPORT_SYMBOL_GPL(). */
#include <linux/export.h>
#include "rkprobes.h"

EXPORT_SYMBOL_GPL(register_rkprobe);
EXPORT_SYMBOL_GPL(unregister_rkprobe);
EXPORT_SYMBOL_GPL(register_rkprobes);
EXPORT_SYMBOL_GPL(unregister_rkprobes);
EXPORT_SYMBOL_GPL(enable_rkprobe);
EXPORT_SYMBOL_GPL(disable_rkprobe);
EXPORT_SYMBOL_GPL(limit_rkprobe);
EXPORT_SYMBOL_GPL(flush_rkprobes);
EXPORT_SYMBOL_GPL(rkprobe_hits);
