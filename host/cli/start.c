#include "host/cli/attach.h"
#include "host/cli/containers.h"
#include "host/cli/options.h"

int start_command(int argc, char **argv)
{
    bool attach = false;
    bool interactive = false;
    const char *keys = "ctrl-p,ctrl-q";
    const struct option options[] = {
        {"attach", 'a', OPTION_FLAG, &attach},     {"interactive", 'i', OPTION_FLAG, &interactive},
        {"detach-keys", 0, OPTION_TEXT, &keys},    {"checkpoint", 0, OPTION_LATER, NULL},
        {"checkpoint-dir", 0, OPTION_LATER, NULL},
    };
    struct text_list arguments = {0};
    struct connection connection;
    if (!options_parse(OPTION_SET(options, true), argc, argv, &arguments)) {
        return EXIT_OAK;
    }
    bool attached = attach || interactive;
    if (arguments.count == 0 || (attached && arguments.count != 1)) {
        return usage_error("start", attached ? "one container with -a or -i" : "a container");
    }
    if (!attached) {
        return containers_each(CONTROL_START, &arguments);
    }
    int code = containers_connect(&connection);
    if (code != 0) {
        return code;
    }
    struct attach_wish wish = {.container = arguments.items[0],
                               .detach_keys = keys,
                               .input = interactive,
                               .start = true,
                               .proxy = true};
    code = attach_existing(&connection, &wish);
    connection_close(&connection);
    return code;
}
