// SPDX-License-Identifier: GPL-2.0
/*
 * Exports the functions of the Rust interface that other modules call; see
 * Kbuild. The crate's metadata has their types. Here they are addresses only.
 */
#include <linux/export.h>

#define EXPORT_SYMBOL_RUST_GPL(symbol) extern int symbol; EXPORT_SYMBOL_GPL(symbol)

#include "rust_exports_generated.h"
