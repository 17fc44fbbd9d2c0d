#include "host/cli/options.h"

#include <stdio.h>

int help_command(int argc, char **argv)
{
    if (argc > 1) {
        usage_print(argv[1]);
        return 0;
    }
    printf("Usage: oak COMMAND\n\nContainers on a capability microkernel.\n\nCommands:\n");
    for (size_t i = 0; i < command_count; i++) {
        printf("  %-10s %s\n", commands[i].name, commands[i].summary);
    }
    printf("\noak help COMMAND says more. docs/cli.md has flags, exit codes and files.\n");
    return 0;
}
