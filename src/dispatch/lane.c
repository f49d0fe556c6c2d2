/* SPDX-License-Identifier: UNLICENSED */
/*
 * Lanes: where equal needs of different jobs meet.
 *
 * A lane's batch may leave when it is full, or when its oldest need has waited
 * `linger` and no job in memory that has yet to come to this lane's step could
 * still fill it, or `linger_busy` in any case. Halves of a refused batch leave
 * first and as they are. Among lanes that may leave, a full one goes before a
 * partly filled one, a later step before an earlier one (it finishes jobs), an
 * older need before a younger. A lane passed over for too long goes before all
 * of them, the oldest first: no tenant and no kind of record starves behind
 * another's backlog.
 */
#include "dispatch_priv.h"

enum { OVERDUE_MS = 5000 };

void
lanes_init(struct dtenant *t)
{
    for (unsigned i = 0; i < LANES; i++) {
        list_init(&t->lanes[i].needs);
        list_init(&t->lanes[i].halves);
    }
}

void
lane_push(struct dtenant *t, struct need *n)
{
    list_push(&t->lanes[n->lane].needs, &n->link);
    t->lanes[n->lane].count++;
}

void
lane_push_front(struct dtenant *t, struct need *n)
{
    list_push_front(&t->lanes[n->lane].needs, &n->link);
    t->lanes[n->lane].count++;
}

const struct map_association *
lane_association(unsigned lane)
{
    size_t n;
    const struct map_association *table = map_associations(&n);
    size_t row;

    if (lane >= LANE_ASSOCIATE && lane < LANE_STATUS) {
        row = lane - LANE_ASSOCIATE;
    } else if (lane >= LANE_DISSOCIATE && lane < LANE_ARCHIVE) {
        row = lane - LANE_DISSOCIATE;
    } else {
        return NULL;
    }
    ML_ASSERT(row < n);
    return &table[row];
}

enum map_object
lane_object(unsigned lane)
{
    const struct map_association *a = lane_association(lane);

    if (a != NULL) {
        return a->from;
    }
    if (lane >= LANE_ARCHIVE) {
        return (enum map_object)(lane - LANE_ARCHIVE);
    }
    if (lane == LANE_STATUS) {
        return MAP_INVOICES;
    }
    if (lane >= LANE_FIND) {
        return MAP_CONTACTS;
    }
    return (enum map_object)(lane % MAP_OBJECTS);
}

enum hubspot_verb
lane_verb(unsigned lane)
{
    if (lane >= LANE_ARCHIVE) {
        return HUBSPOT_ARCHIVE;
    }
    if (lane >= LANE_DISSOCIATE) {
        return HUBSPOT_DISSOCIATE;
    }
    if (lane == LANE_STATUS || lane == LANE_ADOPT) {
        return HUBSPOT_UPDATE;
    }
    if (lane >= LANE_ASSOCIATE) {
        return HUBSPOT_ASSOCIATE;
    }
    if (lane >= LANE_CREATE && lane < LANE_FIND) {
        return HUBSPOT_CREATE;
    }
    if (lane >= LANE_UPSERT && lane < LANE_FIND) {
        return HUBSPOT_UPSERT;
    }
    return HUBSPOT_READ;
}

bool
lane_makes(unsigned lane)
{
    enum hubspot_verb v = lane_verb(lane);

    return v == HUBSPOT_UPSERT || v == HUBSPOT_CREATE;
}

const char *
lane_name(unsigned lane)
{
    static const char *const associate[] = {
        "contacts-companies.associate", "invoices-contacts.associate",
        "invoices-companies.associate", "invoices-line_items.associate",
        "payments-contacts.associate",  "payments-companies.associate",
        "invoices-payments.associate",
    };
    static const char *const dissociate[] = {
        "contacts-companies.dissociate", "invoices-contacts.dissociate",
        "invoices-companies.dissociate", "invoices-line_items.dissociate",
        "payments-contacts.dissociate",  "payments-companies.dissociate",
        "invoices-payments.dissociate",
    };
    static const char *const names[][4] = {
        {"companies.read", "companies.upsert", "companies.create",
         "companies.archive"},
        {"contacts.read", "contacts.upsert", "contacts.create",
         "contacts.archive"},
        {"invoices.read", "invoices.upsert", "invoices.create",
         "invoices.archive"},
        {"line_items.read", "line_items.upsert", "line_items.create",
         "line_items.archive"},
        {"commerce_payments.read", "commerce_payments.upsert",
         "commerce_payments.create", "commerce_payments.archive"},
    };

    if (lane >= LANE_ARCHIVE) {
        return names[lane - LANE_ARCHIVE][3];
    }
    if (lane >= LANE_DISSOCIATE) {
        return dissociate[lane - LANE_DISSOCIATE];
    }
    if (lane == LANE_STATUS) {
        return "invoices.status";
    }
    if (lane >= LANE_ASSOCIATE) {
        return associate[lane - LANE_ASSOCIATE];
    }
    if (lane >= LANE_FIND) {
        return lane == LANE_ADOPT ? "contacts.adopt" : "contacts.find";
    }
    return names[lane % MAP_OBJECTS][lane / MAP_OBJECTS];
}

