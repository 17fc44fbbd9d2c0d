/*
 * The header's block is struct header; all its fields are text. A field of an entry that does not
 * fit goes into an extended header before it: a block of type 'x' and records "LENGTH KEY=VALUE\n".
 * Extended headers are read piece by piece, so that their size costs no memory.
 */
#include "linux/core/tar.h"

#include "lib/base/format.h"
#include "lib/base/string.h"
#include "linux/core/errno.h"

#define NS_PER_S     1000000000ll
#define DATA_MAX     (1ull << 60) /* of data: far from every overflow */
#define SECONDS_MAX  (INT64_MAX / NS_PER_S - 1)
#define OCTAL_7_MAX  07777777u
#define OCTAL_11_MAX 077777777777ull
#define KEY_BYTES    32
#define NUMBER_BYTES 32

struct header {
    char name[100];
    char mode[8];
    char uid[8];
    char gid[8];
    char size[12];
    char modify[12];
    char checksum[8];
    char type;
    char target[100];
    char magic[8]; /* "ustar", NUL, "00"; GNU: "ustar  " */
    char user[32];
    char group[32];
    char device_major[8];
    char device_minor[8];
    char prefix[155];
    char unused[12];
};
_Static_assert(sizeof(struct header) == TAR_BLOCK_BYTES, "the format");

/* Sum of a header's bytes, its checksum field taken as spaces. */
static uint32_t header_sum(const uint8_t *block)
{
    uint32_t sum = 0;
    for (uint32_t i = 0; i < TAR_BLOCK_BYTES; i++) {
        bool own = i >= offsetof(struct header, checksum) && i < offsetof(struct header, type);
        sum += own ? ' ' : block[i];
    }
    return sum;
}

static uint32_t padding_of(uint64_t size_bytes)
{
    return (uint32_t)(-size_bytes & (TAR_BLOCK_BYTES - 1));
}

/* --- reading --------------------------------------------------------------------------------- */

enum extended_field {
    EXTENDED_NAME = 1,
    EXTENDED_TARGET = 2,
    EXTENDED_UID = 4,
    EXTENDED_GID = 8,
    EXTENDED_SIZE = 16,
    EXTENDED_MODIFY = 32,
};

static long damaged(struct tar_reader *reader, const char *problem)
{
    reader->problem = problem;
    return -EINVAL;
}

/* All of it, or less at the end of the stream: how many. */
static long take_all(struct tar_reader *reader, void *to, uint32_t length_bytes)
{
    uint32_t taken = 0;
    while (taken < length_bytes) {
        long result = reader->take(reader->context, (uint8_t *)to + taken, length_bytes - taken);
        if (result < 0) {
            return result;
        }
        if (result == 0) {
            break;
        }
        taken += (uint32_t)result;
    }
    return taken;
}

static long take_exactly(struct tar_reader *reader, void *to, uint32_t length_bytes)
{
    long result = take_all(reader, to, length_bytes);
    return result < 0                        ? result
           : (uint32_t)result < length_bytes ? damaged(reader, "the archive ends early")
                                             : 0;
}

long tar_read(struct tar_reader *reader, void *to, uint32_t length_bytes)
{
    uint32_t part = (uint32_t)MIN(reader->left_bytes, (uint64_t)length_bytes);
    long result = part == 0 ? 0 : take_exactly(reader, to, part);
    if (result == 0) {
        reader->left_bytes -= part;
    }
    return result == 0 ? (long)part : result;
}

/* The rest of the data and what fills their last block. */
static long data_skip(struct tar_reader *reader)
{
    long result;
    do {
        result = tar_read(reader, reader->piece, TAR_BLOCK_BYTES);
    } while (result > 0);
    if (result == 0) {
        result = take_exactly(reader, reader->piece, reader->padding_bytes);
        reader->padding_bytes = 0;
    }
    reader->piece_used = reader->piece_bytes = 0;
    return result;
}

