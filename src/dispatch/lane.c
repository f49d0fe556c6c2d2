/* SPDX-License-Identifier: UNLICENSED */
/*
 * Lanes: where equal needs of different jobs meet.
 *
 * A lane's batch may leave when it is full, or when its oldest need has waited
 * `linger` and no job in memory that has yet to come to this lane's step could
 * still fill it, or `linger_busy` in any case. Halves of a refused batch may
 * leave at once and as they are.
 *
 * A batch is of the class of its oldest need; halves are of the class retry.
 * Among classes with batches that may leave, shares decide. Within a class
 * halves go first. A lane passed over for too long goes next, the oldest first:
 * no tenant and no kind of record starves behind another's backlog. Then a full
 * one before a partly filled one, then the one with whose answer most jobs are
 * done, a later step before an earlier one, an older need before a younger.
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
    n->place = ++t->d->n_needs;
    list_push(&t->lanes[n->lane].needs, &n->link);
    t->lanes[n->lane].count++;
    t->lanes[n->lane].blocked = 0;
}

/* It was taken from the front: only others that returned stand before it. */
void
lane_return(struct dtenant *t, struct need *n)
{
    struct list *needs = &t->lanes[n->lane].needs;
    struct list *at = needs->next;

    while (at != needs &&
           CONTAINER_OF(at, struct need, link)->place < n->place) {
        at = at->next;
    }
    list_push(at, &n->link); /* before it */
    t->lanes[n->lane].count++;
    t->lanes[n->lane].blocked = 0;
}

