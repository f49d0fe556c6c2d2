/* SPDX-License-Identifier: UNLICENSED */
/*
 * What the connection string says, and the start-up packet made of it.
 *
 * libpq resolves host names on the calling thread. So the string is taken apart
 * here and names are resolved elsewhere; host= goes along with hostaddr=, as
 * certificates and the password file are checked against the name. All that
 * libpq knows besides (service file, environment, defaults) is asked of libpq
 * itself: a connection attempt with one impossible setting fails before it
 * touches the network, and tells what it would have used.
 */
#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "pg_priv.h"

enum { LIST_MAX = 8192, TCP_USER_TIMEOUT_MS = 30000 };

static bool
is_literal(const char *host)
{
    unsigned char address[16];

    return inet_pton(AF_INET, host, address) == 1 ||
           inet_pton(AF_INET6, host, address) == 1;
}

static bool
is_socket(const char *host)
{
    return host[0] == '\0' || host[0] == '/' || host[0] == '@';
}

static void
add_param(struct pg_target *t, const char *keyword, const char *value)
{
    ML_ASSERT(t->params < PG_PARAMS_MAX);
    t->keywords[t->params] = mem_strdup(keyword);
    t->values[t->params] = mem_strdup(value);
    t->params++;
}

static bool
has_param(const struct pg_target *t, const char *keyword)
{
    size_t i;

    for (i = 0; i < t->params; i++) {
        if (strcmp(t->keywords[i], keyword) == 0) {
            return true;
        }
    }
    return false;
}

/* ---- what libpq would use ----------------------------------------------- */

static const char *
option_value(const PQconninfoOption *options, const char *keyword)
{
    for (; options->keyword != NULL; options++) {
        if (strcmp(options->keyword, keyword) == 0) {
            return options->val != NULL ? options->val : "";
        }
    }
    return "";
}

/* NULL: libpq finds fault with something else than our impossible setting. */
static PQconninfoOption *
effective_options(const char *conninfo, struct fault *f)
{
    const char *keywords[] = {"dbname", "gssencmode", NULL};
    const char *values[] = {conninfo, "none such", NULL};
    PGconn *probe = PQconnectStartParams(keywords, values, 1);
    PQconninfoOption *options = NULL;
    const char *words;

    ML_ASSERT(probe != NULL);
    words = PQerrorMessage(probe);
    if (PQstatus(probe) == CONNECTION_BAD &&
        strstr(words, "gssencmode") != NULL) {
        options = PQconninfo(probe);
    } else {
        (void)fault_set(f, ERR_CONFIG,
                        "the database's connection string cannot be used: "
                        "%.*s",
                        (int)strcspn(words, "\n"), words);
    }
    PQfinish(probe);
    return options;
}

/* Of libpq's options, those that go on unchanged. */
static bool
is_ours(const char *keyword)
{
    static const char *const ours[] = {
        "host",       "hostaddr",        "port",
        "options",    "client_encoding", "application_name",
        "service",    "servicefile",     "fallback_application_name",
        "gssencmode", "connect_timeout", "replication"};
    size_t i;

    for (i = 0; i < COUNT_OF(ours); i++) {
        if (strcmp(ours[i], keyword) == 0) {
            return true;
        }
    }
    return false;
}

/* ---- lists with commas -------------------------------------------------- */

static size_t
list_count(const char *s)
{
    size_t n = 1;

    for (; *s != '\0'; s++) {
        n += *s == ',';
    }
    return n;
}

static char *
list_item(const char *s, size_t i)
{
    for (; i > 0; i--) {
        s = strchr(s, ',') + 1;
    }
    return mem_strndup(s, strcspn(s, ","));
}

static enum err
take_hosts(struct pg_target *t, const char *host, const char *port,
           struct fault *f)
{
    size_t hosts = list_count(host);
    size_t ports = list_count(port);
    size_t i;

    if (hosts > PG_HOSTS_MAX || (ports != 1 && ports != hosts)) {
        return fault_set(f, ERR_CONFIG,
                         "%zu hosts and %zu ports do not go together in the "
                         "connection string (at most %d hosts)",
                         hosts, ports, (int)PG_HOSTS_MAX);
    }
    for (i = 0; i < hosts; i++) {
        struct pg_host *h = &t->hosts[i];

        h->name = list_item(host, i);
        h->port = list_item(port, ports == 1 ? 0 : i);
        h->is_name = !is_socket(h->name) && !is_literal(h->name);
        t->host_count = i + 1;
    }
    return ERR_OK;
}

static enum err
take_options(struct pg_target *t, const PQconninfoOption *options,
             struct fault *f)
{
    const PQconninfoOption *o;

    for (o = options; o->keyword != NULL; o++) {
        if (o->val != NULL && o->val[0] != '\0' && !is_ours(o->keyword)) {
            add_param(t, o->keyword, o->val);
        }
    }
    t->options = mem_strdup(option_value(options, "options"));
    if (option_value(options, "hostaddr")[0] == '\0') {
        return take_hosts(t, option_value(options, "host"),
                          option_value(options, "port"), f);
    }
    add_param(t, "hostaddr", option_value(options, "hostaddr"));
    add_param(t, "host", option_value(options, "host"));
    add_param(t, "port", option_value(options, "port"));
    return ERR_OK;
}

/* Who wants any server needs one that takes writes: libpq goes on to the next
 * host when one does not. */
