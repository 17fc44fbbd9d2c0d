/*
 * Proves that a well-formed program is understood and that no changed header makes the loader map
 * anything outside the image's part of the window or outside the file; that functions are found by
 * their addresses, and that a file which is cut or changed makes nothing be read outside of it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/test/check.h"
#include "lib/base/elf.h"

#define FILE_BYTES 0x6000

static uint8_t head[PAGE_SIZE];

static void put(size_t at, uint64_t value, size_t bytes)
{
    memcpy(head + at, &value, bytes);
}

static void put_segment(size_t index, uint32_t flags, uint64_t offset, uint64_t address,
                        uint64_t file_bytes, uint64_t memory_bytes)
{
    size_t at = 64 + index * 56;
    put(at, 1, 4);
    put(at + 4, flags, 4);
    put(at + 8, offset, 8);
    put(at + 16, address, 8);
    put(at + 32, file_bytes, 8);
    put(at + 40, memory_bytes, 8);
}

static void make(void)
{
    static const uint8_t identity[] = {0x7f, 'E', 'L', 'F', 2, 1, 1};
    memset(head, 0, sizeof(head));
    memcpy(head, identity, sizeof(identity));
    put(16, 2, 2);
    put(18, 62, 2);
    put(24, WINDOW_IMAGE + 0x10, 8);
    put(32, 64, 8);
    put(54, 56, 2);
    put(56, 3, 2);
    put_segment(0, 5, 0x1000, WINDOW_IMAGE, 0x2a00, 0x2a00);
    put_segment(1, 4, 0x4000, WINDOW_IMAGE + 0x3000, 0x200, 0x200);
    put_segment(2, 6, 0x5000, WINDOW_IMAGE + 0x4000, 0x1000, 0x9000);
}

static status_t parse(struct elf_image *out)
{
    return elf_parse(head, sizeof(head), FILE_BYTES, out);
}

static void test_good(void)
{
    struct elf_image image;
    make();
    CHECK(parse(&image) == STATUS_OK);
    CHECK(image.entry == WINDOW_IMAGE + 0x10 && image.segment_count == 3);
    CHECK(image.segment[0].rights == (RIGHT_READ | RIGHT_EXECUTE));
    CHECK(image.segment[0].file_bytes == 0x3000 && image.segment[0].zero_bytes == 0);
    CHECK(image.segment[2].rights == (RIGHT_READ | RIGHT_WRITE));
    CHECK(image.segment[2].file_bytes == 0x1000 && image.segment[2].zero_bytes == 0x8000);
}

#define REFUSED(change)                                                                            \
    do {                                                                                           \
        struct elf_image refused;                                                                  \
        make();                                                                                    \
        change;                                                                                    \
        CHECK(parse(&refused) == STATUS_CORRUPT);                                                  \
    } while (0)

static void test_bad(void)
{
    REFUSED(head[0] = 0);
    REFUSED(put(16, 3, 2));
    REFUSED(put(18, 3, 2));
    REFUSED(put(24, WINDOW_IMAGE + 0x4000, 8));
    REFUSED(put(24, 0x400000, 8));
    REFUSED(put(32, PAGE_SIZE - 100, 8));
    REFUSED(put(32, UINT64_MAX, 8));
    REFUSED(put(56, 0xffff, 2));
    REFUSED(put_segment(0, 7, 0x1000, WINDOW_IMAGE, 0x2a00, 0x2a00));
    REFUSED(put_segment(0, 5, 0x1000, WINDOW_IMAGE, 0x2a00, 0x2a01 + 0x1000));
    REFUSED(put_segment(0, 5, 0x1000, 0x400000, 0x2a00, 0x2a00));
    REFUSED(put_segment(1, 4, 0x4000, WINDOW_IMAGE + 0x2000, 0x200, 0x200));
    REFUSED(put_segment(1, 4, 0x4000, WINDOW_IMAGE + 0x3001, 0x200, 0x200));
    REFUSED(put_segment(1, 4, 0x4010, WINDOW_IMAGE + 0x3000, 0x200, 0x200));
    REFUSED(put_segment(2, 6, 0x5000, WINDOW_IMAGE + 0x4000, 0x1001, 0x9000));
    REFUSED(put_segment(2, 6, 0x5000, WINDOW_IMAGE + 0x4000, 0x800, 0x9000));
    REFUSED(put_segment(2, 6, 0x5000, WINDOW_IMAGE + 0x4000, 0x1000, UINT64_MAX));
    REFUSED(put_segment(2, 6, 0x5000, WINDOW_HEAP, 0x1000, 0x1000));
    REFUSED(put_segment(2, 6, UINT64_MAX - 0xfff, WINDOW_IMAGE + 0x4000, 0x1000, 0x1000));
    REFUSED(put_segment(2, 6, 0x5000, WINDOW_IMAGE + 0x4000, 0x2000, 0x1000));
}

/* Every changed byte gives either a refusal or an image that keeps the rules. */
static void test_every_byte(void)
{
    for (size_t at = 0; at < 64 + 3 * 56; at++) {
        for (unsigned int value = 0; value < 256; value++) {
            make();
            head[at] = (uint8_t)value;
            struct elf_image image;
            if (parse(&image) != STATUS_OK) {
                continue;
            }
            uint64_t end = WINDOW_IMAGE;
            for (uint32_t i = 0; i < image.segment_count; i++) {
                const struct elf_segment *segment = &image.segment[i];
                CHECK(segment->address >= end);
                end = segment->address + segment->file_bytes + segment->zero_bytes;
                CHECK(end <= WINDOW_HEAP);
                CHECK(range_inside(segment->file_offset, segment->file_bytes, FILE_BYTES));
            }
        }
    }
}