/* The stage of a job that brings needs into this lane, and the kind of job. */
static enum job_stage
lane_stage(unsigned lane)
{
    if (lane == LANE_STATUS) {
        return STAGE_STATUS;
    }
    if (lane >= LANE_DISSOCIATE) {
        return STAGE_CLEAN;
    }
    if (lane >= LANE_ASSOCIATE) {
        return STAGE_ASSOCIATE;
    }
    if (lane == LANE_CREATE + MAP_CONTACTS ||
        lane == LANE_CREATE + MAP_LINE_ITEMS) {
        return STAGE_PARTS;
    }
    return lane >= LANE_UPSERT ? STAGE_OBJECTS : STAGE_VERIFY;
}

static enum map_kind
lane_kind(unsigned lane)
{
    const struct map_association *a = lane_association(lane);

    if (a != NULL && (a->from == MAP_PAYMENTS || a->to == MAP_PAYMENTS)) {
        return MAP_PAYMENT;
    }
    switch (lane_object(lane)) {
    case MAP_COMPANIES:
    case MAP_CONTACTS:
        return MAP_CUSTOMER;
    case MAP_INVOICES:
    case MAP_LINE_ITEMS:
        return MAP_INVOICE;
    case MAP_PAYMENTS:
    case MAP_OBJECTS:
        break;
    }
    return MAP_PAYMENT;
}

/* How many jobs in memory have yet to reach each stage, by kind. */
struct upstream {
    size_t before[MAP_KINDS][STAGE_END + 1];
    bool children[MAP_KINDS]; /* jobs of this kind wait for one in memory */
    bool claims;              /* more jobs are about to come */
};

static void
count_upstream(const struct dtenant *t, struct upstream *u)
{
    bool room = dtenant_has_room(t);
    struct list *item, *next;

    *u = (struct upstream){.claims = dtenant_claims(t)};
    LIST_EACH((struct list *)(uintptr_t)&t->jobs, item, next)
    {
        const struct job *j = CONTAINER_OF(item, struct job, link);

        if (j->settled) {
            continue;
        }
        /* j->stage is the one after that of its needs in lanes; those that
         * are planned come into them when what went before is stored */
        for (int s = (int)j->stage - (j->n_planned > 0 ? 1 : 0); s <= STAGE_END;
             s++) {
            u->before[j->kind][s]++;
        }
        /* what waits for it in the store comes next, if there is room */
        for (int k = (int)j->kind + 1; room && k < MAP_KINDS; k++) {
            u->children[k] = true;
        }
    }
}

static const struct need *
oldest_of(const struct lane *lane)
{
    return CONTAINER_OF(list_first(&lane->needs), struct need, link);
}

static int64_t
lane_leaves_at(const struct dtenant *t, unsigned l, size_t max,
               const struct upstream *u)
{
    const struct dispatch_config *c = &t->d->config;
    const struct lane *lane = &t->lanes[l];
    bool more;

    if (!list_empty(&lane->halves)) {
        return 0;
    }
    if (lane->count == 0) {
        return INT64_MAX;
    }
    if (lane->count >= max) {
        return 0;
    }
    more = u->claims || u->children[lane_kind(l)] ||
           u->before[lane_kind(l)][lane_stage(l)] > 0;
    return oldest_of(lane)->since_us +
           (more ? c->linger_busy_ms : c->linger_ms) * 1000;
}

/* It could have left long ago but others were preferred all the time. */
static bool
lane_is_overdue(const struct dtenant *t, unsigned l, int64_t now_us)
{
    const struct lane *lane = &t->lanes[l];
    int64_t patience_us =
        (t->d->config.linger_busy_ms + OVERDUE_MS) * INT64_C(1000);

    return lane->count > 0 && now_us - oldest_of(lane)->since_us >= patience_us;
}

static struct batch *
lane_take(struct dtenant *t, unsigned l, size_t max)
{
    struct lane *lane = &t->lanes[l];
    struct list *item, *next;
    struct batch *b;

    if (!list_empty(&lane->halves)) {
        return CONTAINER_OF(list_pop(&lane->halves), struct batch, link);
    }
    b = batch_new(t, l, lane->count < max ? lane->count : max);
    max = b->n;
    b->n = 0;
    LIST_EACH(&lane->needs, item, next)
    {
        struct need *n = CONTAINER_OF(item, struct need, link);

        if (b->n < max && key_take(t->d, n)) {
            list_remove(&n->link);
            list_init(&n->link);
            b->needs[b->n++] = n;
            lane->count--;
        }
    }
    if (b->n == 0) {
        lane->blocked = t->d->keys_given;
        batch_free(b);
        return NULL;
    }
    return b;
}

