/* SPDX-License-Identifier: UNLICENSED */
/*
 * One job in memory: the record's wanted objects, what its links know, and how
 * it ends.
 */
#include "dispatch_priv.h"

#include <inttypes.h>
#include <string.h>

static const char *
copy(struct job *j, const json_t *o, const char *key)
{
    return arena_strdup(&j->arena, jsonx_text(o, key));
}

/* ---- taking a job apart ------------------------------------------------- */

static const char *
dump(struct job *j, const json_t *o)
{
    struct jsonx_writer w;
    const char *kept;
    struct buf b;

    if (o == NULL) {
        return NULL;
    }
    buf_init(&b, OUTCOME_BYTES);
    jsonx_begin(&w, &b);
    jsonx_put_json(&w, o);
    kept = arena_strdup(&j->arena, buf_text(&b));
    buf_fini(&b);
    return kept;
}

/* What the record itself cannot know: who holds the e-mail, what the payer's
 * is. Before the links are compared, since it is part of what is wanted. */
static void
complete_wanted(const struct job *j, enum map_object object, json_t *properties)
{
    if (object == MAP_CONTACTS && j->email_holder != NULL &&
        j->email_holder[0] != '\0') {
        json_object_del(properties, "email");
    }
    if (object == MAP_PAYMENTS && j->customer.email != NULL) {
        json_object_set_new(properties, "hs_customer_email",
                            json_string(j->customer.email));
    }
}

static void
read_wanted(struct job *j, const json_t *objects)
{
    for (size_t i = 0; i < json_array_size(objects); i++) {
        const json_t *o = json_array_get(objects, i);
        struct part *p = &j->parts[j->n_parts];
        json_t *properties = json_object_get(o, "properties");
        const char *name = jsonx_text(o, "object");

        if (name == NULL || !map_object_parse(name, &p->object) ||
            !json_is_object(properties)) {
            continue;
        }
        complete_wanted(j, p->object, properties);
        p->key = copy(j, o, "key");
        p->properties = dump(j, properties);
        p->hash = map_properties_hash_of(properties);
        j->n_parts++;
    }
    j->n_wanted = j->n_parts;
}

struct part *
job_find_part(struct job *j, enum map_object object, const char *key)
{
    for (size_t i = 0; i < j->n_wanted; i++) {
        if (j->parts[i].object == object && text_equal(j->parts[i].key, key)) {
            return &j->parts[i];
        }
    }
    return NULL;
}

/* Whether what was last written holds all that is wanted. A value that Fusion
 * no longer has is left alone in HubSpot and needs no request. */
static bool
holds_wanted(const json_t *written, const char *wanted)
{
    struct fault ignored;
    json_t *o = NULL, *value;
    const char *key;
    bool holds = jsonx_parse(wanted, strlen(wanted), &o, &ignored) == ERR_OK;

    json_object_foreach(o, key, value)
    {
        holds = holds && (strcmp(key, "fusion_last_update") == 0 ||
                          text_equal(json_string_value(value),
                                     jsonx_text(written, key)));
    }
    json_decref(o);
    return holds;
}

