# SPDX-License-Identifier: GPL-2.0
# Makes a module of the examples in the documentation of the Rust API: awk -f examples.awk FILE.rs... . Each example becomes a function, which
# is called when the module is loaded.
BEGIN {
	print "// SPDX-License-Identifier: GPL-2.0"
	print "//! The examples of the Rust API."
	print "#![allow(dead_code)]"
	print "use kernel::prelude::*;"
	print "module! { type: Examples, name: \"rktest_examples\", authors: [\"The rkprobes developers\"],"
	print "description: \"Examples of the Rust API of rkprobes\", license: \"GPL\", }"
}

/^ *\/\/\/ ```/ {
	inside = !inside
	if (inside && /```./) {
		print "an example of " FILENAME " is not compiled: " $0 >"/dev/stderr"
		exit bad = 1
	}
	if (inside)
		print "fn example_" ++examples "() -> Result {"
	else
		print "Ok(()) }"
	next
}

inside {
	sub(/^ *\/\/\/ ?/, "")
	sub(/^# /, "")
	print
}

END {
	if (bad)
		exit 1
	print "struct Examples;"
	print "impl kernel::Module for Examples { fn init(_module: &'static ThisModule) -> Result<Self> {"
	for (i = 1; i <= examples; i++)
		print "example_" i "()?;"
	print "pr_info!(\"examples " examples "\\n\"); Ok(Self) } }"
}
