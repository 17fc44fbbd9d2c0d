#pragma once

#include "host/cli/cli.h"

int machine_statistics_command(int argc, char **argv);
