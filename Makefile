# SPDX-License-Identifier: GPL-2.0
# Entry points for people. Kbuild, which the build system of the kernel reads, says what is built.

KDIR ?= /lib/modules/$(shell uname -r)/build
# The doctor gets it from the environment, because it may have any character.
export KDIR
HOST := tools/testing/host/Cargo.toml
TEST_MODULES := tools/testing/selftests/rkprobes/test_modules
# The modules of the tests need no types for BPF.
NO_BTF := CONFIG_DEBUG_INFO_BTF_MODULES=
release = $(shell cat $(KDIR)/include/config/kernel.release)

modules: ## build the module, its samples and the test modules for the kernel whose build tree is KDIR (default: the running kernel)
	@tools/lab/doctor --build "$$KDIR"
	$(MAKE) -C $(KDIR) M=$(CURDIR) modules
	$(MAKE) -C $(KDIR) M=$(CURDIR)/$(TEST_MODULES) $(NO_BTF) KBUILD_EXTRA_SYMBOLS=$(CURDIR)/Module.symvers modules

run: lab ## show a probe in an unmodified Debian kernel in a VM, from breakpoint to jump and back
	@echo 'the kernel boots in the VM (10 seconds) ...' >&2
	@tools/lab/vm demo

test: ## run all tests: on this machine, and in the VM with four CPUs and with one; T="test-foo ..." runs only these tests, in the VM; FULL=yes adds the slow tests of check-full, IBT=yes adds test-ibt, TORTURE=120 adds torture, KERNELS=rt adds another kernel
	@TORTURE=$(TORTURE) tools/lab/test $(T)

matrix: ## build for each kernel of tools/lab/kernels, and run the demonstration and all selftests there; QUICK=1 runs a part of the selftests, K="rt 7.2" takes only these kernels
	@QUICK=$(QUICK) tools/lab/matrix $(K)

test-ibt: lab ## run selftests on an emulated CPU that enforces indirect branch tracking; takes some minutes
	@tools/lab/ibt

test-tools: lab ## use events with the perf, trace-cmd and bpftrace of Debian, and with libbpf, in the VM; takes some minutes
	@tools/lab/tools

DURATION ?= 600
torture: ## run the selftests and then random operations under disturbance on a debug kernel; DURATION=60 SEED=1 for another run, RT=1 for a debug kernel with PREEMPT_RT
	@RT=$(RT) tools/lab/torture $(DURATION) $(SEED)

torture-modules: modules
	$(MAKE) -C $(KDIR) M=$(CURDIR)/tools/testing/selftests/rkprobes/torture $(NO_BTF) KBUILD_EXTRA_SYMBOLS=$(CURDIR)/Module.symvers modules

bench: lab ## compare with native kprobes on one kernel: figures, JSON and a chart
	@tools/lab/kmake bench-module
	@tools/bench/bench

bench-module: modules
	$(MAKE) -C $(KDIR) M=$(CURDIR)/tools/bench $(NO_BTF) KBUILD_EXTRA_SYMBOLS=$(CURDIR)/Module.symvers modules

deb: ## make the Debian package rkprobes-dkms, from which DKMS builds the module for each kernel, and print its path
	@tools/lab/deb

test-deb: ## install the Debian package on a Debian machine in the lab, load what DKMS made in the VM, boot with probes, upgrade, purge
	@tools/lab/test-deb

check: ## check formatting and lints, run the tests that need no kernel, and compile the module if the lab is set up
	@tools/lab/check

check-full: check ## run check, and the slow tests: the explorer, the oracles of the decoder, each fuzz target for a minute, the documentation
	@tools/lab/check-full

docs: ## make HTML of Documentation with the kernel-doc of the header and the rustdoc of the crate; warnings are errors
	@tools/lab/docs

docs-rust:
	$(MAKE) -C $(KDIR) M=$(CURDIR) RUSTDOC_TO=$(RUSTDOC_TO) modules

optimizable: ## count the instructions of the distribution kernel that can become jumps, by our rules and by the rules of native kprobes
	@tools/lab/setup
	cargo run --quiet --manifest-path $(HOST) --features slow --bin optimizable -- Documentation

shell: lab ## start a shell in the VM with the module loaded
	@tools/lab/vm shell

doctor: ## print what is wrong on this machine, and what to do
	@tools/lab/doctor "$$KDIR"

install: modules ## install the module for the kernel whose build tree is KDIR
	install -D -m 644 rkprobes.ko $(INSTALL_MOD_PATH)/lib/modules/$(release)/updates/rkprobes.ko
	depmod $(if $(INSTALL_MOD_PATH),-b $(INSTALL_MOD_PATH)) $(release)

clean: ## remove everything that was built here
	find . -not -path './.git/*' -type f \( -name '*.o' -o -name '*.ko' -o -name '*.mod' -o -name '*.mod.c' -o -name '.*.cmd' \
		-o -name modules.order -o -name Module.symvers -o -name '*.rmeta' -o -name '*_generated.*' -o -name '.*.d' -o -path '*/torture/perf_bpf' -o -path '*/test_modules/trace_bpf' -o -path '*/test_modules/hit_bpf' -o -path '*/test_modules/perf_text' -o -path '*/test_modules/perf_event' -o -path '*/test_modules/write_pieces' -o -path '*/test_modules/kexec_load' \) -delete
	rm -rf tools/testing/host/target tools/testing/host/Cargo.lock tools/testing/host/fuzz/Cargo.lock
	rm -rf tools/rkprobe/target
	rm -rf tools/testing/concurrency/target tools/testing/concurrency/Cargo.lock

distclean: clean ## clean, and remove the lab with everything that was downloaded
	@tools/lab/setup --remove

help: ## print this text
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-12s %s\n", $$1, $$2 }' Makefile

lab:
	@tools/lab/setup
	@echo 'the module, its samples and the modules of the tests are built (40 seconds the first time) ...' >&2
	@tools/lab/kmake -s
	@! command -v cargo >/dev/null || tools/lab/tool >/dev/null || echo 'the VM has no rkprobe, because it cannot be built' >&2

.PHONY: modules run test matrix test-ibt test-tools torture torture-modules bench bench-module check check-full deb test-deb docs docs-rust optimizable shell doctor install clean distclean help lab