static void
read_link(struct job *j, const json_t *link)
{
    const json_t *properties = json_object_get(link, "properties");
    const json_t *assoc = json_object_get(link, "assoc");
    const char *key = jsonx_text(link, "key");
    const char *name = jsonx_text(link, "object");
    const char *hash = jsonx_text(link, "hash");
    char text[HASH_TEXT_MAX];
    enum map_object object;
    struct part *p;

    if (name == NULL || !map_object_parse(name, &object)) {
        return;
    }
    p = job_find_part(j, object, key);
    if (p == NULL) { /* vanished from the record */
        p = &j->parts[j->n_parts++];
        p->object = object;
        p->key = arena_strdup(&j->arena, key);
    }
    p->id = copy(j, link, "id");
    p->before = json_object_size(properties) > 0 ? dump(j, properties) : NULL;
    p->status = copy(j, properties, "hs_invoice_status");
    p->current = !j->doubt && p->id != NULL && p->properties != NULL &&
                 hash != NULL &&
                 (text_equal(hash, hash_text(&p->hash, text)) ||
                  holds_wanted(properties, p->properties));
    p->assoc =
        arena_array(&j->arena, json_array_size(assoc) + 8, sizeof(*p->assoc));
    for (size_t i = 0; i < json_array_size(assoc); i++) {
        const char *entry = json_string_value(json_array_get(assoc, i));

        if (entry != NULL) {
            p->assoc[p->assoc_count++] = arena_strdup(&j->arena, entry);
        }
    }
    if (j->doubt) {
        p->linked =
            arena_array(&j->arena, p->assoc_count + 1, sizeof(*p->linked));
        memcpy(p->linked, p->assoc, p->assoc_count * sizeof(*p->linked));
        p->linked_count = p->assoc_count;
    }
}

static void
read_parent(struct job *j, const json_t *parents, const char *name,
            struct link_ref *ref)
{
    const json_t *o = json_object_get(parents, name);

    ref->id = copy(j, o, "id");
    ref->state = copy(j, o, "state");
    ref->company = copy(j, o, "company");
    ref->contact = copy(j, o, "contact");
    ref->email = copy(j, o, "email");
    ref->hubspot = copy(j, o, "hubspot");
}

void
part_set(struct job *j, struct part *p, const char *name, const char *value)
{
    json_t *o = json_loads(p->properties, 0, NULL);

    if (value != NULL) {
        json_object_set_new(o, name, json_string(value));
    } else {
        json_object_del(o, name);
    }
    p->properties = dump(j, o);
    p->hash = map_properties_hash_of(o);
    json_decref(o);
}

static void
read_job(struct job *j, const struct store_job *s, const json_t *desired,
         const json_t *links, const json_t *parents)
{
    const json_t *objects = json_object_get(desired, "objects");
    bool has = false;
    struct fault ignored;

    j->parts = arena_array(
        &j->arena, json_array_size(objects) + json_array_size(links) + 1,
        sizeof(*j->parts));
    if (jsonx_get_bool(desired, "gone", &has, &j->gone, &ignored) != ERR_OK) {
        j->gone = false;
    }
    j->status = copy(j, desired, "status");
    j->status_held = copy(j, desired, "status_held");
    read_parent(j, parents, "customer", &j->customer);
    read_parent(j, parents, "invoice", &j->invoice);
    if (!j->gone) {
        read_wanted(j, objects);
    }
    for (size_t i = 0; i < json_array_size(links); i++) {
        read_link(j, json_array_get(links, i));
    }
    if (j->gone && j->doubt) {
        doubt_gone(j, objects);
    }
    for (size_t i = 0; i < j->n_parts; i++) {
        if (j->parts[i].assoc == NULL) {
            j->parts[i].assoc = arena_array(&j->arena, 8, sizeof(char *));
        }
    }
    j->stage = s->verify || s->doubt ? STAGE_VERIFY : STAGE_OBJECTS;
    j->careful = s->verify || s->doubt || s->attempts > 0;
}

