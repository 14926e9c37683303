// SPDX-License-Identifier: GPL-2.0
/*
 * Other tools on the text that rkprobes works on. Commands:
 *
 *   kretprobe SYMBOL, fprobe SYMBOL   registers one. With "-" as SYMBOL it is unregistered
 *   hits               prints the returns of the kretprobe, the entries and the exits of the fprobe
 *   keyed N            N calls of rktest_keyed(), with the keys as they are set. Fails if a result
 *                      is wrong
 *   key VALUE, call VALUE   flips the static keys, or the static call, in rktest_keyed()
 *   poke ADDRESS BYTE...    writes to the text as another tool
 *   loop N, ret        prints the count of LOOP, or the error of the stack after RET $16
 *   flip KPROBE...     see flip()
 *
 * The addresses of functions that are not exported are parameters.
 */
#include <linux/fprobe.h>
#include <linux/jump_label.h>
#include <linux/kprobes.h>
#include <linux/mutex.h>
#include <linux/static_call.h>
#include "rktest.h"

unsigned long rktest_loop(unsigned long n);
long rktest_call_ret_imm(void);
long rktest_keyed(long x);

static unsigned long text_poke_at, text_mutex_at, sync_at;
module_param_named(text_poke, text_poke_at, ulong, 0400);
module_param_named(text_mutex, text_mutex_at, ulong, 0400);
module_param_named(sync, sync_at, ulong, 0400);

static char symbol[2][64];
static unsigned long returns, entries, exits;

static int count_return(struct kretprobe_instance *instance, struct pt_regs *regs)
{
	returns++;
	return 0;
}

static struct kretprobe kretprobe;

static int count_entry(struct fprobe *fp, unsigned long entry_ip, unsigned long ret_ip,
		       struct ftrace_regs *regs, void *data)
{
	entries++;
	return 0;
}

static void count_exit(struct fprobe *fp, unsigned long entry_ip, unsigned long ret_ip,
		       struct ftrace_regs *regs, void *data)
{
	exits++;
}

static struct fprobe fprobe;

static int set_kretprobe(const char *name)
{
	int ret;

	if (kretprobe.handler) {
		unregister_kretprobe(&kretprobe);
		kretprobe.handler = NULL;
	}
	if (!strcmp(name, "-"))
		return 0;
	memset(&kretprobe, 0, sizeof(kretprobe));
	strscpy(symbol[0], name);
	kretprobe.kp.symbol_name = symbol[0];
	kretprobe.handler = count_return;
	returns = 0;
	ret = register_kretprobe(&kretprobe);
	if (ret)
		kretprobe.handler = NULL;
	return ret;
}

static int set_fprobe(const char *name)
{
	int ret;

	if (fprobe.entry_handler) {
		ret = unregister_fprobe(&fprobe);
		if (ret)
			return ret;
		fprobe.entry_handler = NULL;
	}
	if (!strcmp(name, "-"))
		return 0;
	memset(&fprobe, 0, sizeof(fprobe));
	fprobe.entry_handler = count_entry;
	fprobe.exit_handler = count_exit;
	entries = exits = 0;
	strscpy(symbol[1], name);
	ret = register_fprobe(&fprobe, symbol[1], NULL);
	if (ret)
		fprobe.entry_handler = NULL;
	return ret;
}

static DEFINE_STATIC_KEY_FALSE(off_key);
static DEFINE_STATIC_KEY_TRUE(on_key);

static long call_one(long x)
{
	return x + 1;
}

static long call_other(long x)
{
	return x * 3;
}

DEFINE_STATIC_CALL(rktest_neighbour, call_one);
static bool key, other;

/*
 * The instructions around the keys and the call are short, so that regions of their
 * neighbours have them inside.
 */
noinline long rktest_keyed(long x)
{
	OPTIMIZER_HIDE_VAR(x);
	x += 3;
	if (static_branch_unlikely(&off_key))
		x *= 7;
	x ^= 0x55;
	if (static_branch_likely(&on_key))
		x += 100;
	x = static_call(rktest_neighbour)(x);
	barrier();
	return x + 1;
}

static long expected(long x)
{
	x += 3;
	if (key)
		x *= 7;
	x ^= 0x55;
	if (!key)
		x += 100;
	return (other ? call_other(x) : call_one(x)) + 1;
}

static int keyed(const char *number)
{
	unsigned long count, i;

	if (kstrtoul(number, 0, &count))
		return -EINVAL;
	for (i = 0; i < count; i++) {
		long got = rktest_keyed(i);

		if (got != expected(i)) {
			rktest_print("rktest_keyed(%lu) returned %ld instead of %ld\n", i, got, expected(i));
			return -EIO;
		}
	}
	return 0;
}

