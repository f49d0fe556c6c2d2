/* SPDX-License-Identifier: UNLICENSED */
/*
 * Outcomes that the database refuses for their content, which it would refuse
 * for ever.
 *
 *     refused three times --> divided: a save for each job, then what is left,
 *                             which closes the request
 *     one job's, refused  --> reduced
 *
 * So the jobs beside the one it is about lose nothing. Reduced, an outcome says
 * that the request was made and nobody knows what came of it: the job is read
 * back and tried again, and parks when it comes to the same each time. One that
 * is refused even so, and refusals that have to do with the database (rights,
 * schema), stop the portal until a person has mended that.
 *
 * The request stays open in the store until all pieces are in: dies the process
 * before, all of it is unknown to the next owner.
 */
#include "dispatch_priv.h"

#include <inttypes.h>
#include <string.h>

bool
save_is_refused(const struct save *s, enum err err, const struct fault *f)
{
    /* SQLSTATEs: cardinality, data, constraint, limit of the program, raised,
     * internal */
    static const char *const classes[] = {"21", "22", "23", "54", "P0", "XX"};

    for (size_t i = 0;
         err == ERR_DB_STATEMENT && !s->reduced && i < COUNT_OF(classes); i++) {
        if (strncmp(f->code, classes[i], 2) == 0) {
            return true;
        }
    }
    return false;
}

/* ---- reduced ------------------------------------------------------------ */

static void
reduce(struct save *s, const struct fault *f)
{
    size_t ended = s->n_ended;
    struct fault why = *f;
    char safe[LOG_TEXT_MAX];

    LOG_ERROR(&s->tenant->log, "dispatch.refused",
              "portal=%s job=%" PRId64 " code=%s message=\"%s\"",
              s->tenant->d->portal,
              ended > 0        ? s->ended[0]->id :
              s->n_carried > 0 ? s->carried[0]->id :
                                 0,
              f->code, log_safe(safe, f->message));
    stat_add(STAT_outcomes_refused, NULL, NULL, 1);
    (void)fault_set(&why, ERR_DB_STATEMENT,
                    "the database refused what came of it");
    s->reduced = true;
    s->result = "unknown";
    save_fini(s);
    save_begin(s);
    for (size_t i = 0; i < s->n_carried; i++) {
        if (!s->carried[i]->settled) {
            job_worst(s->carried[i], HUBSPOT_UNKNOWN, &why, true, -1);
        }
    }
    s->n_ended = 0;
    for (size_t i = 0; i < ended; i++) { /* each ends once more, in its place */
        struct job *j = s->ended[i];

        j->settled = false;
        j->counts = true;
        j->verdict = HUBSPOT_UNKNOWN;
        j->fault = why;
        job_settle(j, s);
    }
    save_close(s);
    save_start(s);
}

/* ---- divided ------------------------------------------------------------ */

/* Moves the rows of one job. */
static void
move_rows(struct save *to, struct save *from, const struct job *j)
{
    for (size_t i = 0; i < from->n_rows; i++) {
        struct save_row *r = &from->rows[i];
        const char *text = from->lists[r->which].text.data + r->from;
        size_t n = r->to - r->from;
        char *row;

        if (r->job != j || n == 0) {
            continue;
        }
        if (*text == ',') {
            text++;
            n--;
        }
        row = mem_strndup(text, n);
        jsonx_put_raw(&to->lists[r->which].w, row);
        to->lists[r->which].n++;
        mem_free(row);
        r->from = r->to;
    }
}

/* Takes j out of the list: whether it was there. */
static bool
take_out(struct job **list, size_t *n, const struct job *j)
{
    for (size_t i = 0; i < *n; i++) {
        if (list[i] == j) {
            list[i] = list[--*n];
            return true;
        }
    }
    return false;
}

static void
piece_out(struct save *s, struct job *j)
{
    struct save *p = save_new(s->tenant, NULL);

    p->result = s->result;
    p->whole = s;
    s->pieces++;
    move_rows(p, s, j);
    if (take_out(s->carried, &s->n_carried, j)) {
        save_remember(&p->carried, &p->n_carried, &p->cap_carried, j);
    }
    if (take_out(s->ended, &s->n_ended, j)) {
        save_remember(&p->ended, &p->n_ended, &p->cap_ended, j);
    }
    p->refusals = REFUSALS_MAX - 1; /* of one that is its own: at once */
    save_send(p);
}

/* Some job it has to do with, and is not of `other`; NULL: none. One that only
 * has rows may be gone: its address is a name. */
static struct job *
job_of(const struct save *s, const struct job *other)
{
    for (size_t i = 0; i < s->n_ended; i++) {
        if (s->ended[i] != other) {
            return s->ended[i];
        }
    }
    for (size_t i = 0; i < s->n_carried; i++) {
        if (s->carried[i] != other) {
            return s->carried[i];
        }
    }
    for (size_t i = 0; i < s->n_rows; i++) {
        const struct save_row *r = &s->rows[i];

        if (r->job != NULL && r->job != other && r->to > r->from) {
            return (struct job *)(uintptr_t)r->job;
        }
    }
    return NULL;
}

void
save_divide(struct save *s, const struct fault *f)
{
    struct job *j = job_of(s, NULL);
    struct save rest = {.rows = NULL};

    if (j == NULL || (job_of(s, j) == NULL && s->lists[SAVE_GONE].n == 0)) {
        reduce(s, f);
        return;
    }
    for (; j != NULL; j = job_of(s, NULL)) {
        piece_out(s, j);
    }
    save_begin(&rest);
    move_rows(&rest, s, NULL);
    save_close(&rest);
    save_fini(s);
    memcpy(s->lists, rest.lists, sizeof(s->lists));
    s->n_rows = 0;
    s->refusals = REFUSALS_MAX - 1;
}