static void
want_writable(struct pg_target *t)
{
    for (size_t i = 0; i < t->params; i++) {
        if (strcmp(t->keywords[i], "target_session_attrs") == 0 &&
            strcmp(t->values[i], "any") == 0) {
            mem_free(t->values[i]);
            t->values[i] = mem_strdup("read-write");
        }
    }
    if (!has_param(t, "target_session_attrs")) {
        add_param(t, "target_session_attrs", "read-write");
    }
}

static void
add_defaults(struct pg_target *t, const PQconninfoOption *given,
             const char *application)
{
    static const char *const keep[][2] = {{"keepalives_idle", "30"},
                                          {"keepalives_interval", "10"},
                                          {"keepalives_count", "3"}};
    const char *gss = option_value(given, "gssencmode");
    char number[24];
    size_t i;

    for (i = 0; i < COUNT_OF(keep); i++) {
        if (!has_param(t, keep[i][0])) {
            add_param(t, keep[i][0], keep[i][1]);
        }
    }
    if (!has_param(t, "tcp_user_timeout")) {
        struct buf b;

        buf_init(&b, sizeof(number));
        buf_addf(&b, "%d", (int)TCP_USER_TIMEOUT_MS);
        add_param(t, "tcp_user_timeout", buf_text(&b));
        buf_fini(&b);
    }
    if (gss[0] == '\0' && getenv("PGGSSENCMODE") != NULL) {
        gss = getenv("PGGSSENCMODE");
    }
    /* Asking a Kerberos library first may block; only who wants it gets it. */
    add_param(t, "gssencmode", gss[0] != '\0' ? gss : "disable");
    add_param(t, "client_encoding", "UTF8");
    add_param(t, "application_name",
              application != NULL ? application : "ml-connector");
}

enum err
pg_target_parse(const char *conninfo, const char *application, bool writable,
                struct pg_target *t, struct fault *f)
{
    PQconninfoOption *given;
    PQconninfoOption *options = NULL;
    char *words = NULL;
    enum err err;

    memset(t, 0, sizeof(*t));
    given = PQconninfoParse(conninfo, &words);
    PQfreemem(words); /* it may quote a password */
    if (given == NULL) {
        return fault_set(f, ERR_CONFIG,
                         "the database's connection string cannot be parsed; "
                         "it looks like postgresql://user@host/database");
    }
    options = effective_options(conninfo, f);
    if (options == NULL) {
        err = ERR_CONFIG;
        goto fail;
    }
    err = take_options(t, options, f);
    if (err == ERR_OK) {
        add_defaults(t, given, application);
        if (writable) {
            want_writable(t);
        }
    }
fail:
    PQconninfoFree(given);
    PQconninfoFree(options);
    if (err != ERR_OK) {
        pg_target_fini(t);
    }
    return err;
}

void
pg_target_fini(struct pg_target *t)
{
    size_t i;

    for (i = 0; i < t->params; i++) {
        mem_free(t->keywords[i]);
        secret_wipe_bytes(t->values[i], strlen(t->values[i]));
        mem_free(t->values[i]);
    }
    for (i = 0; i < t->host_count; i++) {
        mem_free(t->hosts[i].name);
        mem_free(t->hosts[i].port);
    }
    mem_free(t->options);
    memset(t, 0, sizeof(*t));
}

/* ---- places ------------------------------------------------------------- */

void
pg_places_init(struct pg_places *p)
{
    buf_init(&p->hosts, LIST_MAX * 8);
    buf_init(&p->addresses, LIST_MAX);
    buf_init(&p->ports, LIST_MAX);
    p->count = 0;
    p->has_address = false;
}

void
pg_places_fini(struct pg_places *p)
{
    buf_fini(&p->hosts);
    buf_fini(&p->addresses);
    buf_fini(&p->ports);
}

void
pg_places_add(struct pg_places *p, const struct pg_host *h, const char *address)
{
    if (p->count > 0) {
        buf_addc(&p->hosts, ',');
        buf_addc(&p->addresses, ',');
        buf_addc(&p->ports, ',');
    }
    buf_adds(&p->hosts, h->name);
    buf_adds(&p->addresses, address);
    buf_adds(&p->ports, h->port);
    p->count++;
    p->has_address = p->has_address || address[0] != '\0';
}

/* ---- the start-up packet ------------------------------------------------ */

PGconn *
pg_target_connect(const struct pg_target *t, const struct pg_places *places,
                  int64_t statement_timeout_ms, int64_t lock_timeout_ms,
                  bool plain)
{
    const char *keywords[PG_PARAMS_MAX + 5] = {NULL};
    const char *values[PG_PARAMS_MAX + 5] = {NULL};
    struct buf options;
    size_t n = 0;
    PGconn *db;

    for (; n < t->params; n++) {
        keywords[n] = t->keywords[n];
        values[n] = t->values[n];
    }
    if (places->count > 0) {
        keywords[n] = "host";
        values[n++] = buf_text(&places->hosts);
        keywords[n] = "port";
        values[n++] = buf_text(&places->ports);
    }
    if (places->has_address) {
        keywords[n] = "hostaddr";
        values[n++] = buf_text(&places->addresses);
    }
    buf_init(&options, LIST_MAX);
    buf_adds(&options, t->options);
    if (!plain) {
        buf_addf(&options,
                 " -c statement_timeout=%lld -c lock_timeout=%lld"
                 " -c idle_in_transaction_session_timeout=%d",
                 (long long)statement_timeout_ms, (long long)lock_timeout_ms,
                 (int)PG_IDLE_IN_TRANSACTION_MS);
    }
    if (options.len > 0) {
        keywords[n] = "options";
        values[n] = buf_text(&options);
    }
    db = PQconnectStartParams(keywords, values, 0);
    buf_fini(&options);
    return db;
}