/* A field of octal digits, or GNU's number in base 256. False: it is neither, or too large. */
static bool number_field(const char *field, uint32_t width, uint64_t *out)
{
    const uint8_t *bytes = (const uint8_t *)field;
    uint64_t value = 0;
    uint32_t i = 0;
    if (bytes[0] & 0x80) {
        if (bytes[0] != 0x80) {
            return false;
        }
        for (i = 1; i < width; i++) {
            if (value >> 55 != 0) {
                return false;
            }
            value = value << 8 | bytes[i];
        }
        *out = value;
        return true;
    }
    while (i < width && field[i] == ' ') {
        i++;
    }
    while (i < width && field[i] >= '0' && field[i] <= '7') {
        value = value << 3 | (uint64_t)(field[i++] - '0');
    }
    if (i < width && field[i] != '\0' && field[i] != ' ') {
        return false;
    }
    *out = value;
    return true;
}

/* Decimal digits up to the end of the text or to a point; false: something else. */
static bool decimal(const char *text, uint64_t limit, uint64_t *out, const char **end)
{
    uint64_t value = 0;
    const char *at = text;
    while (*at >= '0' && *at <= '9') {
        value = value * 10 + (uint64_t)(*at++ - '0');
        if (value > limit) {
            return false;
        }
    }
    *out = value;
    *end = at;
    return at > text && (*at == '\0' || *at == '.');
}

static int64_t seconds_ns(uint64_t seconds)
{
    return (int64_t)MIN(seconds, (uint64_t)SECONDS_MAX) * NS_PER_S;
}

/* "[-]SECONDS[.FRACTION]". */
static bool time_text(const char *text, int64_t *out_ns)
{
    bool negative = text[0] == '-';
    uint64_t seconds;
    const char *end;
    if (!decimal(text + negative, (uint64_t)SECONDS_MAX, &seconds, &end)) {
        return false;
    }
    int64_t ns = seconds_ns(seconds);
    int64_t unit = NS_PER_S / 10;
    for (end += *end == '.'; *end >= '0' && *end <= '9'; end++) {
        ns += (*end - '0') * unit;
        unit /= 10;
    }
    *out_ns = negative ? -ns : ns;
    return *end == '\0';
}

/* The next byte of an extended header, of which `left_bytes` are still in the stream. */
static long extended_byte(struct tar_reader *reader, char *out)
{
    if (reader->piece_used == reader->piece_bytes) {
        long result = tar_read(reader, reader->piece, TAR_BLOCK_BYTES);
        if (result <= 0) {
            return result < 0 ? result : damaged(reader, "an extended header is damaged");
        }
        reader->piece_used = 0;
        reader->piece_bytes = (uint32_t)result;
    }
    *out = (char)reader->piece[reader->piece_used++];
    return 0;
}

static bool extended_over(const struct tar_reader *reader)
{
    return reader->left_bytes == 0 && reader->piece_used == reader->piece_bytes;
}

static long extended_skip(struct tar_reader *reader, uint64_t length_bytes)
{
    long result = 0;
    char byte;
    while (result == 0 && length_bytes-- > 0) {
        result = extended_byte(reader, &byte);
    }
    return result;
}

static long extended_text(struct tar_reader *reader, uint64_t length_bytes, char *to,
                          uint32_t capacity_bytes)
{
    if (length_bytes >= capacity_bytes) {
        return damaged(reader, "a field of an extended header is too long");
    }
    for (uint64_t i = 0; i < length_bytes; i++) {
        long result = extended_byte(reader, &to[i]);
        if (result != 0) {
            return result;
        }
        if (to[i] == '\0') {
            return damaged(reader, "an extended header is damaged");
        }
    }
    to[length_bytes] = '\0';
    return 0;
}

static bool number_apply(struct tar_reader *reader, uint32_t field, const char *text)
{
    uint64_t number;
    const char *end;
    if (field == EXTENDED_MODIFY) {
        return time_text(text, &reader->modify_ns);
    }
    uint64_t limit = field == EXTENDED_SIZE ? DATA_MAX : UINT32_MAX;
    if (!decimal(text, limit, &number, &end) || *end != '\0') {
        return false;
    }
    if (field == EXTENDED_SIZE) {
        reader->size_bytes = number;
    } else {
        *(field == EXTENDED_UID ? &reader->uid : &reader->gid) = (uint32_t)number;
    }
    return true;
}

