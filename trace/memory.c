// SPDX-License-Identifier: GPL-2.0
/* What the arguments of an event read: memory, the current task, symbols. */
#include <linux/fs.h>
#include <linux/kallsyms.h>
#include <linux/kprobes.h>
#include <linux/sched.h>
#include <linux/thread_info.h>
#include <linux/uaccess.h>
#include "sys/helpers.h"
#include "trace/event.h"

void rk_event_facts(struct rk_event_facts *facts)
{
	facts->stack_size = THREAD_SIZE;
	facts->dentry_name = offsetof(struct dentry, d_name.name);
	facts->file_dentry = offsetof(struct file, f_path.dentry);
}

bool notrace __kprobes rk_event_read(bool user, u64 addr, u8 *to, size_t len)
{
	if (user)
		return !copy_from_user_nofault(to, (const void __user *)addr, len);
	return !copy_from_kernel_nofault(to, (const void *)addr, len);
}

/* Reads words that do not cross a page, so the page after the string is not read. */
long notrace __kprobes rk_event_read_string(bool user, u64 addr, u8 *to, size_t len)
{
	size_t at = 0;

	if (!len)
		return -EFAULT;
	while (at < len) {
		size_t chunk = min(len - at, sizeof(u64) - (addr + at) % sizeof(u64));
		u8 *end;

		if (!rk_event_read(user, addr + at, to + at, chunk))
			return -EFAULT;
		end = memchr(to + at, 0, chunk);
		if (end)
			return end - to + 1;
		at += chunk;
	}
	to[len - 1] = 0;
	return len;
}

size_t notrace __kprobes rk_event_symbol(u64 addr, u8 *to, size_t len)
{
	char symbol[KSYM_SYMBOL_LEN];

	sprint_symbol(symbol, addr);
	return len ? strscpy(to, symbol, len) < 0 ? len : strlen(to) + 1 : 0;
}

u64 notrace __kprobes rk_event_comm(void)
{
	return (u64)current->comm;
}

u64 notrace __kprobes rk_event_current(void)
{
	return (u64)current;
}

u64 notrace __kprobes rk_event_this_cpu(u64 variable)
{
	return (u64)this_cpu_ptr((void __percpu *)variable);
}
