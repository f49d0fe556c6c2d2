/* SPDX-License-Identifier: UNLICENSED */
#ifndef ML_TENANT_H
#define ML_TENANT_H

/*
 * tenant: the tenants this worker works for. Loads them, notices changes,
 * takes the lease of each portal, and owns a portal's dispatcher and its
 * tenants' feeds.
 *
 *     portal: WAITING --lease taken--> HELD --stop, lost--> RELEASING/WAITING
 */
#include "ml/base.h"
#include "ml/conf.h"
#include "ml/dispatch.h"
#include "ml/feed.h"
#include "ml/http.h"
#include "ml/loop.h"
#include "ml/store.h"
#include "ml/vault.h"

/* ---- settings of one tenant: the flags of `tenant add` ------------------ */

struct tenant_settings {
    const char *fusion_url, *fusion_auth, *fusion_token_url, *fusion_client_id;
    const char *fusion_scope, *fusion_user, *fusion_key_id;
    const char *hubspot_url, *hubspot_tier, *hubspot_api_version;
    int64_t hubspot_limit;       /* of the tier unless given */
    int64_t hubspot_daily_limit; /* 0: of the tier */
    int64_t interval_ms[FEED_KINDS];
    int64_t since_us; /* absolute; tenant add fixes "now minus 90 d" */
    const char *key_prefix;
    const char **business_units; /* NULL-terminated; NULL: all */
    const char *mapping;         /* content of the mapping file, or NULL */
};
/* Reads and checks settings as stored (JSON) plus which secrets are there
 * (NULL: do not check). Everything lives in the arena. ERR_CONFIG names the
 * flag and says what to do. Pure. */
MUST_USE enum err tenant_settings_read(struct arena *a, const char *settings,
                                       const char *const *secrets,
                                       struct tenant_settings *out,
                                       struct fault *f);
/* A copy in the arena. */
void tenant_row_copy(struct arena *a, const struct store_tenant *from,
                     struct store_tenant *to);
MUST_USE enum err tenant_name_check(const char *name, struct fault *f);
/* Whether all its secrets open; fault says which does not. */
bool tenant_opens(const struct vault *v, const struct store_tenant *row,
                  struct fault *f);
/* The clients of one tenant, as ping and provision use them too. The secrets of
 * `row.sealed` are opened for it. Free with hubspot_free and fusion_free. */
MUST_USE enum err tenant_hubspot(struct loop *l, struct http *h,
                                 const struct vault *v, const struct conf *c,
                                 const struct store_tenant *row,
                                 struct hubspot **out, struct fault *f);
MUST_USE enum err tenant_fusion(struct loop *l, struct http *h,
                                const struct vault *v, const struct conf *c,
                                const struct store_tenant *row,
                                struct fusion **out, struct fault *f);
/* Who takes leases: the worker's name is borrowed. */
struct store_lessee tenant_lessee(const struct conf *c, const char *worker);
/* The dispatcher's configuration from the settings. Texts are borrowed. */
struct dispatch_config tenant_dispatch_config(const struct conf *c,
                                              const struct tenant_settings *s,
                                              const char *portal,
                                              const char *worker);

/* ---- errands: what a command wants done under a portal's lease ---------- */

/*
 * The same code does it in the command, when the lease is free, and in the
 * worker that holds it, asked by a row in `request`: so what a command prints
 * does not depend on who did it. An answer is a JSON object; one that could not
 * be done has {"error":"why","code":"CONFLICT"}, code being an err_name(). The
 * others, by command:
 *
 *   ping       {"lines":[{"side","check","state","message"}]}, state ok, note
 *              (works without) or failed
 *   provision  arguments {"dry_run":bool}; {"lines":[..],"text":".."} as
 *              hubspot_provision_report has them
 *   mapping    {"entries":n,"complaints":["line"],"unasked":["line"]} of the
 *              tenant's mapping file: what is wrong, and what nothing could be
 *              compared with and why
 *   plan       arguments {"shown":n,"ask_portal":bool}; the plan, as of
 *              tenant_plan_start(), with {"incomplete": why, or null}
 *   identify   {"portal":"4711"}: the account's id, nothing else is asked
 *
 * arguments of all may hold {"candidate":{"name","settings":{},"sealed":{}}}:
 * the tenant as it would be stored. Whoever starts an errand has seen to that
 * already: row is the tenant as it shall be taken.
 */
struct errand;
struct errand_place { /* all borrowed until done ran or cancel returned */
    struct loop *loop;
    struct http *http;
    struct store *store;
    const struct vault *vault;
    const struct conf *conf;
    const char *worker;
    const struct store_tenant *row; /* only until errand_start() returned */
    struct dispatch *dispatch;      /* of the portal, under its lease */
    const struct fault *unasked;    /* why the portal must not be asked, or
                                       NULL; copied */
};
/* A finding, as soon as it is there; borrowed. */
typedef void errand_line_fn(void *arg, const json_t *line);
/* Once, on a later turn; the answer is borrowed. */
typedef void errand_done_fn(void *arg, json_t *answer);
struct errand_events {
    errand_line_fn *line; /* NULL: not wanted */
    errand_done_fn *done;
    void *arg;
};
/* MISSING: there is no such errand. Otherwise why it cannot begin: settings or
 * secrets that cannot be used. */