/* What the store gives is our own writing; a row spoilt by hand parks. */
struct job *
job_new(struct dtenant *t, const struct store_job *s)
{
    struct job *j = MEM_NEW(struct job);
    json_t *desired = NULL, *links = NULL, *parents = NULL;
    int64_t now_us = clock_mono_us();
    struct fault f;

    j->magic = JOB_MAGIC;
    j->tenant = t;
    arena_init(&j->arena);
    list_init(&j->planned);
    list_init(&j->strays);
    j->id = s->id;
    j->revision = s->revision;
    j->seen_us = now_us - s->seen_ago_us;
    j->sent_us = s->sent_ago_us >= 0 ? now_us - s->sent_ago_us : INT64_MIN;
    j->attempts = s->attempts;
    j->verify = s->verify;
    /* also when it has changed since a write that nobody knows the outcome of: what
     * that one made may be wanted no more */
    j->doubt = s->doubt || (s->verify && job_changed_since(j));
    j->fusion_id = arena_strdup(&j->arena, s->fusion_id);
    j->number = arena_strdup(&j->arena, s->number);
    j->klass = arena_strdup(&j->arena, s->klass);
    if (s->attempts > 0 || s->verify) {
        j->work = WORK_RETRY;
    } else {
        (void)work_class_parse(s->klass, &j->work);
    }
    j->email_holder = arena_strdup(&j->arena, s->email_holder);
    j->wait_ms = -1;
    list_push(&t->jobs, &j->link);
    t->n_jobs++;
    t->d->n_jobs++;
    fault_clear(&f);
    (void)fault_set(&f, ERR_TYPE, "the job's kind is not known");
    if (map_kind_parse(s->kind, &j->kind) &&
        jsonx_parse(s->desired, strlen(s->desired), &desired, &f) == ERR_OK &&
        jsonx_parse(s->links, strlen(s->links), &links, &f) == ERR_OK &&
        jsonx_parse(s->parents, strlen(s->parents), &parents, &f) == ERR_OK) {
        read_job(j, s, desired, links, parents);
    } else {
        job_worst(j, HUBSPOT_REJECTED, &f, false, -1);
    }
    json_decref(desired);
    json_decref(links);
    json_decref(parents);
    return j;
}

void
job_free(struct job *j)
{
    ML_ASSERT(j->magic == JOB_MAGIC);
    j->magic = 0;
    list_remove(&j->link);
    j->tenant->n_jobs--;
    j->tenant->d->n_jobs--;
    arena_fini(&j->arena);
    mem_free(j);
}

/* ---- parents ------------------------------------------------------------ */

bool
parent_is_missing(const struct link_ref *p)
{
    return text_equal(p->state, "missing") || text_equal(p->state, "gone");
}

const char *
job_waits_for(const struct job *j)
{
    struct arena *a = &((struct job *)(uintptr_t)j)->arena;

    if (j->gone || j->kind == MAP_CUSTOMER) {
        return NULL;
    }
    if (j->customer.id == NULL && j->kind == MAP_INVOICE) {
        return "no_customer";
    }
    if (j->customer.id != NULL && !parent_is_missing(&j->customer) &&
        (j->customer.company == NULL || j->customer.contact == NULL)) {
        return arena_printf(a, "customer:%s", j->customer.id);
    }
    if (j->invoice.id != NULL && !parent_is_missing(&j->invoice) &&
        j->invoice.hubspot == NULL) {
        return arena_printf(a, "invoice:%s", j->invoice.id);
    }
    return NULL;
}

/* ---- parts -------------------------------------------------------------- */

bool
part_has_assoc(const struct part *p, const char *entry)
{
    for (size_t i = 0; i < p->assoc_count; i++) {
        if (strcmp(p->assoc[i], entry) == 0) {
            return true;
        }
    }
    return false;
}

void
part_add_assoc(struct job *j, struct part *p, unsigned type, const char *id)
{
    const char *entry = arena_printf(&j->arena, "%u:%s", type, id);
    const char **grown;

    if (part_has_assoc(p, entry)) {
        return;
    }
    grown = arena_array(&j->arena, p->assoc_count + 1, sizeof(*grown));
    if (p->assoc_count > 0) {
        memcpy(grown, p->assoc, p->assoc_count * sizeof(*grown));
    }
    grown[p->assoc_count++] = entry;
    p->assoc = grown;
}

void
part_drop_assoc(struct part *p, unsigned type, const char *id)
{
    char entry[128];
    struct buf b;

    buf_init(&b, sizeof(entry));
    buf_addf(&b, "%u:%s", type, id);
    for (size_t i = 0; i < p->assoc_count; i++) {
        if (strcmp(p->assoc[i], buf_text(&b)) == 0) {
            p->assoc[i] = p->assoc[--p->assoc_count];
            break;
        }
    }
    buf_fini(&b);
}

