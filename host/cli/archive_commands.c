/* The commands that oak-archive has, as oak has them. */
#include "host/cli/helper.h"

int cp_command(int argc, char **argv)
{
    return helper_become(argc, argv);
}

int load_command(int argc, char **argv)
{
    return helper_become(argc, argv);
}

int pull_command(int argc, char **argv)
{
    return helper_become(argc, argv);
}

int import_command(int argc, char **argv)
{
    return helper_become(argc, argv);
}
