/* SPDX-License-Identifier: UNLICENSED */
#ifndef ML_CLI_PRIV_H
#define ML_CLI_PRIV_H

/*
 * The parts of cli:
 *
 *   cli.c       the table of commands, --help, the common flags
 *   flags.c     a command's own flags
 *   output.c    tables for people, documents for programs
 *   target.c    the tenant a command names
 *   session.c   a tenant under its portal's lease, and errands done there
 *   ask.c       an errand, here or by the worker that holds the portal
 *   mapping.c   a tenant's mapping file before it is stored
 *   replay_look.c  what replayed jobs would change
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
void cli_print_json(const json_t *v); /* one document and a newline */

/* target.c */
/* *tenant gives a new reference to {"id","state","reason","portal","holder"},
 * also of a removed one; USAGE with the nearest name when there is none. */
MUST_USE enum err cli_target(struct cli *c, const char *name, json_t **tenant,
                             struct fault *f);
/* Says so, and what can be done. */
enum err cli_target_removed(const char *name, struct fault *f);
/* Whether there is such a tenant, or was one; else app.fault says what is wrong
 * with the name (or why nobody knows). */
bool cli_tenant_exists(struct cli *c, const char *name);
bool cli_tenant_existed(struct cli *c, const char *name);

/* session.c: one tenant under its portal's lease. */
typedef void session_line_fn(struct cli *c, const json_t *line);
struct session {
    struct cli *cli;
    struct store_tenant row; /* in the arena */
    struct arena arena;
    struct tenant_settings settings;
    char *portal;                     /* whose lease is held; NULL: none */
    int64_t term, until_us, asked_us; /* asked: the last renewal */
    struct dispatch *dispatch;
    struct loop_timer renew;
    struct store_op *renew_op;
    struct errand *errand;
    session_line_fn *line; /* told of findings as they come; NULL: no */
    bool unstored;  /* the row is not what the store has: nothing is learned */
    bool stoppable; /* a signal ends an errand done here (ERR_CLOSED) */
};
/* Loads the tenant. */
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
/* Done here, under the lease; without it `unasked` says why the portal is not
 * asked. *answer gives a new reference, also to one that is an error. */
MUST_USE enum err session_errand(struct session *s, const char *command,
                                 const json_t *arguments,
                                 const struct fault *unasked, json_t **answer,
                                 struct fault *f);

/* ask.c */
/* The error that an answer is, with its message; OK when it is none. */
enum err cli_answer_error(const json_t *answer, struct fault *f);
/* A row in `request`: left, waited for, given up. *request gives a new
 * reference to how it stands (see store_request_get): answered, or nobody holds
 * the portal, or patience is at its end; NULL when it was dropped. */
MUST_USE enum err cli_request_leave(struct cli *c, int64_t tenant,
                                    const char *command,
                                    const json_t *arguments, int64_t *id,
                                    struct fault *f);
MUST_USE enum err cli_request_wait(struct cli *c, int64_t id,
                                   int64_t patience_ms, json_t **request,
                                   struct fault *f);
MUST_USE enum err cli_request_withdraw(struct cli *c, int64_t id,
                                       json_t **request, struct fault *f);
bool cli_request_is_answered(const json_t *request);
/* The document of the call just waited for, its numbers as numbers: a new
 * reference; NULL when there is none. */
MUST_USE enum err cli_document(struct cli *c, json_t **out, struct fault *f);
int64_t cli_number(const json_t *o, const char *key); /* 0 when absent */

/*
 * Has an errand done for the session's tenant: here when the portal's lease is
 * free, else by the worker that holds it; the answer is the same. A holder that
 * goes is not waited for. *answer gives a new reference; one that is an error is
 * in f and err too (and the answer is given all the same).
 */
struct cli_errand {
    const char *command;
    json_t *arguments;   /* borrowed; NULL: none */
    int64_t patience_ms; /* with a worker that holds the portal */
    bool without_portal; /* what can be done without asking the portal is done
                            when it cannot be told which it is */
};
MUST_USE enum err cli_errand(struct session *s, const struct cli_errand *e,
                             json_t **answer, struct fault *f);
/* "ann@host": who gives this command, for the audit; static. */
const char *cli_actor(void);

/* mapping.c */
/* For a tenant as it would be stored: compares its mapping file with what both
 * systems have. What is wrong is said on stderr, and ERR_USAGE then means that
 * nothing may be stored; so is what could not be asked. */
MUST_USE enum err mapping_check_row(struct cli *c,
                                    const struct store_tenant *row,
                                    struct fault *f);

/* replay_look.c */
/* Prints what replay would do with the jobs chosen; *found: how many. The
 * fault is app's. */
MUST_USE enum err replay_look(struct cli *c, struct store_replay *spec,
                              const json_t *misses, int64_t *found);

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
int cmd_plan(struct cli *c);
int cmd_sync(struct cli *c);
int cmd_status(struct cli *c);
int cmd_audit(struct cli *c);
int cmd_replay_list(struct cli *c);
int cmd_replay_run(struct cli *c);
int cmd_keys_rotate(struct cli *c);
int cmd_version(struct cli *c);

extern const struct flag tenant_flags[];
extern const struct flag replay_flags[];
extern const struct flag replay_list_flags[];
extern const struct flag sync_flags[];
extern const struct flag plan_flags[];

#endif
