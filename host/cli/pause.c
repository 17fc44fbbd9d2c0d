#include "host/cli/containers.h"
#include "host/cli/options.h"

static int each_command(int argc, char **argv, enum control_request request)
{
    struct text_list arguments = {0};
    const struct option_set none = {.interspersed = true};
    if (!options_parse(&none, argc, argv, &arguments)) {
        return EXIT_OAK;
    }
    return arguments.count > 0 ? containers_each(request, &arguments)
                               : usage_error(argv[0], "a container");
}

int pause_command(int argc, char **argv)
{
    return each_command(argc, argv, CONTROL_PAUSE);
}

int unpause_command(int argc, char **argv)
{
    return each_command(argc, argv, CONTROL_UNPAUSE);
}
