/* SPDX-License-Identifier: UNLICENSED */
/*
 * What customers lack while the pod refuses organisations or persons, and how
 * they get it later.
 *
 *     refused --> off for an hour, or until the next round that is asked for
 *     a customer to be composed without --> the debt is written down first
 *     a poll of customers, debt and not off --> every account known is
 *         composed again, CHUNK_ACCOUNTS at a time --> the debt is cleared
 *
 * Debts are kept by resource, since a role may open one without the other, and
 * in the database: no customer composed without commits before its debt did,
 * and a debt goes only when a pass over all accounts came to its end and no
 * account was composed without meanwhile. A pass broken off goes on where it
 * was within this process, and begins again in another. A chunk that meets a
 * refusal of all that is being repaid is dropped: it would gain nothing.
 */
#include "feed_priv.h"
#include "ml/jsonx.h"

#include <string.h>

#define CRM_OFF_US (INT64_C(3600) * 1000000)
enum { CLEARING_MS = 20 };

static const char *const resources[] = {
    [CRM_ORGS] = "hubOrganizations",
    [CRM_PERSONS] = "hubPersons",
};

/* ---- off --------------------------------------------------------------------- */

bool
crm_is_off(const struct poll *p, enum crm part)
{
    return loop_now_us(p->f->loop) < p->f->crm_off_us[part];
}

void
crm_off(struct poll *p, enum crm part)
{
    char text[LOG_TEXT_MAX];

    p->f->crm_off_us[part] = loop_now_us(p->f->loop) + CRM_OFF_US;
    p->repay &= ~BIT(part);
    LOG_WARN(&p->log, "feed.crm_off", "resource=%s message=\"%s\"",
             resources[part], log_safe(text, p->fault.message));
    fault_clear(&p->fault);
}

/* ---- debts ------------------------------------------------------------------- */

/* {"crm_off_persons":"2026-..."} of the parts in `mask`; null: paid. */
static char *
debt_json(unsigned mask, const char *since)
{
    struct jsonx_writer w;
    struct buf b;

    buf_init(&b, NOTES_MAX);
    jsonx_begin(&w, &b);
    jsonx_open(&w, '{');
    for (unsigned part = 0; part < CRM_PARTS; part++) {
        if ((mask & BIT(part)) == 0) {
            continue;
        }
        jsonx_key(&w, learned_debts[part]);
        if (since == NULL) {
            jsonx_put_null(&w);
        } else {
            jsonx_put_text(&w, since);
        }
    }
    jsonx_close(&w, '}');
    ML_ASSERT(!b.failed);
    return buf_take(&b, NULL);
}

static unsigned
debts(const struct feeds *f)
{
    unsigned mask = 0;

    for (unsigned part = 0; part < CRM_PARTS; part++) {
        mask |= f->learned.owed[part] ? BIT(part) : 0;
    }
    return mask;
}

static void
on_owed(void *arg, enum err err, const struct fault *f)
{
    struct poll *p = poll_from(arg);

    p->sop = NULL;
    if (!poll_store_ok(p, err, f)) {
        return;
    }
    for (unsigned part = 0; part < CRM_PARTS; part++) {
        if ((p->compose.without & BIT(part)) != 0) {
            p->f->learned.owed[part] = true;
        }
    }
    poll_go(p, compose_store);
}

void
crm_owe(struct poll *p)
{
    struct feeds *f = p->f;
    unsigned without = p->compose.without;
    char since[TIME_TEXT_MAX];
    char *text = NULL;

    if (f->clearing != NULL) {
        poll_again(p, CLEARING_MS); /* else its write could overtake ours */
        return;
    }
    for (unsigned part = 0; part < CRM_PARTS; part++) {
        f->debts[part] += (without & BIT(part)) != 0;
    }
    if ((without & ~debts(f)) == 0) {
        poll_go(p, compose_store);
        return;
    }
    (void)time_format(clock_wall_us(), since);
    text = debt_json(without & ~debts(f), since);
    poll_store_started(p, store_tenant_learn(f->store, f->cfg.tenant, NULL,
                                             text, on_owed, p, &p->sop));
    mem_free(text);
}

/* ---- the pass ------------------------------------------------------------------ */

static void repay_list(struct poll *p);

