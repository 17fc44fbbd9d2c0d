#include "host/machine/state.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static bool directory_name(char *out, size_t out_bytes)
{
    const char *chosen = getenv("OAK_STATE");
    const char *data = getenv("XDG_DATA_HOME");
    const char *home = getenv("HOME");
    int length = -1;
    if (chosen != NULL && chosen[0] == '/') {
        length = snprintf(out, out_bytes, "%s", chosen);
    } else if (chosen != NULL && chosen[0] != '\0') {
        char *here = getcwd(NULL, 0);
        if (here != NULL) {
            length = snprintf(out, out_bytes, "%s/%s", here, chosen);
            free(here);
        }
    } else if (data != NULL && data[0] == '/') {
        length = snprintf(out, out_bytes, "%s/oak", data);
    } else if (home != NULL && home[0] == '/') {
        length = snprintf(out, out_bytes, "%s/.local/share/oak", home);
    }
    return length > 0 && (size_t)length < out_bytes;
}

/* Makes every missing part of the path. */
static int directory_make(char *path)
{
    for (char *slash = strchr(path + 1, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        int result = mkdir(path, 0755);
        int error = errno;
        *slash = '/';
        if (result != 0 && error != EEXIST) {
            errno = error;
            return -1;
        }
    }
    return mkdir(path, 0700) != 0 && errno != EEXIST ? -1 : 0;
}

status_t state_open(struct state *state, char *problem, size_t problem_bytes)
{
    state->directory_fd = -1;
    if (!directory_name(state->directory, sizeof(state->directory))) {
        snprintf(problem, problem_bytes, "no state directory: set HOME or OAK_STATE");
        return STATUS_NOT_FOUND;
    }
    int fd = open(state->directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT && directory_make(state->directory) == 0) {
        fd = open(state->directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    }
    if (fd < 0) {
        snprintf(problem, problem_bytes,
                 "cannot use the state directory %.200s: %s (set OAK_STATE)", state->directory,
                 strerror(errno));
        return STATUS_IO_ERROR;
    }
    state->directory_fd = fd;
    return STATUS_OK;
}

void state_close(struct state *state)
{
    if (state->directory_fd >= 0) {
        close(state->directory_fd);
        state->directory_fd = -1;
    }
}

void state_path(const struct state *state, const char *name, char *out, size_t out_bytes)
{
    snprintf(out, out_bytes, "%s/%s", state->directory, name);
}

static struct sockaddr_un socket_address(const struct state *state)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof(address.sun_path), "/proc/self/fd/%d/%s", state->directory_fd,
             STATE_SOCKET);
    return address;
}

int state_connect(const struct state *state)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_un address = socket_address(state);
    if (fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof(address)) != 0) {
        int error = errno;
        close(fd);
        errno = error;
        return -1;
    }
    return fd;
}

int state_listen(const struct state *state)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    struct sockaddr_un address = socket_address(state);
    unlinkat(state->directory_fd, STATE_SOCKET, 0);
    mode_t mask = umask(0177);
    bool bound = fd >= 0 && bind(fd, (struct sockaddr *)&address, sizeof(address)) == 0 &&
                 listen(fd, 1024) == 0;
    int error = errno;
    umask(mask);
    if (!bound && fd >= 0) {
        close(fd);
        errno = error;
        fd = -1;
    }
    return fd;
}
