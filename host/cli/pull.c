/*
 * oak pull: skopeo fetches the image into a directory of the state directory, load takes it. The
 * directory is named after the process; what killed ones left is removed by the next pull.
 */
#include "host/cli/load.h"
#include "host/cli/options.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define FTW_DESCRIPTORS 16
#define PREFIX          "pull."

static int entry_remove(const char *path, const struct stat *about, int kind, struct FTW *place)
{
    (void)about;
    (void)kind;
    (void)place;
    return remove(path);
}

static void directory_remove(const char *path)
{
    nftw(path, entry_remove, FTW_DESCRIPTORS, FTW_DEPTH | FTW_PHYS);
}

/* Removes pull.PID of processes that are gone. */
static void leftovers_remove(const struct state *state)
{
    DIR *directory = opendir(state->directory);
    struct dirent *entry;
    while (directory != NULL && (entry = readdir(directory)) != NULL) {
        uint64_t pid;
        if (strncmp(entry->d_name, PREFIX, strlen(PREFIX)) == 0 &&
            number_parse(entry->d_name + strlen(PREFIX), INT32_MAX, &pid) &&
            kill((pid_t)pid, 0) != 0 && errno == ESRCH) {
            char *path = text_format("%s/%s", state->directory, entry->d_name);
            directory_remove(path);
            free(path);
        }
    }
    if (directory != NULL) {
        closedir(directory);
    }
}

static bool name_proper(const char *name)
{
    size_t plain = strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                "._/:@-");
    return name[0] != '\0' && name[0] != '-' && name[plain] == '\0';
}

/* Runs skopeo; its progress goes to stderr unless quiet. The exit code, or -1. */
static int skopeo_run(const char *name, const char *directory, bool quiet)
{
    char *from = text_format("docker://%s", name);
    char *to = text_format("oci:%s:pulled", directory);
    pid_t child = fork();
    if (child == 0) {
        dup2(STDERR_FILENO, STDOUT_FILENO);
        if (quiet) {
            int fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
            dup2(fd, STDOUT_FILENO);
        }
        execlp("skopeo", "skopeo", "copy", "--override-os", "linux", "--override-arch", "amd64",
               from, to, (char *)NULL);
        _exit(errno == ENOENT ? EXIT_NOT_FOUND : EXIT_NOT_EXECUTABLE);
    }
    int status = -1;
    if (child < 0 || waitpid(child, &status, 0) != child || !WIFEXITED(status)) {
        status = -1;
    } else {
        status = WEXITSTATUS(status);
    }
    free(from);
    free(to);
    return status;
}

int pull_command(int argc, char **argv)
{
    bool quiet = false;
    const struct option options[] = {
        {"quiet", 'q', OPTION_FLAG, &quiet},
        {"all-tags", 'a', OPTION_LATER, NULL},
        {"platform", 0, OPTION_LATER, NULL},
        {"disable-content-trust", 0, OPTION_LATER, NULL},
    };
    struct text_list arguments = {0};
    struct connection connection;
    if (!options_parse(OPTION_SET(options, true), argc, argv, &arguments)) {
        return EXIT_OAK;
    }
    if (arguments.count != 1 || !name_proper(arguments.items[0])) {
        return usage_error("pull", "the name of one image");
    }
    const char *name = arguments.items[0];
    if (!connection_open(&connection, NULL)) {
        return EXIT_OAK;
    }
    leftovers_remove(&connection.state);
    char *directory = text_format("%s/" PREFIX "%d", connection.state.directory, (int)getpid());
    if (mkdir(directory, 0700) != 0) {
        return error_line(EXIT_OAK, "cannot make %s: %s", directory, strerror(errno));
    }
    int fetched = skopeo_run(name, directory, quiet);
    int code = 1;
    if (fetched == EXIT_NOT_FOUND) {
        error_line(1, "pull needs skopeo: install it (apt-get install skopeo)");
    } else if (fetched != 0) {
        error_line(1, "skopeo could not fetch %s", name);
    } else {
        code = load_path(&connection, directory, name, quiet);
    }
    directory_remove(directory);
    free(directory);
    connection_close(&connection);
    return code;
}
