/* The flags that run and create share, and those of docker's that are not there yet. */
#include "host/cli/signals.h"
#include "host/cli/specification.h"
#include "host/cli/terminal.h"

#include <string.h>

struct container_flags container_flags = {.sig_proxy = true, .detach_keys = "ctrl-p,ctrl-q"};

#define FLAG(name, letter, field)                                                                  \
    {                                                                                              \
        name, letter, OPTION_FLAG, &container_flags.field                                          \
    }
#define TEXT(name, letter, field)                                                                  \
    {                                                                                              \
        name, letter, OPTION_TEXT, &container_flags.field                                          \
    }
#define LIST(name, letter, field)                                                                  \
    {                                                                                              \
        name, letter, OPTION_LIST, &container_flags.field                                          \
    }
#define LATER(name, letter)                                                                        \
    {                                                                                              \
        name, letter, OPTION_LATER, NULL                                                           \
    }

static const struct option options[] = {
    FLAG("detach", 'd', detach),
    FLAG("interactive", 'i', interactive),
    FLAG("tty", 't', terminal),
    FLAG("rm", 0, remove),
    FLAG("read-only", 0, read_only),
    FLAG("quiet", 'q', quiet),
    FLAG("sig-proxy", 0, sig_proxy),
    TEXT("name", 0, name),
    TEXT("workdir", 'w', working_directory),
    TEXT("user", 'u', user),
    TEXT("entrypoint", 0, entrypoint),
    TEXT("hostname", 'h', hostname),
    LIMIT_OPTIONS(container_flags.limits),
    TEXT("stop-signal", 0, stop_signal),
    TEXT("detach-keys", 0, detach_keys),
    TEXT("cidfile", 0, cid_file),
    LIST("env", 'e', environment),
    LIST("env-file", 0, environment_files),
    LIST("tmpfs", 0, tmpfs),
    LIST("label", 'l', labels),
    LIST("security-opt", 0, security_options),
    LATER("add-host", 0),
    LATER("annotation", 0),
    LATER("attach", 'a'),
    LATER("blkio-weight", 0),
    LATER("blkio-weight-device", 0),
    LATER("cap-add", 0),
    LATER("cap-drop", 0),
    LATER("cgroup-parent", 0),
    LATER("cgroupns", 0),
    LATER("cpu-count", 0),
    LATER("cpu-percent", 0),
    LATER("cpu-rt-period", 0),
    LATER("cpu-rt-runtime", 0),
    LATER("cpuset-cpus", 0),
    LATER("cpuset-mems", 0),
    LATER("device", 0),
    LATER("device-cgroup-rule", 0),
    LATER("device-read-bps", 0),
    LATER("device-read-iops", 0),
    LATER("device-write-bps", 0),
    LATER("device-write-iops", 0),
    LATER("disable-content-trust", 0),
    LATER("dns", 0),
    LATER("dns-opt", 0),
    LATER("dns-option", 0),
    LATER("dns-search", 0),
    LATER("domainname", 0),
    LATER("expose", 0),
    LATER("gpus", 0),
    LATER("group-add", 0),
    LATER("health-cmd", 0),
    LATER("health-interval", 0),
    LATER("health-retries", 0),
    LATER("health-start-interval", 0),
    LATER("health-start-period", 0),
    LATER("health-timeout", 0),
    LATER("init", 0),
    LATER("io-maxbandwidth", 0),
    LATER("io-maxiops", 0),
    LATER("ip", 0),
    LATER("ip6", 0),
    LATER("ipc", 0),
    LATER("isolation", 0),
    LATER("kernel-memory", 0),
    LATER("label-file", 0),
    LATER("link", 0),
    LATER("link-local-ip", 0),
    LATER("log-driver", 0),
    LATER("log-opt", 0),
    LATER("mac-address", 0),
    LATER("memory-reservation", 0),
    LATER("memory-swap", 0),
    LATER("memory-swappiness", 0),
    LATER("mount", 0),
    LATER("net", 0),
    LATER("net-alias", 0),
    LATER("network", 0),
    LATER("network-alias", 0),
    LATER("no-healthcheck", 0),
    LATER("oom-kill-disable", 0),
    LATER("oom-score-adj", 0),
    LATER("pid", 0),
    LATER("platform", 0),
    LATER("privileged", 0),
    LATER("publish", 'p'),
    LATER("publish-all", 'P'),
    LATER("pull", 0),
    LATER("restart", 0),
    LATER("runtime", 0),
    LATER("shm-size", 0),
    LATER("stop-timeout", 0),
    LATER("storage-opt", 0),
    LATER("sysctl", 0),
    LATER("ulimit", 0),
    LATER("userns", 0),
    LATER("uts", 0),
    LATER("volume", 'v'),
    LATER("volume-driver", 0),
    LATER("volumes-from", 0),
};

const struct option_set *container_option_set(void)
{
    static const struct option_set set = {.options = options, .count = ARRAY_LENGTH(options)};
    return &set;
}

static bool hostname_valid(const char *hostname)
{
    size_t length = strlen(hostname);
    return length > 0 && length <= 64 && hostname[0] != '-' &&
           strspn(hostname, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-") ==
               length;
}

static bool tmpfs_valid(const char *text)
{
    size_t length = strcspn(text, ":");
    return text[0] == '/' && length > 1;
}

bool container_flags_check(const char *command, const struct container_flags *flags)
{
    struct detach_keys keys;
    struct limits limits;
    int code = 0;
    if (flags->name != NULL && !name_valid(flags->name)) {
        code = error_line(EXIT_OAK,
                          "%s: '%s' is no container name: [a-zA-Z0-9][a-zA-Z0-9_.-]*, at most 63",
                          command, flags->name);
    } else if (flags->hostname != NULL && !hostname_valid(flags->hostname)) {
        code = error_line(EXIT_OAK, "%s: '%s' is no hostname", command, flags->hostname);
    } else if (!limits_parse(command, &flags->limits, &limits)) {
        code = EXIT_OAK;
    } else if (flags->stop_signal != NULL && signal_parse(flags->stop_signal) == 0) {
        code = error_line(EXIT_OAK, "%s: no such signal: %s", command, flags->stop_signal);
    } else if (flags->working_directory != NULL && flags->working_directory[0] != '/') {
        code = error_line(EXIT_OAK, "%s: the working directory '%s' is not an absolute path",
                          command, flags->working_directory);
    } else if (!detach_keys_parse(&keys, flags->detach_keys)) {
        code = error_line(EXIT_OAK, "%s: '%s' are no detach keys (as in ctrl-p,ctrl-q)", command,
                          flags->detach_keys);
    }
    for (size_t i = 0; i < flags->security_options.count && code == 0; i++) {
        if (strcmp(flags->security_options.items[i], UNSEALED) != 0) {
            code = error_line(EXIT_OAK, "%s: --security-opt takes " UNSEALED " only, not '%s'",
                              command, flags->security_options.items[i]);
        }
    }
    for (size_t i = 0; i < flags->tmpfs.count && code == 0; i++) {
        if (!tmpfs_valid(flags->tmpfs.items[i])) {
            code = error_line(EXIT_OAK, "%s: --tmpfs takes /path[:options], not '%s'", command,
                              flags->tmpfs.items[i]);
        }
    }
    return code == 0;
}
