#include "host/cli/helper.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define HELPER "oak-archive"

static void helper_path(char *out, size_t out_bytes)
{
    char executable[PATH_MAX] = "";
    ssize_t length = readlink("/proc/self/exe", executable, sizeof(executable) - 1);
    executable[MAX(length, 0)] = '\0';
    char *slash = strrchr(executable, '/');
    if (slash != NULL) {
        *slash = '\0';
    }
    snprintf(out, out_bytes, "%s/" HELPER, executable);
}

int helper_become(int argc, char **argv)
{
    char path[PATH_MAX + 32];
    char **arguments = allocate(((size_t)argc + 2) * sizeof(*arguments));
    helper_path(path, sizeof(path));
    arguments[0] = path;
    memcpy(arguments + 1, argv, (size_t)argc * sizeof(*argv));
    execv(path, arguments);
    int code = error_line(EXIT_OAK, "cannot run %s: %s (run make)", path, strerror(errno));
    free(arguments);
    return code;
}

char *helper_import(const char *path, bool again)
{
    char helper[PATH_MAX + 32];
    char id[256] = "";
    int answer[2];
    helper_path(helper, sizeof(helper));
    fflush(stdout);
    if (pipe(answer) != 0) {
        error_line(EXIT_OAK, "cannot run %s: %s", helper, strerror(errno));
        return NULL;
    }
    pid_t child = fork();
    if (child == 0) {
        dup2(answer[1], STDOUT_FILENO);
        close(answer[0]);
        close(answer[1]);
        execl(helper, helper, "import", again ? "--again" : "--once", path, (char *)NULL);
        error_line(EXIT_OAK, "cannot run %s: %s (run make)", helper, strerror(errno));
        _exit(EXIT_OAK);
    }
    close(answer[1]);
    size_t used = 0;
    ssize_t got;
    while (used < sizeof(id) - 1 && (got = read(answer[0], id + used, sizeof(id) - 1 - used)) > 0) {
        used += (size_t)got;
    }
    close(answer[0]);
    id[used] = '\0';
    id[strcspn(id, "\n")] = '\0';
    int status = 0;
    if (child < 0 || waitpid(child, &status, 0) != child || status != 0 || id[0] == '\0') {
        return NULL; /* it said why */
    }
    return text_copy(id);
}
