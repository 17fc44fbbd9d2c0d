#include "host/cli/names.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

static const char *const adjectives[] = {
    "amber",  "ancient", "autumn",  "bold",   "brave",  "bright", "calm",   "clever",
    "cosy",   "crisp",   "deep",    "eager",  "early",  "fair",   "fresh",  "gentle",
    "golden", "green",   "happy",   "hardy",  "hollow", "honest", "keen",   "kind",
    "light",  "lively",  "lucky",   "mellow", "merry",  "mighty", "misty",  "modest",
    "mossy",  "noble",   "patient", "plain",  "proud",  "quick",  "quiet",  "rugged",
    "rustic", "sharp",   "shy",     "silent", "silver", "simple", "sleepy", "slender",
    "snowy",  "solid",   "spry",    "steady", "still",  "stout",  "sturdy", "sunny",
    "swift",  "tall",    "tender",  "tidy",   "vivid",  "warm",   "wild",   "wise",
};

static const char *const nouns[] = {
    "acorn",   "alder",   "ash",     "aspen",    "badger", "bark",     "beech",    "birch",
    "blossom", "bough",   "bramble", "branch",   "brook",  "burrow",   "cedar",    "clearing",
    "clover",  "cone",    "crown",   "cypress",  "deer",   "dew",      "elder",    "elm",
    "fern",    "finch",   "fir",     "fox",      "glade",  "grove",    "hawthorn", "hazel",
    "heath",   "hedge",   "heron",   "hollow",   "holly",  "hornbeam", "ivy",      "jay",
    "juniper", "larch",   "leaf",    "lichen",   "linden", "maple",    "meadow",   "moss",
    "nest",    "oak",     "otter",   "owl",      "pine",   "poplar",   "ridge",    "root",
    "rowan",   "sapling", "spruce",  "squirrel", "stream", "thicket",  "willow",   "wren",
};

static void random_fill(void *out, size_t length_bytes)
{
    if (getrandom(out, length_bytes, 0) != (ssize_t)length_bytes) {
        exit(error_line(EXIT_OAK, "the system gives no random numbers"));
    }
}

void id_make(char out[ID_DIGITS + 1])
{
    static const char digits[] = "0123456789abcdef";
    uint8_t bytes[ID_DIGITS / 2];
    random_fill(bytes, sizeof(bytes));
    for (size_t i = 0; i < sizeof(bytes); i++) {
        out[2 * i] = digits[bytes[i] >> 4];
        out[2 * i + 1] = digits[bytes[i] & 15];
    }
    out[ID_DIGITS] = '\0';
}

void name_make(char out[NAME_MAX_BYTES + 1], int attempt)
{
    uint32_t numbers[3];
    random_fill(numbers, sizeof(numbers));
    const char *adjective = adjectives[numbers[0] % ARRAY_LENGTH(adjectives)];
    const char *noun = nouns[numbers[1] % ARRAY_LENGTH(nouns)];
    if (attempt == 0) {
        snprintf(out, NAME_MAX_BYTES + 1, "%s_%s", adjective, noun);
    } else {
        snprintf(out, NAME_MAX_BYTES + 1, "%s_%s%u", adjective, noun, numbers[2] % 1000000);
    }
}

bool name_valid(const char *name)
{
    size_t length = strlen(name);
    if (length == 0 || length > NAME_MAX_BYTES || !isalnum((unsigned char)name[0])) {
        return false;
    }
    for (const char *c = name; *c != '\0'; c++) {
        if (!isalnum((unsigned char)*c) && strchr("_.-", *c) == NULL) {
            return false;
        }
    }
    return true;
}
