/* SPDX-License-Identifier: UNLICENSED */
/*
 * The sandbox's own certificates, made new at every start with OpenSSL: a CA
 * and one server certificate for 127.0.0.1, ::1 and localhost.
 *
 * For tests of verification the server certificate can be wrong in one way:
 * expired, made out to another host, or signed by a CA that is not the one in
 * ca.pem. Keys are P-256; nothing outlives the directory they stand in.
 */
#include "sandbox.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

enum { DAY = 86400 };

struct issued {
    EVP_PKEY *key;
    X509 *cert;
};

static void
issued_fini(struct issued *i)
{
    EVP_PKEY_free(i->key);
    X509_free(i->cert);
}

static bool
add_ext(X509 *cert, X509 *issuer, int nid, const char *value)
{
    X509V3_CTX ctx;
    X509_EXTENSION *ext;
    bool ok;

    X509V3_set_ctx_nodb(&ctx);
    X509V3_set_ctx(&ctx, issuer, cert, NULL, NULL, 0);
    ext = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
    ok = ext != NULL && X509_add_ext(cert, ext, -1) == 1;
    X509_EXTENSION_free(ext);
    return ok;
}

static bool
cert_init(struct issued *i, const char *name, long from, long until)
{
    uint64_t serial = random_u64() >> 1;
    X509_NAME *subject;

    i->key = EVP_EC_gen("P-256");
    i->cert = X509_new();
    if (i->key == NULL || i->cert == NULL) {
        return false;
    }
    subject = X509_get_subject_name(i->cert);
    return X509_set_version(i->cert, 2) == 1 &&
           ASN1_INTEGER_set_uint64(X509_get_serialNumber(i->cert), serial) ==
               1 &&
           X509_gmtime_adj(X509_getm_notBefore(i->cert), from) != NULL &&
           X509_gmtime_adj(X509_getm_notAfter(i->cert), until) != NULL &&
           X509_set_pubkey(i->cert, i->key) == 1 &&
           X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC,
                                      (const unsigned char *)name, -1, -1,
                                      0) == 1;
}

static bool
make_ca(struct issued *ca, const char *name)
{
    return cert_init(ca, name, -(long)DAY, 30L * DAY) &&
           X509_set_issuer_name(ca->cert, X509_get_subject_name(ca->cert)) ==
               1 &&
           add_ext(ca->cert, ca->cert, NID_basic_constraints,
                   "critical,CA:TRUE") &&
           add_ext(ca->cert, ca->cert, NID_key_usage,
                   "critical,keyCertSign,cRLSign") &&
           add_ext(ca->cert, ca->cert, NID_subject_key_identifier, "hash") &&
           X509_sign(ca->cert, ca->key, EVP_sha256()) > 0;
}

static bool
make_server(struct issued *s, const struct issued *ca, const char *kind)
{
    bool expired = strcmp(kind, "expired") == 0;
    bool elsewhere = strcmp(kind, "wrong-host") == 0;
    const char *names = elsewhere ? "DNS:elsewhere.invalid" :
                                    "DNS:localhost,IP:127.0.0.1,IP:::1";

    return cert_init(s, elsewhere ? "elsewhere.invalid" : "localhost",
                     expired ? -10L * DAY : -(long)DAY,
                     expired ? -2L * DAY : 20L * DAY) &&
           X509_set_issuer_name(s->cert, X509_get_subject_name(ca->cert)) ==
               1 &&
           add_ext(s->cert, ca->cert, NID_basic_constraints, "CA:FALSE") &&
           add_ext(s->cert, ca->cert, NID_key_usage,
                   "critical,digitalSignature") &&
           add_ext(s->cert, ca->cert, NID_ext_key_usage, "serverAuth") &&
           add_ext(s->cert, ca->cert, NID_subject_alt_name, names) &&
           X509_sign(s->cert, ca->key, EVP_sha256()) > 0;
}

static bool
write_pem(const char *dir, const char *name, X509 *cert, EVP_PKEY *key)
{
    char *path = mem_printf("%s/%s", dir, name);
    FILE *f = fopen(path, "w");
    bool ok = f != NULL;

    if (ok && key != NULL) {
        chmod(path, 0600);
        ok = PEM_write_PrivateKey(f, key, NULL, NULL, 0, NULL, NULL) == 1;
    }
    if (ok && cert != NULL) {
        ok = PEM_write_X509(f, cert) == 1;
    }
    if (f != NULL) {
        ok = fclose(f) == 0 && ok;
    }
    mem_free(path);
    return ok;
}

bool
sim_tls_make(const char *dir, const char *kind)
{
    struct issued ca = {NULL, NULL}, other = {NULL, NULL},
                  server = {NULL, NULL};
    bool wrong_ca = strcmp(kind, "other-ca") == 0;
    bool ok = make_ca(&ca, "ml-sandbox CA") &&
              make_ca(&other, "ml-sandbox other CA") &&
              make_server(&server, wrong_ca ? &other : &ca, kind) &&
              write_pem(dir, "ca.pem", ca.cert, NULL) &&
              write_pem(dir, "server.pem", server.cert, NULL) &&
              write_pem(dir, "server.key", NULL, server.key);

    if (!ok) {
        fprintf(stderr, "ml-sandbox: cannot make certificates in %s: %s\n", dir,
                ERR_error_string(ERR_get_error(), NULL));
    }
    issued_fini(&ca);
    issued_fini(&other);
    issued_fini(&server);
    return ok;
}
