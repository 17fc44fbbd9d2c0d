#include "host/cli/format.h"
#include "host/cli/options.h"

#include "abi/control.h"

#include <stdio.h>

#ifndef OAK_VERSION
#define OAK_VERSION "0.1"
#endif

int version_command(int argc, char **argv)
{
    const char *format = NULL;
    const struct option options[] = {{"format", 'f', OPTION_TEXT, &format}};
    struct text_list arguments = {0};
    if (!options_parse(OPTION_SET(options, true), argc, argv, &arguments) ||
        (format != NULL && !format_check("version", format))) {
        return EXIT_OAK;
    }
    json_t *about = json_pack("{s:{s:s,s:i,s:s,s:s}}", "Client", "Version", OAK_VERSION,
                              "ControlVersion", CONTROL_VERSION, "Os", "linux", "Arch", "amd64");
    if (format != NULL) {
        format_print(format, about);
    } else {
        printf("Oak version " OAK_VERSION ", control channel %d\n", CONTROL_VERSION);
    }
    json_decref(about);
    return 0;
}