static long value_read(struct tar_reader *reader, const char *key, uint64_t length_bytes)
{
    static const struct {
        const char *key;
        uint32_t field;
    } known[] = {
        {"path", EXTENDED_NAME}, {"linkpath", EXTENDED_TARGET}, {"uid", EXTENDED_UID},
        {"gid", EXTENDED_GID},   {"size", EXTENDED_SIZE},       {"mtime", EXTENDED_MODIFY},
    };
    char number[NUMBER_BYTES];
    uint32_t field = 0;
    if (strncmp(key, "GNU.sparse.", 11) == 0) {
        return damaged(reader, "sparse files in an archive are not supported");
    }
    for (uint32_t i = 0; i < ARRAY_LENGTH(known); i++) {
        field = strcmp(key, known[i].key) == 0 ? known[i].field : field;
    }
    if (field == 0) {
        return extended_skip(reader, length_bytes);
    }
    reader->extended |= field;
    if (field == EXTENDED_NAME) {
        return extended_text(reader, length_bytes, reader->name, sizeof(reader->name));
    }
    if (field == EXTENDED_TARGET) {
        return extended_text(reader, length_bytes, reader->target, sizeof(reader->target));
    }
    long result = extended_text(reader, length_bytes, number, sizeof(number));
    if (result == 0 && !number_apply(reader, field, number)) {
        result = damaged(reader, "a number of an extended header is damaged");
    }
    return result;
}

/* "LENGTH ", which counts the whole record: how many bytes follow. */
static long record_length(struct tar_reader *reader, uint64_t *out)
{
    uint64_t length = 0;
    uint32_t digits = 0;
    for (;;) {
        char byte;
        long result = extended_byte(reader, &byte);
        if (result != 0) {
            return result;
        }
        if (byte == ' ' && length > digits + 1) {
            *out = length - digits - 1;
            return 0;
        }
        if (byte < '0' || byte > '9' || digits == 10) {
            return damaged(reader, "an extended header is damaged");
        }
        length = length * 10 + (uint64_t)(byte - '0');
        digits++;
    }
}

static long record_read(struct tar_reader *reader)
{
    char key[KEY_BYTES] = {0};
    uint64_t left;
    uint32_t used = 0;
    char byte = '\0';
    long result = record_length(reader, &left);
    while (result == 0 && byte != '=') {
        if (left-- <= 1) {
            return damaged(reader, "an extended header is damaged");
        }
        result = extended_byte(reader, &byte);
        if (byte != '=' && used < KEY_BYTES - 1) {
            key[used++] = byte;
        }
    }
    if (result == 0 && left == 0) {
        return damaged(reader, "an extended header is damaged");
    }
    if (result == 0) {
        result = value_read(reader, key, left - 1);
    }
    if (result == 0) {
        result = extended_byte(reader, &byte);
    }
    return result != 0    ? result
           : byte == '\n' ? 0
                          : damaged(reader, "an extended header is damaged");
}

static long extended_read(struct tar_reader *reader)
{
    long result = 0;
    while (result == 0 && !extended_over(reader)) {
        result = record_read(reader);
    }
    return result;
}

/* GNU's long name or long target: the data are the text, with a NUL or without. */
static long long_text_read(struct tar_reader *reader, char *to, uint32_t field)
{
    if (reader->left_bytes > TAR_NAME_BYTES) {
        return damaged(reader, "a name is too long");
    }
    memset(to, 0, TAR_NAME_BYTES);
    long result = tar_read(reader, to, TAR_NAME_BYTES);
    if (result < 0) {
        return result;
    }
    reader->extended |= field;
    return to[TAR_NAME_BYTES - 1] == '\0' ? 0 : damaged(reader, "a name is too long");
}

static bool block_is_zero(const uint8_t *block)
{
    for (uint32_t i = 0; i < TAR_BLOCK_BYTES; i++) {
        if (block[i] != 0) {
            return false;
        }
    }
    return true;
}

/* A header into `block`. 1; 0: the end. */
static long header_read(struct tar_reader *reader)
{
    uint64_t checksum;
    long result = take_exactly(reader, reader->block, TAR_BLOCK_BYTES);
    if (result != 0) {
        return result;
    }
    if (block_is_zero(reader->block)) {
        return 0;
    }
    const struct header *header = (const void *)reader->block;
    if (!number_field(header->checksum, sizeof(header->checksum), &checksum) ||
        checksum != header_sum(reader->block)) {
        return damaged(reader, "this is no tar archive, or it is damaged");
    }
    uint64_t size;
    if (!number_field(header->size, sizeof(header->size), &size) || size > DATA_MAX) {
        return damaged(reader, "a size in the archive is damaged");
    }
    reader->left_bytes = size;
    reader->padding_bytes = padding_of(size);
    return 1;
}

