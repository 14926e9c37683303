# SPDX-License-Identifier: GPL-2.0
# Entry points for people. What is built is said in Kbuild, which the kernel's build system reads.

KDIR ?= /lib/modules/$(shell uname -r)/build
TEST_MODULES := tools/testing/selftests/rkprobes/test_modules

modules:
	$(MAKE) -C $(KDIR) M=$(CURDIR) modules
	$(if $(wildcard $(TEST_MODULES)/Kbuild),$(MAKE) -C $(KDIR) M=$(CURDIR)/$(TEST_MODULES) \
		KBUILD_EXTRA_SYMBOLS=$(CURDIR)/Module.symvers modules)

.PHONY: modules
