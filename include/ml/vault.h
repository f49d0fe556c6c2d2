/* SPDX-License-Identifier: UNLICENSED */
#ifndef ML_VAULT_H
#define ML_VAULT_H

/*
 * vault: seals secrets with AES-256-GCM under a key id; tenant and field are
 * the associated data, so a sealed value moved to another row does not open.
 * The nonce is random. Sealed form (text): v1.<keyid>.<base64 nonce|text|tag>.
 */
#include "ml/base.h"

struct vault;

/* `lines`: `keyid:base64 of 32 bytes`, blank lines and # comments allowed; the
 * first encrypts, all decrypt. keyid is [A-Za-z0-9_-]{1,32}. ERR_CONFIG says
 * which line is wrong and why, never printing key material. Borrowed. */
MUST_USE enum err vault_new(const struct secret *lines, struct vault **out,
                            struct fault *f);
void vault_free(struct vault *v);                /* wipes */
const char *vault_key_id(const struct vault *v); /* the one that encrypts */

/* Gives sealed text to free. */
MUST_USE enum err vault_seal(const struct vault *v, const char *tenant,
                             const char *field, const struct secret *plain,
                             char **sealed);
/* ERR_KEY_UNKNOWN names the key id; ERR_KEY_WRONG when it does not open. */
MUST_USE enum err vault_unseal(const struct vault *v, const char *tenant,
                               const char *field, const char *sealed,
                               struct secret **plain, struct fault *f);
/* Whether it is sealed with another key than the first. */
bool vault_is_stale(const struct vault *v, const char *sealed);

#endif
