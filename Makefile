# SPDX-License-Identifier: GPL-2.0
# Entry points for people. What is built is said in Kbuild, which the kernel's build system reads.

KDIR ?= /lib/modules/$(shell uname -r)/build
HOST := tools/testing/host/Cargo.toml
TEST_MODULES := tools/testing/selftests/rkprobes/test_modules
release = $(shell cat $(KDIR)/include/config/kernel.release)

modules: ## the module, its samples and what the tests load, for the kernel whose build tree is KDIR (default: the running one)
	@tools/lab/doctor --build $(KDIR)
	$(MAKE) -C $(KDIR) M=$(CURDIR) modules
	$(MAKE) -C $(KDIR) M=$(CURDIR)/$(TEST_MODULES) KBUILD_EXTRA_SYMBOLS=$(CURDIR)/Module.symvers modules

run: lab ## see it work: an unmodified Debian kernel in a VM, a probe from breakpoint to jump and back
	@tools/lab/vm demo

test: ## all tests: on this machine, and in the VM with four CPUs and with one; T="test-foo ..." runs only these, in the VM; TORTURE=120 besides
	@TORTURE=$(TORTURE) tools/lab/test $(T)

test-ibt: lab ## the module's life on an emulated CPU that enforces indirect branch tracking: some minutes
	@tools/lab/ibt

DURATION ?= 600
torture: ## on a debug kernel: the selftests, then random operations and much else at once; DURATION=60 SEED=1 for another run
	@tools/lab/torture $(DURATION) $(SEED)

torture-modules: modules
	$(MAKE) -C $(KDIR) M=$(CURDIR)/tools/testing/selftests/rkprobes/torture KBUILD_EXTRA_SYMBOLS=$(CURDIR)/Module.symvers modules

bench: lab ## measure against native kprobes on the same kernel: figures, JSON and a chart
	@tools/lab/kmake bench-module
	@tools/bench/bench

bench-module: modules
	$(MAKE) -C $(KDIR) M=$(CURDIR)/tools/bench KBUILD_EXTRA_SYMBOLS=$(CURDIR)/Module.symvers modules

check: ## formatting, lints and the tests that need no kernel: seconds
	@tools/lab/check

check-full: check ## check, the kernel's lints over the module, the documentation, and the slow tests: the explorer, the decoder's oracles
	@tools/lab/setup
	@tools/lab/stock-modules
	@tools/lab/kmake CLIPPY=1 W=e
	cargo test --manifest-path $(HOST) --features slow -- --nocapture --test-threads 1
	@tools/lab/docs

docs: ## HTML of Documentation with the kernel-doc of the header and the rustdoc of the crate; warnings are errors
	@tools/lab/docs

docs-rust:
	$(MAKE) -C $(KDIR) M=$(CURDIR) RUSTDOC_TO=$(RUSTDOC_TO) modules

optimizable: ## how many instructions of the distribution's kernel can be jumps, by our rules and by those of native kprobes
	@tools/lab/setup
	cargo run --quiet --manifest-path $(HOST) --features slow --bin optimizable -- Documentation

shell: lab ## a shell in the VM with the module loaded
	@tools/lab/vm shell

doctor: ## what is wrong on this machine, and what to do about it
	@tools/lab/doctor $(KDIR)

install: modules ## the module into the modules of the kernel that KDIR is of
	install -D -m 644 rkprobes.ko $(INSTALL_MOD_PATH)/lib/modules/$(release)/updates/rkprobes.ko
	depmod $(if $(INSTALL_MOD_PATH),-b $(INSTALL_MOD_PATH)) $(release)

clean: ## remove what was built here
	find . -not -path './.git/*' -type f \( -name '*.o' -o -name '*.ko' -o -name '*.mod' -o -name '*.mod.c' -o -name '.*.cmd' \
		-o -name modules.order -o -name Module.symvers -o -name '*.rmeta' -o -name '*_generated.*' -o -name '.*.d' -o -path '*/torture/perf_bpf' -o -path '*/test_modules/trace_bpf' \) -delete
	rm -rf tools/testing/host/target tools/testing/host/Cargo.lock

distclean: clean ## clean, and remove the lab with all that was downloaded
	@tools/lab/setup --remove

help: ## this text
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-12s %s\n", $$1, $$2 }' Makefile

lab:
	@tools/lab/setup
	@tools/lab/kmake -s

.PHONY: modules run test test-ibt torture torture-modules bench bench-module check check-full docs docs-rust optimizable shell doctor install clean distclean help lab
