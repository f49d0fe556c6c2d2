/* SPDX-License-Identifier: UNLICENSED */
#ifndef ML_CLI_PRIV_H
#define ML_CLI_PRIV_H

/*
 * The parts of cli:
 *
 *   cli.c       the table of commands, --help, the common flags
 *   flags.c     a command's own flags
 *   output.c    tables for people, documents for programs
 *   session.c   a tenant's clients under its portal's lease
 *   mapping.c   a tenant's mapping file against both systems
 *   cmd_*.c     one command each
 */
#include "ml/app.h"
#include "ml/cli.h"
#include "ml/dispatch.h"
#include "ml/jsonx.h"
#include "ml/tenant.h"

enum flag_kind {
    FLAG_TEXT, /* --name VALUE */
    FLAG_BOOL, /* --name */
    FLAG_LIST  /* --name VALUE, repeated */
};
struct flag {
    const char *name; /* without the dashes */
    enum flag_kind kind;
    const char *value; /* what is expected: "FILE"; for help */
    const char *help;
};

struct cli {
    struct app app;
    const struct command *command;
    bool json;
    int argc;
    char **argv;         /* what is left: positional arguments */
    const char **values; /* per flag of the command; "" for a set FLAG_BOOL */
    json_t *lists;       /* object: flag -> array */
};

struct command {
    const char *name;  /* "tenant add" */
    const char *usage; /* "NAME [flags]" */
    const char *help;
    int (*run)(struct cli *c);
    unsigned needs; /* enum app_needs */
    int min_args, max_args;
    const struct flag *flags; /* ends with name NULL; NULL: none */
};

/* flags.c: takes the command's flags out of argv into c->values, leaves the
 * positional arguments in c->argv. ERR_USAGE with a message. */
MUST_USE enum err flags_parse(struct cli *c, struct fault *f);
const char *flag_text(const struct cli *c, const char *name); /* NULL: absent */
bool flag_set(const struct cli *c, const char *name);
const json_t *flag_list(const struct cli *c, const char *name); /* NULL */

/* output.c */
/* On stderr: "ml-connector: text"; gives the exit status. */
int cli_fail(const struct fault *f);
int cli_fail_wait(const struct cli *c); /* of the last app_wait() */
/* The JSON array of objects as given, or as a table of these columns
 * (NULL-terminated) with a heading; `none` when there is no row. */
void cli_rows(const struct cli *c, const char *json, const char *const *columns,
              const char *none);
/* Whether there is such a tenant; else app.fault says that there is none (or
 * why nobody knows). */
bool cli_tenant_exists(struct cli *c, const char *name);
void cli_print_json(const json_t *v); /* one document and a newline */

/* session.c: one tenant under its portal's lease. */
struct session {
    struct cli *cli;
    struct store_tenant row; /* in the arena */
    struct arena arena;
    struct tenant_settings settings;
    char *portal;
    int64_t term;
    struct hubspot *hubspot;
    struct fusion *fusion;
    struct dispatch *dispatch;
    struct loop_timer renew;
    struct store_op *renew_op;
    json_t *details; /* HubSpot's account details, when they were asked for */
    bool unstored;   /* the row is not what the store has: nothing is learned */
};
/* Loads the tenant and opens its clients. */
MUST_USE enum err session_open(struct session *s, struct cli *c,
                               const char *name, struct fault *f);
/* The same of a tenant that is not stored, or not so: its id is 0 when it is
 * new, its portal NULL when that is to be found out. */
MUST_USE enum err session_open_row(struct session *s, struct cli *c,
                                   const struct store_tenant *row,
                                   struct fault *f);
/* Takes the lease and opens the way to HubSpot; LEASE_LOST names the holder. */
MUST_USE enum err session_lease(struct session *s, struct fault *f);
void session_close(struct session *s); /* gives the lease back */
/* A call under the budget; *body gives a new reference or NULL. */
MUST_USE enum err session_call(struct session *s,
                               const struct hubspot_call *call,
                               struct hubspot_meta *meta, json_t **body);
MUST_USE enum err session_provision(struct session *s, bool dry_run,
                                    json_t **lines, char **text,
                                    struct fault *f);

/* mapping.c */
/* What a tenant's mapping file would make of it. */
struct mapping_verdict {
    size_t entries;        /* of the file; 0: there is none */
    struct buf complaints; /* one per line; then it is wrong */
    struct buf unasked;    /* what nothing could be compared with, and why; one
                              line per system or resource */
};
void mapping_verdict_init(struct mapping_verdict *v);
void mapping_verdict_fini(struct mapping_verdict *v);
/* Asks both, as far as they answer; `unleased` says why the portal may not be
 * asked, NULL: the session has its lease. */
void mapping_check(struct session *s, const struct fault *unleased,
                   struct mapping_verdict *v);
/* For a tenant as it would be stored: opens its clients and takes the portal's
 * lease if that is free. What is wrong is said on stderr, and ERR_USAGE then
 * means that nothing may be stored; so is what could not be asked. */
MUST_USE enum err mapping_check_row(struct cli *c,
                                    const struct store_tenant *row,
                                    struct fault *f);

int cmd_migrate(struct cli *c);
int cmd_run(struct cli *c);
int cmd_tenant_add(struct cli *c);
int cmd_tenant_set(struct cli *c);
int cmd_tenant_list(struct cli *c);
int cmd_tenant_show(struct cli *c);
int cmd_tenant_pause(struct cli *c);
int cmd_tenant_resume(struct cli *c);
int cmd_tenant_remove(struct cli *c);
int cmd_ping(struct cli *c);
int cmd_provision(struct cli *c);
int cmd_sync(struct cli *c);
int cmd_status(struct cli *c);
int cmd_audit(struct cli *c);
int cmd_replay_list(struct cli *c);
int cmd_replay_run(struct cli *c);
int cmd_keys_rotate(struct cli *c);
int cmd_version(struct cli *c);

extern const struct flag tenant_flags[];
extern const struct flag replay_flags[];
extern const struct flag sync_flags[];

#endif
