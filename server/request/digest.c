/* SPDX-License-Identifier: Apache-2.0 */
/* SHA-1 by OpenSSL. */
#include "server/request/digest.h"

#include <openssl/evp.h>
#include <stdio.h>

enum status
digest_sha1(const struct bytes *bytes, char text_out[DIGEST_TEXT])
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned size = 0;

    if (EVP_Digest(bytes->at, bytes->size, digest, &size, EVP_sha1(), NULL) !=
        1)
        return STATUS_NO_SPACE;
    for (unsigned i = 0; i < DIGEST_TEXT / 2; i++)
        snprintf(text_out + 2 * i, 3, "%02x", digest[i]);
    return STATUS_OK;
}