/* ---- the end of a stage ------------------------------------------------- */

void
job_worst(struct job *j, enum hubspot_outcome outcome, const struct fault *f,
          bool counts, int64_t wait_ms)
{
    static const int rank[] = {[HUBSPOT_WRITTEN] = 0,
                               [HUBSPOT_ABSENT] = 0,
                               [HUBSPOT_RETRY] = 1,
                               [HUBSPOT_UNKNOWN] = 2,
                               [HUBSPOT_REJECTED] = 3};

    if (wait_ms > j->wait_ms) {
        j->wait_ms = wait_ms;
    }
    j->counts = j->counts || counts;
    if (rank[outcome] <= rank[j->verdict]) {
        return;
    }
    j->verdict = outcome;
    j->fault = *f;
}

static int64_t
retry_wait(const struct job *j)
{
    const struct dispatch_config *c = &j->tenant->d->config;
    double random = random_share();

    if (j->wait_ms >= 0) {
        return j->wait_ms;
    }
    return backoff_ms(j->attempts, c->retry_base_ms, c->retry_cap_ms, random);
}

static void
park(struct job *j, struct save *s)
{
    char safe[LOG_TEXT_MAX];
    struct save_note note = {.event = "job.parked",
                             .outcome = "parked",
                             .message = j->fault.message,
                             .fault = &j->fault};

    LOG_WARN(&j->tenant->log, "job.parked",
             "record=%s:%s job=%" PRId64 " error=%s message=\"%s\"",
             map_kind_name(j->kind), j->fusion_id, j->id,
             err_name(j->fault.err), log_safe(safe, j->fault.message));
    save_audit(s, j, &note);
    save_job_row(s, j, "parked", 0, NULL);
}

static void
settle_failed(struct job *j, struct save *s)
{
    const struct dispatch_config *c = &j->tenant->d->config;

    if (j->counts) {
        j->attempts++;
    }
    if (j->verdict == HUBSPOT_REJECTED ||
        (j->counts && j->attempts >= c->retry_attempts)) {
        park(j, s);
    } else {
        save_job_row(s, j, j->verdict == HUBSPOT_UNKNOWN ? "unknown" : "retry",
                     retry_wait(j), NULL);
    }
    j->settled = true;
    save_end(s, j);
}

/* A parent that HubSpot denies is waited for, but not again and again. */
static void
settle_orphan(struct job *j, struct save *s)
{
    j->attempts++;
    if (j->attempts >= j->tenant->d->config.retry_attempts) {
        (void)fault_set(&j->fault, ERR_MISSING,
                        "HubSpot denies what %s is there, also after that was "
                        "written again",
                        j->lost_parent);
        j->verdict = HUBSPOT_REJECTED;
        park(j, s);
    } else {
        save_job_row(s, j, "waiting", 0, j->lost_parent);
    }
    j->settled = true;
    save_end(s, j);
}

void
job_settle(struct job *j, struct save *s)
{
    ML_ASSERT(j->pending == 0 && !j->settled);
    if (j->lost_parent != NULL &&
        (j->verdict == HUBSPOT_WRITTEN || j->verdict == HUBSPOT_RETRY)) {
        settle_orphan(j, s);
        return;
    }
    if (j->verdict != HUBSPOT_WRITTEN) {
        settle_failed(j, s);
        return;
    }
    job_plan(j, s);
    if (j->n_planned == 0 && !j->did) {
        struct save_note note = {.event = "job.unchanged",
                                 .outcome = "unchanged",
                                 .message = "HubSpot holds all of it already"};

        save_audit(s, j, &note);
    }
    if (j->n_planned == 0) {
        save_job_row(s, j, "done", 0, NULL);
        j->settled = true;
        save_end(s, j);
    }
}
