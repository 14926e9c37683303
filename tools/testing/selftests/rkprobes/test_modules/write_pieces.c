// SPDX-License-Identifier: GPL-2.0
/*
 * Writes stdin to a file in pieces and says what failed:
 *	write_pieces FILE SIZE	write() of SIZE bytes each
 *	write_pieces FILE -N	writev() of up to 1,000 pieces of N bytes each
 * It goes on after errors. Prints "write ERRNO" for the first write that failed, and
 * "close ERRNO" if close() failed.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/uio.h>
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

int main(int argc, char **argv)
{
	long size = argc == 3 ? atol(argv[2]) : 0;
	int fd = size ? open(argv[1], O_WRONLY) : -1;
	size_t at = 0, used = read_all();
	int failed = 0;

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
