// SPDX-License-Identifier: GPL-2.0
/*
 * Holds the kernel while it notifies of a module, before all other notifiers run or
 * after them, and lets the asynchronous function of rktest_async continue. Commands:
 *
 *   hold first|last coming|live|going MODULE
 *                  the next notification of that state waits, before the other notifiers or after
 *   held           fails while no notification waits
 *   release        the notification continues. With "release fail" the notifier refuses the module,
 *                  and refuses it again until the next "hold" or "release", because insmod may try
 *                  twice
 *   run            the asynchronous function of rktest_async continues
 *   ran            prints the result and the text of the function that it called; fails before that
 */
#include <linux/limits.h>
#include <linux/notifier.h>
#include <linux/wait.h>
#include "rktest.h"
#include "rktest_notifier.h"

/* A held notification continues after this time, so that a test that failed can end. */
#define MOST	(60 * HZ)

static DECLARE_WAIT_QUEUE_HEAD(changed);

static struct notifier_block first, last;

/* The notification to be held, the notifier that holds it, and whether it waits and fails. */
static struct notifier_block *holder;
static unsigned long hold_state;
static char hold_name[MODULE_NAME_LEN];
static bool holds, held, fails;

static bool may_run, has_run;
static u8 ran_text[RKTEST_BYTES];
static unsigned long ran_result;

void rktest_wait_to_run(void)
{
	wait_event_timeout(changed, READ_ONCE(may_run), MOST);
}
EXPORT_SYMBOL_GPL(rktest_wait_to_run);

void rktest_has_run(const void *text, unsigned long result)
{
	memcpy(ran_text, text, sizeof(ran_text));
	ran_result = result;
	smp_store_release(&has_run, true);
}
EXPORT_SYMBOL_GPL(rktest_has_run);

static int notify(struct notifier_block *block, unsigned long state, void *data)
{
	struct module *module = data;

	if (READ_ONCE(holder) != block || state != hold_state ||
	    strcmp(module->name, hold_name))
		return NOTIFY_DONE;
	WRITE_ONCE(held, READ_ONCE(holds));
	wait_event_timeout(changed, !READ_ONCE(holds), MOST);
	WRITE_ONCE(held, false);
	return fails ? notifier_from_errno(-EPERM) : NOTIFY_DONE;
}

static struct notifier_block first = { .notifier_call = notify, .priority = INT_MAX };
static struct notifier_block last = { .notifier_call = notify, .priority = INT_MIN };

static int hold(const char *place, const char *state, const char *name)
{
	static const char * const states[] = {
		[MODULE_STATE_LIVE] = "live",
		[MODULE_STATE_COMING] = "coming",
		[MODULE_STATE_GOING] = "going",
	};
	int at = match_string(states, ARRAY_SIZE(states), state);

	if (at < 0 || holds || held)
		return -EINVAL;
	hold_state = at;
	strscpy(hold_name, name);
	fails = may_run = has_run = false;
	holds = true;
	WRITE_ONCE(holder, strcmp(place, "first") ? &last : &first);
	return 0;
}

static int rktest_run(int argc, char **argv)
{
	if (rktest_is(argc, argv, "hold", 3))
		return hold(argv[1], argv[2], argv[3]);
	if (rktest_is(argc, argv, "held", 0))
		return READ_ONCE(held) ? 0 : -EAGAIN;
	if (rktest_is(argc, argv, "release", 0) || rktest_is(argc, argv, "release", 1)) {
		fails = argc == 2;
		WRITE_ONCE(holds, false);
	} else if (rktest_is(argc, argv, "run", 0)) {
		WRITE_ONCE(may_run, true);
	} else if (rktest_is(argc, argv, "ran", 0)) {
		if (!smp_load_acquire(&has_run))
			return -EAGAIN;
		rktest_print("%lu %*ph\n", ran_result, RKTEST_BYTES, ran_text);
	} else {
		return -EINVAL;
	}
	wake_up_all(&changed);
	return 0;
}

static int __init notifier_init(void)
{
	int ret = register_module_notifier(&first);

	if (ret)
		return ret;
	ret = register_module_notifier(&last);
	if (ret)
		unregister_module_notifier(&first);
	return ret;
}

static void __exit notifier_exit(void)
{
	unregister_module_notifier(&last);
	unregister_module_notifier(&first);
}

module_init(notifier_init);
module_exit(notifier_exit);
MODULE_DESCRIPTION("Holds the notifications of a module, for the rkprobes tests");
MODULE_LICENSE("GPL");