static void name_from_header(struct tar_reader *reader, const struct header *header)
{
    bool ustar = memcmp(header->magic, "ustar\0", 6) == 0;
    uint32_t prefix = ustar ? (uint32_t)strnlen(header->prefix, sizeof(header->prefix)) : 0;
    uint32_t length = (uint32_t)strnlen(header->name, sizeof(header->name));
    memcpy(reader->name, header->prefix, prefix);
    if (prefix > 0) {
        reader->name[prefix++] = '/';
    }
    memcpy(reader->name + prefix, header->name, length);
    reader->name[prefix + length] = '\0';
}

static enum tar_kind kind_of(char type, const char *name)
{
    size_t length = strlen(name);
    switch (type) {
    case '\0':
    case '0':
    case '7':
        /* Before there was a type for them, directories were told by their slash. */
        return type == '\0' && length > 0 && name[length - 1] == '/' ? TAR_DIRECTORY : TAR_FILE;
    case '1':
        return TAR_HARD_LINK;
    case '2':
        return TAR_SYMBOLIC_LINK;
    case '5':
        return TAR_DIRECTORY;
    default:
        return TAR_OTHER;
    }
}

/* What extended headers did not say. */
static long fields_from_header(struct tar_reader *reader, const struct header *header,
                               struct tar_entry *out)
{
    uint64_t mode;
    uint64_t uid;
    uint64_t gid;
    uint64_t modify;
    if (!number_field(header->mode, sizeof(header->mode), &mode) ||
        !number_field(header->uid, sizeof(header->uid), &uid) ||
        !number_field(header->gid, sizeof(header->gid), &gid) || uid > UINT32_MAX ||
        gid > UINT32_MAX) {
        return damaged(reader, "a number in the archive is damaged");
    }
    if (!number_field(header->modify, sizeof(header->modify), &modify)) {
        modify = 0; /* before 1970 */
    }
    out->mode = (uint32_t)mode & 07777;
    out->uid = reader->extended & EXTENDED_UID ? reader->uid : (uint32_t)uid;
    out->gid = reader->extended & EXTENDED_GID ? reader->gid : (uint32_t)gid;
    out->modify_ns = reader->extended & EXTENDED_MODIFY ? reader->modify_ns : seconds_ns(modify);
    return 0;
}

static long entry_make(struct tar_reader *reader, struct tar_entry *out)
{
    const struct header *header = (const void *)reader->block;
    if (!(reader->extended & EXTENDED_NAME)) {
        name_from_header(reader, header);
    }
    if (!(reader->extended & EXTENDED_TARGET)) {
        uint32_t length = (uint32_t)strnlen(header->target, sizeof(header->target));
        memcpy(reader->target, header->target, length);
        reader->target[length] = '\0';
    }
    long result = fields_from_header(reader, header, out);
    if (result != 0) {
        return result;
    }
    if (header->type == 'S') {
        return damaged(reader, "sparse files in an archive are not supported");
    }
    out->kind = kind_of(header->type, reader->name);
    out->name = reader->name;
    out->target = reader->target;
    if (reader->extended & EXTENDED_SIZE) {
        reader->left_bytes = reader->size_bytes;
    }
    if (out->kind == TAR_HARD_LINK) {
        reader->left_bytes = 0; /* the size is that of the file it is a name of */
    }
    reader->padding_bytes = padding_of(reader->left_bytes);
    out->size_bytes = out->kind == TAR_FILE ? reader->left_bytes : 0;
    return 1;
}

/* The current header is one before an entry's: take what it says. 1: it is the entry's own. */
static long header_use(struct tar_reader *reader)
{
    const struct header *header = (const void *)reader->block;
    switch (header->type) {
    case 'x':
        return extended_read(reader);
    case 'g':
        return 0;
    case 'L':
        return long_text_read(reader, reader->name, EXTENDED_NAME);
    case 'K':
        return long_text_read(reader, reader->target, EXTENDED_TARGET);
    default:
        return 1;
    }
}