const struct map_association *
lane_association(unsigned lane)
{
    size_t n;
    const struct map_association *table = map_associations(&n);
    size_t row;

    if (lane >= LANE_JOINED && lane < LANE_STRAY) {
        row = lane - LANE_JOINED;
    } else if (lane >= LANE_ASSOCIATE && lane < LANE_STATUS) {
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
    if (lane >= LANE_STRAY) {
        return (enum map_object)(lane - LANE_STRAY);
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
    if (lane >= LANE_JOINED) {
        return lane < LANE_STRAY ? HUBSPOT_JOINED : HUBSPOT_READ;
    }
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

bool
lane_reads(unsigned lane)
{
    enum hubspot_verb v = lane_verb(lane);

    return v == HUBSPOT_READ || v == HUBSPOT_JOINED;
}

const char *
lane_name(unsigned lane)
{
    static const char *const joined[] = {
        "contacts-companies.read", "invoices-contacts.read",
        "invoices-companies.read", "invoices-line_items.read",
        "payments-contacts.read",  "payments-companies.read",
        "invoices-payments.read",
    };
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

    if (lane >= LANE_STRAY) {
        return names[lane - LANE_STRAY][0];
    }
    if (lane >= LANE_JOINED) {
        return joined[lane - LANE_JOINED];
    }
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
    if (lane >= LANE_JOINED) {
        return lane < LANE_STRAY ? STAGE_JOINED : STAGE_STRAYS;
    }
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

    if (lane >= LANE_STRAY) {
        return MAP_INVOICE; /* mostly */
    }
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
    int64_t at;
    bool more;

    if (!list_empty(&lane->halves)) {
        return lane->paused_until_us;
    }
    if (lane->count == 0) {
        return INT64_MAX;
    }
    if (lane->count >= max) {
        return lane->paused_until_us;
    }
    more = u->claims || u->children[lane_kind(l)] ||
           u->before[lane_kind(l)][lane_stage(l)] > 0;
    at = oldest_of(lane)->since_us +
         (more ? c->linger_busy_ms : c->linger_ms) * 1000;
    return at > lane->paused_until_us ? at : lane->paused_until_us;
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
        b = CONTAINER_OF(list_pop(&lane->halves), struct batch, link);
        b->work = WORK_RETRY;
        return b;
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
    b->work = b->needs[0]->job->work;
    return b;
}

/* ---- which lane --------------------------------------------------------- */

static bool
status_stands(const struct job *j)
{
    return j->kind != MAP_INVOICE || j->n_wanted == 0 || j->status == NULL ||
           j->status_held != NULL ||
           text_equal(j->status, j->parts[0].status != NULL ?
                                     j->parts[0].status :
                                     "draft");
}

/* Objects that HubSpot has are joined already; so are new ones of a record that
 * belongs to nobody. */
static bool
is_joined(const struct job *j)
{
    bool creates = j->tenant->d->config.creates && !j->careful;

    if (j->kind == MAP_PAYMENT &&
        (creates || (j->customer.id == NULL && j->invoice.id == NULL))) {
        return true;
    }
    for (size_t i = 0; i < j->n_wanted; i++) {
        if (j->parts[i].id == NULL) {
            return false;
        }
    }
    return true;
}

/* Whether this step is, as far as can be told, the job's last. */
static bool
step_is_last(const struct job *j, enum job_stage stage)
{
    switch (stage) {
    case STAGE_VERIFY:
    case STAGE_JOINED:
    case STAGE_STRAYS:
        return false;
    case STAGE_OBJECTS:
        return is_joined(j) && status_stands(j) && j->n_parts == j->n_wanted;
    case STAGE_PARTS:
    case STAGE_ASSOCIATE:
        return status_stands(j) && j->n_parts == j->n_wanted;
    case STAGE_STATUS:
        return j->n_parts == j->n_wanted;
    case STAGE_CLEAN:
    case STAGE_END:
        break;
    }
    return true;
}

/* How many jobs have nothing left to do when this lane's next batch is
 * answered. A job's needs stand together. */
static size_t
lane_finishes(const struct lane *lane, unsigned l, size_t max)
{
    const struct list *item = lane->needs.next;
    size_t n = lane->count < max ? lane->count : max;
    size_t together = 0, jobs = 0;
    const struct job *last = NULL;

    for (size_t i = 0; i < n; i++, item = item->next) {
        const struct job *j =
            CONTAINER_OF((struct list *)(uintptr_t)item, struct need, link)
                ->job;

        together = j == last ? together + 1 : 1;
        last = j;
        if (together == j->pending && step_is_last(j, lane_stage(l))) {
            jobs++;
        }
    }
    return jobs;
}

enum { RANK_PARTIAL, RANK_FULL, RANK_OVERDUE, RANK_HALF };

struct choice {
    struct dtenant *tenant;
    unsigned lane;
    int rank;
    size_t finishes;
    int64_t since_us;
};

static bool
choice_is_better(const struct choice *a, const struct choice *b)
{
    if (b->tenant == NULL || a->rank != b->rank) {
        return b->tenant == NULL || a->rank > b->rank;
    }
    if (a->rank != RANK_OVERDUE && a->finishes != b->finishes) {
        return a->finishes > b->finishes;
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
        enum work_class work = WORK_RETRY;

        if (at == INT64_MAX ||
            (list_empty(&lane->halves) && lane->blocked == t->d->keys_given)) {
            continue;
        }
        if (at > now_us) {
            *wait_us = at - now_us < *wait_us ? at - now_us : *wait_us;
            continue;
        }
        if (!list_empty(&lane->halves)) {
            c.rank = RANK_HALF;
        } else {
            work = oldest_of(lane)->job->work;
            c.rank = lane_is_overdue(t, l, now_us) ? RANK_OVERDUE :
                     lane->count >= max            ? RANK_FULL :
                                                     RANK_PARTIAL;
            c.since_us = oldest_of(lane)->since_us;
            c.finishes = lane_finishes(lane, l, max);
        }
        if (choice_is_better(&c, &best[work])) {
            best[work] = c;
        }
    }
}

/* The class whose turn it is, and its best lane; NULL: nothing may leave. */
static const struct choice *
choose(struct dispatch *d, int64_t now_us, struct choice best[WORK_CLASSES],
       int64_t *wait_us)
{
    struct list *item, *next;
    unsigned has_work = 0;
    int work;

    *wait_us = INT64_MAX;
    LIST_EACH(&d->tenants, item, next)
    {
        struct dtenant *t = CONTAINER_OF(item, struct dtenant, link);

        if (!t->halted && !t->removed && t->setup == SETUP_DONE) {
            tenant_choose(t, now_us, best, wait_us);
        }
    }
    for (unsigned i = 0; i < WORK_CLASSES; i++) {
        has_work |= best[i].tenant != NULL ? BIT(i) : 0;
    }
    work = share_pick(&d->share, has_work);
    return work >= 0 ? &best[work] : NULL;
}

struct batch *
lanes_next(struct dispatch *d, int64_t now_us, int64_t *wait_us)
{
    struct batch *b;

    do {
        struct choice best[WORK_CLASSES] = {{.tenant = NULL}};
        const struct choice *one = choose(d, now_us, best, wait_us);

        if (one == NULL) {
            return NULL;
        }
        b = lane_take(one->tenant, one->lane,
                      hubspot_batch_max(lane_verb(one->lane)));
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
            b->needs[from[h] + i] = NULL; /* its key stays taken */
        }
        list_push_front(&b->tenant->lanes[b->lane].halves, &part->link);
    }
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
