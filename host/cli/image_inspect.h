/* A loaded image as docker's inspect shows it; NULL when there is none of that name. */
#pragma once

#include "host/cli/cli.h"

#include <jansson.h>

json_t *image_inspect_json(const char *reference);
