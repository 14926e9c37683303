#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# The C API. The test module makes the assertions, and its report becomes part of this report.
. ./functions.sh

load_mod rkprobes
load_mod rktest_api
for group in errors again batch handlers changes aggregate disabled post blocked missed counting inside entry returns override crowd reasons; do
	group_of rktest_api "$group"
done
refuse "rkprobes cannot be unloaded while a module uses its API" rmmod rkprobes
unload_mod rktest_api
unload_mod rkprobes