/* --- names --- */

/* This program's own file, in memory. */
static uint8_t *self_read(uint64_t *size_bytes)
{
    FILE *file = fopen("/proc/self/exe", "rb");
    CHECK(file != NULL && fseek(file, 0, SEEK_END) == 0);
    *size_bytes = (uint64_t)ftell(file);
    uint8_t *bytes = malloc(*size_bytes);
    rewind(file);
    CHECK(bytes != NULL && fread(bytes, 1, *size_bytes, file) == *size_bytes);
    fclose(file);
    return bytes;
}

extern const char __ehdr_start[]; /* of the linker: where the file begins in memory */

static uint64_t address_of(void (*function)(void))
{
    return (uint64_t)(uintptr_t)function - (uint64_t)(uintptr_t)__ehdr_start;
}

static void test_names(void)
{
    uint64_t size_bytes, offset = 0;
    uint8_t *bytes = self_read(&size_bytes);
    const char *name = elf_function_name(bytes, size_bytes, address_of(test_bad), &offset);
    CHECK(name != NULL && strcmp(name, "test_bad") == 0 && offset == 0);
    name = elf_function_name(bytes, size_bytes, address_of(test_bad) + 3, &offset);
    CHECK(name != NULL && strcmp(name, "test_bad") == 0 && offset == 3);
    CHECK(elf_function_name(bytes, size_bytes, 0, &offset) == NULL);
    CHECK(elf_function_name(bytes, 0, address_of(test_bad), &offset) == NULL);
    free(bytes);
}

/* A copy that ends where the file does: what is read behind it is found by the sanitizer. */
static void test_names_of_bad_files(void)
{
    uint64_t size_bytes, offset;
    uint8_t *bytes = self_read(&size_bytes);
    for (uint64_t length = 0; length < size_bytes; length += 1 + length / 50) {
        uint8_t *part = malloc(length + 1);
        CHECK(part != NULL);
        memcpy(part + 1, bytes, length); /* and nothing in it is aligned */
        (void)elf_function_name(part + 1, length, address_of(test_bad), &offset);
        free(part);
    }
    for (int at = 0; at < 64; at++) {
        for (int bit = 0; bit < 8; bit++) {
            bytes[at] ^= (uint8_t)(1 << bit);
            (void)elf_function_name(bytes, size_bytes, address_of(test_bad), &offset);
            bytes[at] ^= (uint8_t)(1 << bit);
        }
    }
    free(bytes);
}

int main(void)
{
    test_good();
    test_bad();
    test_every_byte();
    test_names();
    test_names_of_bad_files();
    return 0;
}