static void
repay_end(struct poll *p)
{
    p->repaying = false;
    p->repay = 0;
    poll_return(p);
}

static void
on_cleared(void *arg, enum err err, const struct fault *f)
{
    struct poll *p = poll_from(arg);

    p->sop = NULL;
    if (!poll_store_ok(p, err, f)) {
        return;
    }
    p->f->clearing = NULL;
    for (unsigned part = 0; part < CRM_PARTS; part++) {
        if ((p->repay & BIT(part)) != 0) {
            p->f->learned.owed[part] = false;
        }
    }
    repay_end(p);
}

static void
repay_clear(struct poll *p)
{
    char *text = debt_json(p->repay, NULL);

    p->f->clearing = p;
    poll_store_started(p,
                       store_tenant_learn(p->f->store, p->f->cfg.tenant, NULL,
                                          text, on_cleared, p, &p->sop));
    mem_free(text);
}

/* All accounts were composed again. Not all of them with everything, when
 * another feed met a refusal meanwhile: that debt stays. */
static void
repay_done(struct poll *p)
{
    struct feeds *f = p->f;

    mem_free(f->repay_at);
    f->repay_at = NULL;
    for (unsigned part = 0; part < CRM_PARTS; part++) {
        if (f->debts[part] != f->repay_debts[part]) {
            p->repay &= ~BIT(part);
        }
    }
    if (p->repay == 0) {
        repay_end(p);
        return;
    }
    poll_go(p, repay_clear);
}

static void
repay_next(struct poll *p)
{
    struct feeds *f = p->f;

    if (p->repay == 0) {
        repay_end(p);
        return;
    }
    f->repay_mask = p->repay;
    mem_free(f->repay_at);
    f->repay_at = p->repay_last;
    p->repay_last = NULL;
    poll_go(p, repay_list);
}

static void
on_numbers(void *arg, enum err err, const char *json, const struct fault *f)
{
    struct poll *p = poll_from(arg);
    struct fault bad = {0};
    json_t *numbers = NULL;
    size_t n = 0;

    p->sop = NULL;
    if (!poll_store_ok(p, err, f)) {
        return;
    }
    if (jsonx_parse(json, strlen(json), &numbers, &bad) != ERR_OK) {
        poll_fail(p, ERR_DB_SHAPE, &bad);
        return;
    }
    n = json_array_size(numbers);
    if (n == 0) {
        json_decref(numbers);
        poll_go(p, repay_done);
        return;
    }
    mem_free(p->repay_last);
    p->repay_last =
        mem_strdup(json_string_value(json_array_get(numbers, n - 1)));
    hand_set(p, numbers, false);
    poll_call(p, customers_by_number, repay_next);
}

static void
repay_list(struct poll *p)
{
    const char *at = p->f->repay_at;

    poll_store_started(p, store_account_numbers(p->f->store, p->f->cfg.tenant,
                                                at == NULL ? "" : at,
                                                CHUNK_ACCOUNTS, on_numbers, p,
                                                &p->sop));
}

void
crm_repay(struct poll *p)
{
    struct feeds *f = p->f;
    unsigned mask = debts(f);

    for (unsigned part = 0; part < CRM_PARTS; part++) {
        mask &= crm_is_off(p, (enum crm)part) ? ~BIT(part) : ~0U;
    }
    if (mask == 0) {
        poll_return(p);
        return;
    }
    if (mask != f->repay_mask ||
        memcmp(f->debts, f->repay_debts, sizeof(f->debts)) != 0) {
        mem_free(f->repay_at);
        f->repay_at = NULL;
    }
    f->repay_mask = mask;
    memcpy(f->repay_debts, f->debts, sizeof(f->debts));
    p->repaying = true;
    p->repay = mask;
    poll_go(p, repay_list);
}

void
crm_repay_dropped(struct poll *p)
{
    p->repay = 0;
    hand_set(p, NULL, false);
    compose_reset(p);
    poll_return(p);
}

void
crm_repay_free(struct poll *p)
{
    if (p->f->clearing == p) {
        /* Whether the database heard of it, nobody knows: a debt made now has
         * to be written again. */
        p->f->clearing = NULL;
        memset(p->f->learned.owed, 0, sizeof(p->f->learned.owed));
    }
    mem_free(p->repay_last);
}