long tar_next(struct tar_reader *reader, struct tar_entry *out)
{
    long result = 0;
    reader->extended = 0;
    while (result == 0) {
        result = data_skip(reader);
        if (result == 0) {
            result = header_read(reader);
            if (result <= 0) {
                return result;
            }
            result = header_use(reader);
        }
    }
    return result < 0 ? result : entry_make(reader, out);
}

/* --- writing --------------------------------------------------------------------------------- */

/* A record of an extended header. */
struct record {
    const char *key;
    const char *value;
    char number[NUMBER_BYTES]; /* the value's place, when it is a number */
};

#define RECORDS_MAX 8

struct extension {
    uint32_t count;
    struct record record[RECORDS_MAX];
};

static void number_put(char *field, uint32_t width, uint64_t value)
{
    for (uint32_t i = width - 1; i-- > 0; value >>= 3) {
        field[i] = (char)('0' + (value & 7));
    }
    field[width - 1] = '\0';
}

static struct record *extension_add(struct extension *extension, const char *key)
{
    struct record *record = &extension->record[extension->count++];
    record->key = key;
    record->value = record->number;
    return record;
}

static void extension_number(struct extension *extension, const char *key, uint64_t value)
{
    struct record *record = extension_add(extension, key);
    format_text(record->number, sizeof(record->number), "%lu", (unsigned long)value);
}

/* With the digits of the length itself. */
static uint32_t record_size(const struct record *record)
{
    uint32_t bare = (uint32_t)(strlen(record->key) + strlen(record->value) + 3);
    uint32_t digits = 1;
    for (uint32_t limit = 10; bare + digits >= limit; limit *= 10) {
        digits++;
    }
    return bare + digits;
}

static long give_padded(struct tar_writer *writer, uint32_t padding_bytes)
{
    memset(writer->block, 0, padding_bytes);
    return padding_bytes == 0 ? 0 : writer->give(writer->context, writer->block, padding_bytes);
}

static long header_give(struct tar_writer *writer)
{
    struct header *header = (void *)writer->block;
    memcpy(header->magic,
           "ustar\0"
           "00",
           sizeof(header->magic));
    number_put(header->device_major, sizeof(header->device_major), 0);
    number_put(header->device_minor, sizeof(header->device_minor), 0);
    number_put(header->checksum, sizeof(header->checksum) - 1, header_sum(writer->block));
    header->checksum[7] = ' ';
    return writer->give(writer->context, writer->block, TAR_BLOCK_BYTES);
}

static long extension_give(struct tar_writer *writer, const struct extension *extension)
{
    struct header *header = (void *)writer->block;
    uint32_t size = 0;
    for (uint32_t i = 0; i < extension->count; i++) {
        size += record_size(&extension->record[i]);
    }
    memset(writer->block, 0, TAR_BLOCK_BYTES);
    memcpy(header->name, "PaxHeader", 10);
    number_put(header->mode, sizeof(header->mode), 0644);
    number_put(header->uid, sizeof(header->uid), 0);
    number_put(header->gid, sizeof(header->gid), 0);
    number_put(header->size, sizeof(header->size), size);
    number_put(header->modify, sizeof(header->modify), 0);
    header->type = 'x';
    long result = header_give(writer);
    for (uint32_t i = 0; result == 0 && i < extension->count; i++) {
        const struct record *record = &extension->record[i];
        char text[NUMBER_BYTES + KEY_BYTES];
        size_t length = format_text(text, sizeof(text), "%u %s=", record_size(record), record->key);
        result = writer->give(writer->context, text, (uint32_t)length);
        if (result == 0 && record->value[0] != '\0') {
            result = writer->give(writer->context, record->value, (uint32_t)strlen(record->value));
        }
        if (result == 0) {
            result = writer->give(writer->context, "\n", 1);
        }
    }
    return result == 0 ? give_padded(writer, padding_of(size)) : result;
}

/* Into name and prefix, at a slash; false: it does not fit, and is cut. */
static bool name_split(struct header *header, const char *name)
{
    size_t length = strlen(name);
    if (length <= sizeof(header->name)) {
        memcpy(header->name, name, length);
        return true;
    }
    for (size_t i = MIN(length - 1, sizeof(header->prefix) + 1); i-- > 1;) {
        if (name[i] == '/' && length - i - 1 <= sizeof(header->name)) {
            memcpy(header->prefix, name, i);
            memcpy(header->name, name + i + 1, length - i - 1);
            return true;
        }
    }
    memcpy(header->name, name, sizeof(header->name));
    return false;
}

