#include "host/machine/accelerator.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#define KEY_BYTES 512

bool accelerator_kvm_opens(void)
{
    int fd = open("/dev/kvm", O_RDWR | O_CLOEXEC);
    if (fd >= 0) {
        close(fd);
    }
    return fd >= 0;
}

/* One line without the answer: everything that the answer depends on. */
static void key_make(char *out, size_t out_bytes)
{
    char boot[64] = "?";
    char qemu[PATH_MAX] = "";
    struct stat about = {0};
    struct utsname host;
    FILE *file = fopen("/proc/sys/kernel/random/boot_id", "re");
    if (file != NULL) {
        if (fgets(boot, sizeof(boot), file) != NULL) {
            boot[strcspn(boot, "\n")] = '\0';
        }
        fclose(file);
    }
    if (qemu_find(qemu, sizeof(qemu)) == STATUS_OK && stat(qemu, &about) != 0) {
        memset(&about, 0, sizeof(about));
    }
    memset(&host, 0, sizeof(host));
    uname(&host);
    snprintf(out, out_bytes, "%s %s qemu-%" PRIu64 "-%" PRIu64 "-%" PRId64 " kvm-%d", boot,
             host.release, (uint64_t)about.st_ino, (uint64_t)about.st_size, (int64_t)about.st_mtime,
             access("/dev/kvm", R_OK | W_OK) == 0);
}

status_t accelerator_recall(const struct state *state, enum accelerator *out)
{
    char key[KEY_BYTES];
    char path[PATH_MAX + 32];
    char line[KEY_BYTES + 16] = "";
    key_make(key, sizeof(key));
    state_path(state, STATE_ACCELERATOR, path, sizeof(path));
    FILE *file = fopen(path, "re");
    if (file == NULL) {
        return STATUS_NOT_FOUND;
    }
    bool read = fgets(line, sizeof(line), file) != NULL;
    fclose(file);
    line[strcspn(line, "\n")] = '\0';
    bool kvm = strncmp(line, "kvm ", 4) == 0;
    if (!read || (!kvm && strncmp(line, "tcg ", 4) != 0) || strcmp(line + 4, key) != 0) {
        return STATUS_NOT_FOUND;
    }
    *out = kvm ? ACCELERATOR_KVM : ACCELERATOR_TCG;
    return STATUS_OK;
}

void accelerator_remember(const struct state *state, enum accelerator accelerator)
{
    char key[KEY_BYTES];
    key_make(key, sizeof(key));
    int fd = openat(state->directory_fd, STATE_ACCELERATOR ".new",
                    O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0) {
        return;
    }
    bool written = dprintf(fd, "%s %s\n", accelerator_name(accelerator), key) > 0;
    close(fd);
    if (written) {
        renameat(state->directory_fd, STATE_ACCELERATOR ".new", state->directory_fd,
                 STATE_ACCELERATOR);
    }
}
