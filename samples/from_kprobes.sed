# SPDX-License-Identifier: GPL-2.0
# Makes the source of a module that uses kprobes one that uses rkprobes: sed -E -f from_kprobes.sed OLD.c >NEW.c . Return probes have no
# counterpart.
s,<linux/kprobes\.h>,<rkprobes.h>,
s/\bstruct kprobe\b/struct rkprobe/g
s/\b((un)?register|enable|disable)_kprobe(s?)\b/\1_rkprobe\3/g
s/\bkprobe_(pre|post)_handler_t\b/rkprobe_\1_handler_t/g
s/\bKPROBE_FLAG_(DISABLED|GONE)\b/RKPROBE_FLAG_\1/g
