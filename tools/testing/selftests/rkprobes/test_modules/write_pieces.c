// SPDX-License-Identifier: GPL-2.0
/*
 * Writes stdin to a file in pieces and says what failed:
 *	write_pieces FILE SIZE	write() of SIZE bytes each
 *	write_pieces FILE -N	writev() of up to 1,000 pieces of N bytes each
 *	write_pieces FILE killed|ended	a child writes once, leaves the open file in a message
 *		to itself, and is killed or exits; a task of the kernel closes the file. Status 3
 *		means that this kernel has no such sockets.
 * It goes on after errors. Prints "write ERRNO" for the first write that failed, and
 * "close ERRNO" if close() failed.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#define PIECES 1000

static char text[8 << 20];

static size_t read_all(void)
{
	size_t used = 0;
	ssize_t got;

	while ((got = read(0, text + used, sizeof(text) - used)) > 0)
		used += got;
	return used;
}

static ssize_t write_vector(int fd, char *from, size_t left, size_t size)
{
	struct iovec pieces[PIECES];
	int count = 0;

	while (left && count < PIECES) {
		size_t len = left < size ? left : size;

		pieces[count].iov_base = from;
		pieces[count++].iov_len = len;
		from += len;
		left -= len;
	}
	return writev(fd, pieces, count);
}

/*
 * Sends @file and @to to the other end, which is @to. When all descriptors are closed, only the
 * message has the two files.
 */
static bool send_files(int from, int file, int to)
{
	char byte = 0, control[CMSG_SPACE(2 * sizeof(int))] = { 0 };
	struct iovec piece = { &byte, 1 };
	struct msghdr message = {
		.msg_iov = &piece,
		.msg_iovlen = 1,
		.msg_control = control,
		.msg_controllen = sizeof(control),
	};
	struct cmsghdr *header = CMSG_FIRSTHDR(&message);
	int files[2] = { file, to };

	header->cmsg_level = SOL_SOCKET;
	header->cmsg_type = SCM_RIGHTS;
	header->cmsg_len = CMSG_LEN(sizeof(files));
	memcpy(CMSG_DATA(header), files, sizeof(files));
	return sendmsg(from, &message, 0) == 1;
}

static int leave_open(const char *name, bool killed, size_t used)
{
	int ends[2];
	pid_t child;

	if (socketpair(AF_UNIX, SOCK_DGRAM, 0, ends))
		return 3;
	close(ends[0]);
	close(ends[1]);
	child = fork();
	if (!child) {
		int file = open(name, O_WRONLY);

		if (file < 0 || socketpair(AF_UNIX, SOCK_DGRAM, 0, ends) ||
		    write(file, text, used) != (ssize_t)used || !send_files(ends[0], file, ends[1]))
			_exit(2);
		if (killed)
			raise(SIGKILL);
		_exit(0);
	}
	if (child < 0 || waitpid(child, &ends[0], 0) != child || ends[0] != (killed ? SIGKILL : 0))
		return 2;
	/* The kernel looks for messages that only messages have when it closes a socket. */
	child = socket(AF_UNIX, SOCK_DGRAM, 0);
	close(child);
	return 0;
}

int main(int argc, char **argv)
{
	long size = argc == 3 ? atol(argv[2]) : 0;
	bool killed = argc == 3 && !strcmp(argv[2], "killed");
	int fd = size ? open(argv[1], O_WRONLY) : -1;
	size_t at = 0, used = read_all();
	int failed = 0;

	if (killed || (argc == 3 && !strcmp(argv[2], "ended")))
		return leave_open(argv[1], killed, used);
	if (fd < 0)
		return 2;
	while (at < used) {
		size_t left = used - at;
		size_t want = size < 0 ? (size_t)-size * PIECES : (size_t)size;
		ssize_t got;

		want = want < left ? want : left;
		got = size < 0 ? write_vector(fd, text + at, left, -size) : write(fd, text + at, want);
		if (got < 0 && !failed) {
			failed = errno;
			printf("write %d\n", failed);
		}
		at += got < 0 ? want : (size_t)got;
	}
	if (close(fd)) {
		failed = errno;
		printf("close %d\n", failed);
	}
	return failed != 0;
}