enum { RANK_PARTIAL, RANK_FULL, RANK_OVERDUE, RANK_HALF };

struct choice {
    struct dtenant *tenant;
    unsigned lane;
    int rank;
    int64_t since_us;
};

static bool
choice_is_better(const struct choice *a, const struct choice *b)
{
    if (b->tenant == NULL || a->rank != b->rank) {
        return b->tenant == NULL || a->rank > b->rank;
    }
    if (a->lane != b->lane && a->rank != RANK_OVERDUE) {
        return a->lane > b->lane;
    }
    return a->since_us < b->since_us;
}

static void
tenant_choose(struct dtenant *t, int64_t now_us, struct choice *best,
              int64_t *wait_us)
{
    struct upstream u;

    count_upstream(t, &u);
    for (unsigned l = 0; l < LANES; l++) {
        struct lane *lane = &t->lanes[l];
        size_t max = hubspot_batch_max(lane_verb(l));
        int64_t at = lane_leaves_at(t, l, max, &u);
        struct choice c = {.tenant = t, .lane = l};

        if (at == INT64_MAX ||
            (list_empty(&lane->halves) && lane->blocked == t->d->keys_given)) {
            continue;
        }
        if (at > now_us) {
            *wait_us = at - now_us < *wait_us ? at - now_us : *wait_us;
            continue;
        }
        c.since_us = lane->count > 0 ? oldest_of(lane)->since_us : 0;
        if (!list_empty(&lane->halves)) {
            c.rank = RANK_HALF;
        } else if (lane_is_overdue(t, l, now_us)) {
            c.rank = RANK_OVERDUE;
        } else {
            c.rank = lane->count >= max ? RANK_FULL : RANK_PARTIAL;
        }
        if (choice_is_better(&c, best)) {
            *best = c;
        }
    }
}

struct batch *
lanes_next(struct dispatch *d, int64_t now_us, int64_t *wait_us)
{
    struct batch *b;

    do {
        struct choice best = {.tenant = NULL};
        struct list *item, *next;

        *wait_us = INT64_MAX;
        LIST_EACH(&d->tenants, item, next)
        {
            struct dtenant *t = CONTAINER_OF(item, struct dtenant, link);

            if (!t->halted && !t->removed && t->setup == SETUP_DONE) {
                tenant_choose(t, now_us, &best, wait_us);
            }
        }
        if (best.tenant == NULL) {
            return NULL;
        }
        b = lane_take(best.tenant, best.lane,
                      hubspot_batch_max(lane_verb(best.lane)));
    } while (b == NULL); /* what it holds is under way: another one */
    return b;
}

void
lane_put_halves(struct batch *b)
{
    size_t half = b->n / 2;
    size_t from[2] = {0, half}, count[2] = {half, b->n - half};

    ML_ASSERT(b->n > 1);
    for (size_t h = 2; h-- > 0;) {
        struct batch *part = batch_new(b->tenant, b->lane, count[h]);

        for (size_t i = 0; i < count[h]; i++) {
            part->needs[i] = b->needs[from[h] + i];
        }
        list_push_front(&b->tenant->lanes[b->lane].halves, &part->link);
    }
    b->n = 0; /* the keys stay taken */
    batch_free(b);
}

void
lane_put_alone(struct batch *b, size_t i)
{
    struct batch *one = batch_new(b->tenant, b->lane, 1);

    one->needs[0] = b->needs[i];
    b->needs[i] = NULL;
    list_push(&b->tenant->lanes[b->lane].halves, &one->link);
}

void
lanes_drop_job(struct job *j)
{
    struct dtenant *t = j->tenant;

    for (unsigned l = 0; l < LANES; l++) {
        struct list *item, *next;

        LIST_EACH(&t->lanes[l].needs, item, next)
        {
            struct need *n = CONTAINER_OF(item, struct need, link);

            if (n->job == j) {
                list_remove(&n->link);
                t->lanes[l].count--;
                j->pending--;
            }
        }
    }
}

void
lanes_drop_halves(struct dtenant *t)
{
    for (unsigned l = 0; l < LANES; l++) {
        struct list *item;

        while ((item = list_pop(&t->lanes[l].halves)) != NULL) {
            struct batch *b = CONTAINER_OF(item, struct batch, link);

            list_init(&b->link);
            for (size_t i = 0; i < b->n; i++) {
                b->needs[i]->job->pending--;
            }
            batch_free(b);
        }
    }
}
