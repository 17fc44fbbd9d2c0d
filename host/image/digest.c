#include "host/image/digest.h"

#include "host/cli/cli.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct hasher {
    EVP_MD *kind;
    EVP_MD_CTX *context;
};

/* libcrypto fails here only without memory or without SHA-256: either ends the command. */
static void require(int result)
{
    if (result != 1) {
        exit(error_line(EXIT_OAK, "libcrypto cannot compute SHA-256"));
    }
}

struct hasher *hasher_new(void)
{
    struct hasher *hasher = allocate(sizeof(*hasher));
    hasher->kind = EVP_MD_fetch(NULL, "SHA256", NULL);
    hasher->context = EVP_MD_CTX_new();
    require(hasher->kind != NULL && hasher->context != NULL);
    require(EVP_DigestInit_ex2(hasher->context, hasher->kind, NULL));
    return hasher;
}

void hasher_free(struct hasher *hasher)
{
    if (hasher != NULL) {
        EVP_MD_CTX_free(hasher->context);
        EVP_MD_free(hasher->kind);
        free(hasher);
    }
}

void hasher_update(struct hasher *hasher, const void *bytes, size_t length_bytes)
{
    require(EVP_DigestUpdate(hasher->context, bytes, length_bytes));
}

void hasher_final(struct hasher *hasher, struct digest *out)
{
    unsigned length_bytes = 0;
    require(EVP_DigestFinal_ex(hasher->context, out->bytes, &length_bytes));
    require(EVP_DigestInit_ex2(hasher->context, NULL, NULL));
}

void digest_of(const void *bytes, size_t length_bytes, struct digest *out)
{
    struct hasher *hasher = hasher_new();
    hasher_update(hasher, bytes, length_bytes);
    hasher_final(hasher, out);
    hasher_free(hasher);
}

bool digest_equal(const struct digest *a, const struct digest *b)
{
    return memcmp(a->bytes, b->bytes, DIGEST_BYTES) == 0;
}

static int digit_value(char digit)
{
    if (digit >= '0' && digit <= '9') {
        return digit - '0';
    }
    return digit >= 'a' && digit <= 'f' ? digit - 'a' + 10 : -1;
}

bool digest_parse_hexadecimal(const char *text, struct digest *out)
{
    struct digest digest;
    for (size_t i = 0; i < DIGEST_BYTES; i++) {
        int high = digit_value(text[2 * i]);
        int low = high < 0 ? -1 : digit_value(text[2 * i + 1]);
        if (low < 0) {
            return false;
        }
        digest.bytes[i] = (uint8_t)(high * 16 + low);
    }
    *out = digest;
    return true;
}

bool digest_parse(const char *text, struct digest *out)
{
    size_t prefix = strlen(DIGEST_PREFIX_TEXT);
    struct digest digest;
    if (strncmp(text, DIGEST_PREFIX_TEXT, prefix) != 0 ||
        !digest_parse_hexadecimal(text + prefix, &digest) ||
        text[prefix + 2 * (size_t)DIGEST_BYTES] != '\0') {
        return false;
    }
    *out = digest;
    return true;
}

void digest_text(const struct digest *digest, char out[DIGEST_TEXT_BYTES])
{
    int used = snprintf(out, DIGEST_TEXT_BYTES, DIGEST_PREFIX_TEXT);
    for (size_t i = 0; i < DIGEST_BYTES; i++) {
        snprintf(out + used + 2 * i, 3, "%02x", digest->bytes[i]);
    }
}
