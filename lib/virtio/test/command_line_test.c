/* Proves that virtio_mmio.device entries are read as Linux reads them and malformed ones skipped.
 */
#include <string.h>

#include "lib/base/test/check.h"
#include "lib/virtio/command_line.h"

static void test_good(void)
{
    const char *next = "console=x virtio_mmio.device=512@0xfeb00e00:12 "
                       "virtio_mmio.device=4K@0xd0000000:5:3";
    struct virtio_mmio_entry entry;
    CHECK(virtio_command_line_next(&next, &entry));
    CHECK(entry.size_bytes == 512 && entry.base == 0xfeb00e00 && entry.irq == 12);
    CHECK(virtio_command_line_next(&next, &entry));
    CHECK(entry.size_bytes == 4096 && entry.base == 0xd0000000 && entry.irq == 5);
    CHECK(!virtio_command_line_next(&next, &entry));
}

static void test_bad(void)
{
    static const char *const bad[] = {
        "virtio_mmio.device=",
        "virtio_mmio.device=512",
        "virtio_mmio.device=512@",
        "virtio_mmio.device=512@0x:1",
        "virtio_mmio.device=512@0x1000",
        "virtio_mmio.device=512@0x1000:",
        "virtio_mmio.device=512@0x1000:x",
        "virtio_mmio.device=512@0x1000:1x",
        "virtio_mmio.device=99999999999999999999@0x1000:1",
        "virtio_mmio.device=18446744073709551615K@0x1000:1",
        "virtio_mmio.device=512@0x10000000000000000:1",
        "virtio_mmio.device=512@0x1000:4294967296",
        "xvirtio_mmio.device=512@0x1000:1",
    };
    for (size_t i = 0; i < ARRAY_LENGTH(bad); i++) {
        char line[200];
        snprintf(line, sizeof(line), "%s virtio_mmio.device=8@0x10:1", bad[i]);
        const char *next = line;
        struct virtio_mmio_entry entry;
        CHECK(virtio_command_line_next(&next, &entry) && entry.base == 0x10);
        CHECK(!virtio_command_line_next(&next, &entry));
    }
}

int main(void)
{
    test_good();
    test_bad();
    return 0;
}
