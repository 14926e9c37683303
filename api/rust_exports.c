// SPDX-License-Identifier: GPL-2.0
/*
 * Exports the functions of probe.rs that other Rust modules call; see Kbuild.
 * Their types are in the crate's metadata: here they are addresses only.
 */
#include <linux/export.h>

#define EXPORT_SYMBOL_RUST_GPL(symbol) extern int symbol; EXPORT_SYMBOL_GPL(symbol)

#include "rust_exports_generated.h"
