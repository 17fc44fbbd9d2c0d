/* Proves SHA-256 against the vectors of FIPS 180-4 and against itself for every way to cut input.
 */
#include <string.h>

#include "lib/base/sha256.h"
#include "lib/base/test/check.h"

static void check_digest(const void *bytes, size_t length_bytes, const char *expected)
{
    uint8_t digest[SHA256_BYTES];
    char text[2 * SHA256_BYTES + 1];
    sha256_of(bytes, length_bytes, digest);
    for (int i = 0; i < SHA256_BYTES; i++) {
        snprintf(text + 2 * i, 3, "%02x", digest[i]);
    }
    CHECK(strcmp(text, expected) == 0);
}

static void test_vectors(void)
{
    check_digest("", 0, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    check_digest("abc", 3, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    const char *two = "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq";
    check_digest(two, 56, "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
    static char million[1000000];
    memset(million, 'a', sizeof(million));
    check_digest(million, sizeof(million),
                 "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

static void test_pieces(void)
{
    uint8_t bytes[300];
    uint8_t whole[SHA256_BYTES];
    uint8_t parts[SHA256_BYTES];
    for (size_t i = 0; i < sizeof(bytes); i++) {
        bytes[i] = (uint8_t)(i * 7);
    }
    for (size_t length = 0; length <= sizeof(bytes); length++) {
        sha256_of(bytes, length, whole);
        for (size_t cut = 0; cut <= length; cut += 13) {
            struct sha256 hash;
            sha256_init(&hash);
            sha256_update(&hash, bytes, cut);
            sha256_update(&hash, bytes + cut, length - cut);
            sha256_final(&hash, parts);
            CHECK(memcmp(whole, parts, sizeof(whole)) == 0);
        }
    }
}

int main(void)
{
    test_vectors();
    test_pieces();
    return 0;
}
