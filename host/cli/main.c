/* The oak command: finds the command and runs it. */
#include "host/cli/cli.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

const struct command commands[] = {
    {"attach", attach_command, "[--no-stdin] [--detach-keys KEYS] CONTAINER",
     "Follow a running container's output, and type into it"},
    {"cp", cp_command, "CONTAINER:PATH PATH|- or PATH|- CONTAINER:PATH",
     "Copy files out of or into a container"},
    {"create", create_command, "[flags of run] IMAGE [COMMAND [ARGUMENT...]]",
     "Make a container without starting it"},
    {"exec", exec_command, "[-d] [-i] [-t] [-e NAME=VALUE] [-w DIR] [-u USER] CONTAINER COMMAND...",
     "Run a command in a running container"},
    {"help", help_command, "[COMMAND]", "Say what a command does"},
    {"images", images_command, "[-q] [--no-trunc] [--format json] [NAME]", "List the images"},
    {"inspect", inspect_command, "[--authority] [-f FORMAT] CONTAINER|IMAGE...",
     "Show all about containers or images"},
    {"kill", kill_command, "[-s SIGNAL] CONTAINER...", "Send a signal to containers"},
    {"load", load_command, "[-i FILE|DIRECTORY] [-q]",
     "Load images from an OCI layout, an OCI archive, a docker-save archive, or stdin"},
    {"logs", logs_command, "[-f] [-n LINES] CONTAINER", "Show what a container has written"},
    {"machine", machine_command,
     "start [--cpus N] [--memory SIZE] [--store-size SIZE] [--machine-type q35|microvm] "
     "[--accelerator auto|kvm|tcg] | stop | status [--json] | statistics [CONTAINER]",
     "Start, stop, or look at the machine that containers run on"},
    {"pause", pause_command, "CONTAINER...", "Stop all processes of containers for a while"},
    {"ps", ps_command, "[-a] [-q] [-n N] [-l] [-f FILTER] [--no-trunc] [--format json]",
     "List containers"},
    {"pull", pull_command, "[-q] NAME[:TAG]", "Get an image from a registry, with skopeo"},
    {"rm", rm_command, "[-f] CONTAINER...", "Remove containers"},
    {"rmi", rmi_command, "IMAGE...", "Remove images"},
    {"run", run_command,
     "[-d] [-i] [-t] [--rm] [--name NAME] [-e NAME=VALUE] [--env-file FILE] [-w DIR] [-u USER] "
     "[--entrypoint PROGRAM] [-h HOSTNAME] [--read-only] [--tmpfs PATH] [-m SIZE] [--cpus N] "
     "[-c SHARES] [--cpu-period US] [--cpu-quota US] [--pids-limit N] [-l LABEL] "
     "[--stop-signal SIGNAL] [--cidfile FILE] [--sig-proxy=false] [--detach-keys KEYS] "
     "[--security-opt seal=off] IMAGE [COMMAND [ARGUMENT...]]",
     "Run a command in a new container"},
    {"start", start_command, "[-a] [-i] CONTAINER...", "Start created containers"},
    {"stats", stats_command, "[-a] [--no-stream] [--no-trunc] [--format FORMAT] [CONTAINER...]",
     "Show what containers use, again and again"},
    {"stop", stop_command, "[-t SECONDS] [-s SIGNAL] CONTAINER...",
     "Ask containers to end, and kill them if they do not"},
    {"trace", trace_command, "-o FILE [SECONDS]",
     "Record what the machine does, for ui.perfetto.dev"},
    {"unpause", unpause_command, "CONTAINER...", "Let paused containers go on"},
    {"update", update_command,
     "[-m SIZE] [--cpus N] [-c SHARES] [--cpu-period US] [--cpu-quota US] [--pids-limit N] "
     "CONTAINER...",
     "Change what containers may use"},
    {"version", version_command, "[-f FORMAT]", "Show the version"},
    {"wait", wait_command, "CONTAINER...", "Wait until containers end, and print their exit codes"},
};
const size_t command_count = ARRAY_LENGTH(commands);

static int command_run(int argc, char **argv)
{
    for (size_t i = 0; i < command_count; i++) {
        if (strcmp(commands[i].name, argv[0]) == 0) {
            return commands[i].run(argc, argv);
        }
    }
    if (strcmp(argv[0], "import") == 0) {
        return import_command(argc, argv);
    }
    if (strcmp(argv[0], "--version") == 0 || strcmp(argv[0], "-v") == 0) {
        return version_command(1, argv);
    }
    if (strcmp(argv[0], "--help") == 0 || strcmp(argv[0], "-h") == 0) {
        return help_command(1, argv);
    }
    return error_line(EXIT_OAK, "no such command: %s (see oak help)", argv[0]);
}

int main(int argc, char **argv)
{
    int code = argc > 1 ? command_run(argc - 1, argv + 1) : help_command(1, argv);
    if (fflush(stdout) != 0 && errno != EPIPE) {
        return error_line(EXIT_OAK, "cannot write the output: %s", strerror(errno));
    }
    return code;
}
