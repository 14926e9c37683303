#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# The C API: the test module asserts, and its report becomes part of this one.
. ./functions.sh

load_mod rkprobes
load_mod rktest_api
for group in errors batch handlers changes aggregate disabled post missed counting inside entry; do
	group_of rktest_api "$group"
done
refuse "unload while the API is used" rmmod rkprobes
unload_mod rktest_api
unload_mod rkprobes