static int flip_key(bool value)
{
	key = value;
	if (value) {
		static_branch_enable(&off_key);
		static_branch_disable(&on_key);
	} else {
		static_branch_disable(&off_key);
		static_branch_enable(&on_key);
	}
	return 0;
}

static int flip_call(bool value)
{
	other = value;
	static_call_update(rktest_neighbour, value ? call_other : call_one);
	return 0;
}

/* Writes to the text under text_mutex, as another tool must do. */
static int poke(int argc, char **argv)
{
	void *(*text_poke)(void *, const void *, size_t) = (void *)text_poke_at;
	void (*sync)(void) = (void *)sync_at;
	struct mutex *mutex = (void *)text_mutex_at;
	unsigned long address;
	u8 bytes[16];
	int i;

	if (!text_poke || !sync || !mutex)
		return -EOPNOTSUPP;
	if (argc < 3 || argc > 18 || kstrtoul(argv[1], 16, &address))
		return -EINVAL;
	for (i = 2; i < argc; i++)
		if (kstrtou8(argv[i], 16, &bytes[i - 2]))
			return -EINVAL;
	mutex_lock(mutex);
	text_poke((void *)address, bytes, argc - 2);
	sync();
	mutex_unlock(mutex);
	return 0;
}

static unsigned long native_hits;

static int count_native(struct kprobe *kp, struct pt_regs *regs)
{
	native_hits++;
	return 0;
}

/*
 * Disables and enables a native kprobe with a jump before the kernel's optimizer
 * has handled it. "on SYMBOL OFFSET" registers the kprobe, "again" disables and
 * enables it, "off" unregisters it, and "first" prints its first byte in the text.
 */
static struct kprobe flipped;

static int flip(int argc, char **argv)
{
	int ret;

	if (argc == 4 && !strcmp(argv[1], "on")) {
		memset(&flipped, 0, sizeof(flipped));
		strscpy(symbol[0], argv[2]);
		flipped.symbol_name = symbol[0];
		flipped.pre_handler = count_native;
		ret = kstrtouint(argv[3], 0, &flipped.offset);
		return ret ?: register_kprobe(&flipped);
	}
	if (argc != 2 || !flipped.addr)
		return -EINVAL;
	if (!strcmp(argv[1], "first")) {
		rktest_print("%02x\n", READ_ONCE(*(u8 *)flipped.addr));
		return 0;
	}
	if (!strcmp(argv[1], "again"))
		return disable_kprobe(&flipped) ?: enable_kprobe(&flipped);
	if (strcmp(argv[1], "off"))
		return -EINVAL;
	unregister_kprobe(&flipped);
	flipped.addr = NULL;
	return 0;
}

static int run_one_argument(const char *name, const char *argument)
{
	unsigned long number;
	bool value;

	if (!strcmp(name, "kretprobe"))
		return set_kretprobe(argument);
	if (!strcmp(name, "fprobe"))
		return set_fprobe(argument);
	if (!strcmp(name, "keyed"))
		return keyed(argument);
	if (!strcmp(name, "loop")) {
		if (kstrtoul(argument, 0, &number))
			return -EINVAL;
		rktest_print("%lu\n", rktest_loop(number));
		return 0;
	}
	if (kstrtobool(argument, &value))
		return -EINVAL;
	if (!strcmp(name, "key"))
		return flip_key(value);
	if (!strcmp(name, "call"))
		return flip_call(value);
	return -EINVAL;
}

static int rktest_run(int argc, char **argv)
{
	if (rktest_is(argc, argv, "hits", 0)) {
		rktest_print("%lu %lu %lu\n", returns, entries, exits);
		return 0;
	}
	if (rktest_is(argc, argv, "ret", 0)) {
		rktest_print("%ld\n", rktest_call_ret_imm());
		return 0;
	}
	if (!strcmp(argv[0], "poke"))
		return poke(argc, argv);
	if (!strcmp(argv[0], "flip"))
		return flip(argc, argv);
	return argc == 2 ? run_one_argument(argv[0], argv[1]) : -EINVAL;
}

static int __init neighbours_init(void)
{
	return 0;
}

static void __exit neighbours_exit(void)
{
	set_kretprobe("-");
	set_fprobe("-");
	if (flipped.addr)
		unregister_kprobe(&flipped);
}

module_init(neighbours_init);
module_exit(neighbours_exit);
MODULE_DESCRIPTION("Other tools on the text that rkprobes works on, for the rkprobes tests");
MODULE_LICENSE("GPL");