static bool is_ascii(const char *text)
{
    while (*text > 0) {
        text++;
    }
    return *text == '\0';
}

/* Names and targets are bytes, whatever the reader's character set. */
static void extension_text(struct extension *extension, const char *key, const char *text)
{
    bool told = extension->count > 0 && strcmp(extension->record[0].key, "hdrcharset") == 0;
    if (!is_ascii(text) && !told) {
        extension_add(extension, "hdrcharset")->value = "BINARY";
    }
    extension_add(extension, key)->value = text;
}

static void number_or_extension(struct extension *extension, const char *key, char *field,
                                uint32_t width, uint64_t value, uint64_t limit)
{
    number_put(field, width, value <= limit ? value : 0);
    if (value > limit) {
        extension_number(extension, key, value);
    }
}

static char type_of(enum tar_kind kind)
{
    switch (kind) {
    case TAR_FILE:
        return '0';
    case TAR_DIRECTORY:
        return '5';
    case TAR_SYMBOLIC_LINK:
        return '2';
    case TAR_HARD_LINK:
        return '1';
    case TAR_OTHER:
        break;
    }
    return '6';
}

/* The header into `block`, what does not fit into the extension. */
static void header_make(struct tar_writer *writer, const struct tar_entry *entry, uint64_t size,
                        struct extension *extension)
{
    struct header *header = (void *)writer->block;
    int64_t seconds = entry->modify_ns / NS_PER_S;
    memset(writer->block, 0, TAR_BLOCK_BYTES);
    if (!name_split(header, entry->name)) {
        extension_text(extension, "path", entry->name);
    }
    if (entry->target != NULL) {
        size_t length = strlen(entry->target);
        memcpy(header->target, entry->target, MIN(length, sizeof(header->target)));
        if (length > sizeof(header->target)) {
            extension_text(extension, "linkpath", entry->target);
        }
    }
    number_put(header->mode, sizeof(header->mode), entry->mode & 07777);
    number_or_extension(extension, "uid", header->uid, sizeof(header->uid), entry->uid,
                        OCTAL_7_MAX);
    number_or_extension(extension, "gid", header->gid, sizeof(header->gid), entry->gid,
                        OCTAL_7_MAX);
    number_or_extension(extension, "size", header->size, sizeof(header->size), size, OCTAL_11_MAX);
    number_or_extension(extension, "mtime", header->modify, sizeof(header->modify),
                        (uint64_t)MAX(seconds, (int64_t)0), OCTAL_11_MAX);
    header->type = type_of(entry->kind);
}

long tar_put(struct tar_writer *writer, const struct tar_entry *entry)
{
    struct extension extension = {0};
    uint64_t size = entry->kind == TAR_FILE ? entry->size_bytes : 0;
    if (strlen(entry->name) >= TAR_NAME_BYTES ||
        (entry->target != NULL && strlen(entry->target) >= TAR_NAME_BYTES)) {
        return -ENAMETOOLONG;
    }
    header_make(writer, entry, size, &extension);
    if (extension.count > 0) {
        long result = extension_give(writer, &extension);
        if (result != 0) {
            return result;
        }
        extension.count = 0;
        header_make(writer, entry, size, &extension); /* the block was used */
    }
    writer->left_bytes = size;
    writer->padding_bytes = padding_of(size);
    return header_give(writer);
}

long tar_write(struct tar_writer *writer, const void *bytes, uint32_t length_bytes)
{
    if (length_bytes > writer->left_bytes) {
        return -EINVAL;
    }
    long result = writer->give(writer->context, bytes, length_bytes);
    if (result == 0) {
        writer->left_bytes -= length_bytes;
    }
    if (result == 0 && writer->left_bytes == 0) {
        result = give_padded(writer, writer->padding_bytes);
        writer->padding_bytes = 0;
    }
    return result;
}

long tar_finish(struct tar_writer *writer)
{
    long result = give_padded(writer, TAR_BLOCK_BYTES);
    return result == 0 ? give_padded(writer, TAR_BLOCK_BYTES) : result;
}
