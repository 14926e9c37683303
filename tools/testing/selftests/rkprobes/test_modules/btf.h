/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Types of the kernel and of modules (Documentation/bpf/btf.rst in the kernel's tree), as
 * files of sysfs have them. The types and the strings of a module continue the kernel's.
 */
#ifndef RKTEST_BTF_H
#define RKTEST_BTF_H

#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <linux/btf.h>
#include "bpf.h"

struct types {
	const char *data;
	size_t size;
};

/* Reads /sys/kernel/btf/NAME: false if there is none. */
static bool read_types(struct types *types, const char *name)
{
	char path[128], *data = NULL;
	size_t size = 0;
	ssize_t got;
	int fd;

	snprintf(path, sizeof(path), "/sys/kernel/btf/%s", name);
	fd = open(path, O_RDONLY);
	if (fd < 0)
		return false;
	do {
		data = realloc(data, size + (1 << 20));
		if (!data)
			fail("realloc", path);
		got = read(fd, data + size, 1 << 20);
		if (got < 0)
			fail("read", path);
		size += got;
	} while (got);
	close(fd);
	*types = (struct types){ .data = data, .size = size };
	return true;
}

/* How many bytes follow a type's header, or -1. */
static long tail_of(const struct btf_type *type)
{
	unsigned int vlen = BTF_INFO_VLEN(type->info);

	switch (BTF_INFO_KIND(type->info)) {
	case BTF_KIND_PTR:
	case BTF_KIND_FWD:
	case BTF_KIND_TYPEDEF:
	case BTF_KIND_VOLATILE:
	case BTF_KIND_CONST:
	case BTF_KIND_RESTRICT:
	case BTF_KIND_FUNC:
	case BTF_KIND_FLOAT:
	case BTF_KIND_TYPE_TAG:
		return 0;
	case BTF_KIND_INT:
		return sizeof(uint32_t);
	case BTF_KIND_ARRAY:
		return sizeof(struct btf_array);
	case BTF_KIND_STRUCT:
	case BTF_KIND_UNION:
		return (long)vlen * sizeof(struct btf_member);
	case BTF_KIND_ENUM:
		return (long)vlen * sizeof(struct btf_enum);
	case BTF_KIND_ENUM64:
		return (long)vlen * sizeof(struct btf_enum64);
	case BTF_KIND_FUNC_PROTO:
		return (long)vlen * sizeof(struct btf_param);
	case BTF_KIND_VAR:
		return sizeof(struct btf_var);
	case BTF_KIND_DATASEC:
		return (long)vlen * sizeof(struct btf_var_secinfo);
	case BTF_KIND_DECL_TAG:
		return sizeof(struct btf_decl_tag);
	}
	return -1;
}

/*
 * Looks for the type of this kind and name, or, without a name, for none. @id is the number
 * of the first type, and then of the found one, or the number after the last one. @strings
 * is the length of the strings before the first one.
 */
static bool find_type(const struct types *types, unsigned int strings, unsigned int kind,
		      const char *name, unsigned int *id)
{
	const struct btf_header *header = (const void *)types->data;
	const char *names = types->data + header->hdr_len + header->str_off;
	const char *at = types->data + header->hdr_len + header->type_off;
	const char *end = at + header->type_len;

	if (header->magic != BTF_MAGIC || end > types->data + types->size)
		fail("header", "types");
	for (; at < end; ++*id) {
		const struct btf_type *type = (const void *)at;
		long tail = tail_of(type);

		if (tail < 0) {
			printf("kind %u of type %u\n", BTF_INFO_KIND(type->info), *id);
			fail("unknown kind of type", "types");
		}
		if (name && BTF_INFO_KIND(type->info) == kind && type->name_off >= strings &&
		    !strcmp(names + type->name_off - strings, name))
			return true;
		at += sizeof(*type) + tail;
	}
	return false;
}

/* The number of a type of a module, or 0. */
static inline unsigned int module_type(const char *module, unsigned int kind, const char *name)
{
	struct types kernel, own;
	unsigned int id = 1;

	if (!read_types(&kernel, "vmlinux") || !read_types(&own, module))
		return 0;
	find_type(&kernel, 0, 0, NULL, &id);
	if (!find_type(&own, ((const struct btf_header *)kernel.data)->str_len, kind, name, &id))
		return 0;
	return id;
}

/* The types of a module, as an open file, or -1. */
static inline int module_btf(const char *module)
{
	uint32_t id = 0;

	for (;;) {
		char name[64] = "";
		struct bpf_btf_info info = { .name = (uintptr_t)name, .name_len = sizeof(name) };
		union bpf_attr attr = { .start_id = id };
		union bpf_attr open_attr = { 0 };
		union bpf_attr info_attr = { 0 };
		int fd;

		if (bpf(BPF_BTF_GET_NEXT_ID, &attr))
			return -1;
		id = attr.next_id;
		open_attr.btf_id = id;
		fd = bpf(BPF_BTF_GET_FD_BY_ID, &open_attr);
		if (fd < 0)
			continue;
		info_attr.info.bpf_fd = fd;
		info_attr.info.info_len = sizeof(info);
		info_attr.info.info = (uintptr_t)&info;
		if (!bpf(BPF_OBJ_GET_INFO_BY_FD, &info_attr) && info.kernel_btf &&
		    !strcmp(name, module))
			return fd;
		close(fd);
	}
}

#endif