MUST_USE enum err errand_start(const struct errand_place *p,
                               const char *command, const json_t *arguments,
                               const struct errand_events *events,
                               struct errand **out, struct fault *f);
/* Gives up what is under way; done does not run. Before its dispatcher, store
 * and http go. NULL does nothing. */
void errand_cancel(struct errand *e);
/* The feeds' configuration; texts are borrowed. */
struct feeds_config tenant_feeds_config(const struct conf *c,
                                        const struct tenant_settings *s,
                                        const struct store_tenant *row,
                                        const char *worker);

/* ---- what a sync would write now ---------------------------------------- */

/*
 * Reads what the feeds of a tenant would read now and compares it with what
 * HubSpot has; nothing is sent to HubSpot, and nothing stays in the database
 * (store_plan_open). May run beside a worker that holds the portal. TIMEOUT
 * after the setting plan_timeout, CONFLICT while another plan of the tenant is
 * under way.
 */
struct tenant_plan;
struct tenant_plan_spec {
    struct store *store; /* outlives the plan: store_plans_end() */
    const struct conf *conf;
    const char *worker;
    const struct store_tenant *row; /* id, name, learned */
    const struct tenant_settings *settings;
    struct fusion *fusion;
    unsigned shown; /* records told one by one */
    /* The portal's property definitions (effect_known); NULL: not asked for. */
    const json_t *definitions[MAP_OBJECTS];
};
/*
 * The plan: {"tenant","records":{"customer":{"create":n,"change":n,"archive":n,
 *   "unchanged":n,"wait":n,"rejected":n},..},"found":{"customer":n,..} of the
 *   jobs those this plan found,"waiting":[{"for","records"}],
 *   "rejected":[{"record","why"}],"shown":[{"record","number","fate","why",
 *   "changes":[{"object","key","property","before","after"}]}],"more":n,
 *   "operations":{"invoices.upsert":n,..},"requests":n,"minutes":x,
 *   "limit_per_10_seconds":n,"daily_limit":n,"daily_share":x,
 *   "fusion_requests":n,"feeds":{"invoices":"ok" or why it failed,..}}
 * Borrowed. A feed that fails leaves the plan incomplete: err is then that of
 * the feed, and the plan is there all the same.
 */
typedef void tenant_plan_fn(void *arg, enum err err, const json_t *plan,
                            const struct fault *f);
/* Borrows all until done. */
MUST_USE enum err tenant_plan_start(struct loop *l,
                                    const struct tenant_plan_spec *c,
                                    tenant_plan_fn *done, void *arg,
                                    struct tenant_plan **out, struct fault *f);
/* Silences done; what was begun is removed, while the loop runs on. */
void tenant_plan_cancel(struct tenant_plan *p);

/* ---- all tenants of this worker ----------------------------------------- */

struct tenants;
struct tenants_config {
    const struct conf *conf; /* borrowed */
    const char *worker;
    bool once; /* poll each feed once, write until nothing is due */
};
struct tenants_events {
    void (*finished)(void *arg); /* once: nothing is left to do */
    void *arg;
};
/* Borrows all. */
struct tenants *tenants_new(struct loop *l, struct http *h, struct store *s,
                            const struct vault *v,
                            const struct tenants_config *c,
                            const struct tenants_events *e);
void tenants_start(struct tenants *t);
/* No new polls; requests in flight end and are stored; leases are released;
 * then stopped runs, once. */
void tenants_stop(struct tenants *t, loop_fn *stopped, void *arg);
void tenants_free(struct tenants *t); /* cancels silently */
/* Jobs may have become due by another way than a poll: every tenant looks. */
void tenants_poke(struct tenants *t);

/* For metrics and status: how many tenants are in a state, and the names of
 * those leased to others (text to free, "" when none). */
size_t tenants_count(const struct tenants *t, const char *state);
char *tenants_skipped(const struct tenants *t);
/* Why a tenant's settings or secrets cannot be used by this process, the first
 * one; err OK when there is none. Borrowed. */
const struct fault *tenants_unable(const struct tenants *t);
/* Why a portal held here cannot be written to: what would come of it cannot be
 * recorded; NULL: there is none. Static. */
const char *tenants_stuck(const struct tenants *t);
/* Why leases have not been renewed for longer than one lasts; NULL: they are.
 * Static. */
const char *tenants_unleased(const struct tenants *t);
/* The master keys open none of the tenants at work: this process holds no portal.
 */
bool tenants_keyless(const struct tenants *t);
void tenants_metrics(struct tenants *t); /* sets the gauges of stat */

#endif
