// SPDX-License-Identifier: GPL-2.0
/*
 * Loads a kernel beside the running one, or enters it:
 *	kexec_load load|crash KERNEL INITRD COMMAND-LINE	"crash": for the time after a panic
 *	kexec_load enter
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/kexec.h>
#include <linux/reboot.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static int load(const char *kernel, const char *initrd, const char *line, unsigned long flags)
{
	int kernel_fd = open(kernel, O_RDONLY), initrd_fd = open(initrd, O_RDONLY);

	if (kernel_fd < 0 || initrd_fd < 0)
		return -1;
	return syscall(SYS_kexec_file_load, kernel_fd, initrd_fd, strlen(line) + 1, line, flags);
}

int main(int argc, char **argv)
{
	int ret = -1;

	errno = EINVAL;
	if (argc == 5 && !strcmp(argv[1], "load"))
		ret = load(argv[2], argv[3], argv[4], 0);
	else if (argc == 5 && !strcmp(argv[1], "crash"))
		ret = load(argv[2], argv[3], argv[4], KEXEC_FILE_ON_CRASH);
	else if (argc == 2 && !strcmp(argv[1], "enter"))
		ret = syscall(SYS_reboot, LINUX_REBOOT_MAGIC1, LINUX_REBOOT_MAGIC2,
			      LINUX_REBOOT_CMD_KEXEC, NULL);
	if (ret)
		perror("kexec_load");
	return ret ? 1 : 0;
}
