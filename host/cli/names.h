/* Names and identifiers of containers. */
#pragma once

#include "host/cli/cli.h"

#define ID_DIGITS      64
#define NAME_MAX_BYTES 63

/* 64 random hexadecimal digits. */
void id_make(char out[ID_DIGITS + 1]);

/* adjective_noun; the attempts after the first add digits. */
void name_make(char out[NAME_MAX_BYTES + 1], int attempt);

bool name_valid(const char *name);
