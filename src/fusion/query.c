/* SPDX-License-Identifier: UNLICENSED */
/*
 * URLs of the pod and the two languages of q. Pure.
 *
 * Framework 1 asks by example: `A>=x and <=y;B=1 or =2`, conditions of one
 * attribute side by side. Framework 2 and later match rows:
 * `A >= x and A <= y and B in (1,2)`. Text literals stand in single quotes,
 * doubled inside. Everything is percent-encoded as one value. A time is cut to
 * what its literal can say, then moved into the zone that the pod reads it in.
 *
 * An absolute URL given as a resource (a self link) loses its host: a token
 * never goes anywhere but to the configured pod.
 */
#include "fusion_priv.h"

#include <stdio.h>
#include <string.h>

#define FSCM "/fscmRestApi/resources/11.13.18.05"
#define CRM "/crmRestApi/resources/11.13.18.05"
/* The first and the last time that a literal can say. */
#define YEAR_0000_US (INT64_C(-62167219200) * 1000000)
#define YEAR_9999_US (INT64_C(253402300800) * 1000000 - 1)

int64_t
fusion_literal_floor(enum fusion_literal literal, int64_t us)
{
    bool whole = literal == FUSION_LITERAL_BLANK_QUOTED ||
                 literal == FUSION_LITERAL_ISO_BARE;
    int64_t unit = whole ? 1000000 : 1000;
    int64_t rest = us % unit;

    return us - (rest < 0 ? rest + unit : rest);
}

static void
put_time(struct buf *b, const struct url_style *s, int64_t us)
{
    int64_t said = fusion_literal_floor(s->literal, us);
    char text[TIME_TEXT_MAX];

    said += s->zone * INT64_C(60000000);
    /* The form has four digits for the year. */
    said = said > YEAR_9999_US ? YEAR_9999_US : said;
    said = said < YEAR_0000_US ? YEAR_0000_US : said;
    (void)time_format(said, text);
    switch (s->literal) {
    case FUSION_LITERAL_BLANK_QUOTED:
        buf_addf(b, "'%.10s %.8s'", text, text + 11);
        break;
    case FUSION_LITERAL_ISO_BARE:
        buf_addf(b, "%.19sZ", text);
        break;
    case FUSION_LITERAL_ZULU_QUOTED:
        buf_addf(b, "'%.23sZ'", text);
        break;
    case FUSION_LITERAL_ISO_QUOTED:
    case FUSION_LITERALS:
    default:
        buf_addf(b, "'%.23s+00:00'", text);
        break;
    }
}

static void
put_text(struct buf *b, const char *s)
{
    buf_addc(b, '\'');
    for (; *s != 0; s++) {
        if (*s == '\'') {
            buf_addc(b, '\'');
        }
        buf_addc(b, *s);
    }
    buf_addc(b, '\'');
}

static void
put_value(struct buf *b, const struct url_style *s, const struct fusion_term *t)
{
    if (t->is_time) {
        put_time(b, s, t->time_us);
    } else if (t->text != NULL) {
        put_text(b, t->text);
    } else {
        ML_ASSERT(t->number != NULL);
        buf_adds(b, t->number);
    }
}

static void
put_list(struct buf *b, const struct fusion_term *t, const char *between)
{
    for (size_t i = 0; t->list[i] != NULL; i++) {
        buf_adds(b, i == 0 ? "" : between);
        if (t->list_is_text) {
            put_text(b, t->list[i]);
        } else {
            buf_adds(b, t->list[i]);
        }
    }
}

static void
put_example(struct buf *b, const struct url_style *s,
            const struct fusion_query *q)
{
    for (size_t i = 0; i < q->n_terms; i++) {
        const struct fusion_term *t = &q->terms[i];

        if (i > 0 && strcmp(q->terms[i - 1].attribute, t->attribute) == 0) {
            buf_adds(b, " and ");
        } else {
            buf_addf(b, "%s%s", i == 0 ? "" : ";", t->attribute);
        }
        if (t->list != NULL) {
            buf_addc(b, '=');
            put_list(b, t, " or =");
            continue;
        }
        buf_adds(b, t->op);
        put_value(b, s, t);
    }
}

static void
put_match(struct buf *b, const struct url_style *s,
          const struct fusion_query *q)
{
    for (size_t i = 0; i < q->n_terms; i++) {
        const struct fusion_term *t = &q->terms[i];

        buf_adds(b, i == 0 ? "" : " and ");
        if (t->list != NULL) {
            buf_addf(b, "%s in (", t->attribute);
            put_list(b, t, ",");
            buf_addc(b, ')');
            continue;
        }
        buf_addf(b, "%s %s ", t->attribute, t->op);
        put_value(b, s, t);
    }
}

void
query_text(struct buf *b, const struct url_style *s,
           const struct fusion_query *q)
{
    if (s->version == 1) {
        put_example(b, s, q);
    } else {
        put_match(b, s, q);
    }
}

/* "?a=" or "&a=": the first parameter opens the query. */
static void
put_param(struct buf *b, bool *first, const char *name, const char *value)
{
    if (value == NULL || *value == 0) {
        return;
    }
    buf_addf(b, "%c%s=", *first ? '?' : '&', name);
    *first = false;
    http_encode(b, value);
}

static void
put_params(struct buf *b, const struct url_style *s,
           const struct fusion_query *q, unsigned offset)
{
    struct buf text;
    char number[16];
    bool first = strchr(q->resource, '?') == NULL;

    buf_init(&text, URL_MAX);
    query_text(&text, s, q);
    put_param(b, &first, "finder", q->finder);
    put_param(b, &first, "q", buf_text(&text));
    put_param(b, &first, "orderBy", q->order_by);
    put_param(b, &first, "expand", q->fields == NULL ? q->expand : NULL);
    put_param(b, &first, "fields", q->fields);
    if (q->limit > 0) {
        (void)snprintf(number, sizeof(number), "%u", q->limit);
        put_param(b, &first, "limit", number);
    }
    if (offset > 0) {
        (void)snprintf(number, sizeof(number), "%u", offset);
        put_param(b, &first, "offset", number);
    }
    if (!q->links) {
        put_param(b, &first, "onlyData", "true");
    }
    if (text.failed) {
        b->failed = true;
    }
    buf_fini(&text);
}

/* Where the pod's own part of an absolute URL begins; NULL: not one. */
static const char *
pod_part(const char *url)
{
    const char *at = strstr(url, "/fscmRestApi/");

    return at != NULL ? at : strstr(url, "/crmRestApi/");
}

void
query_url(struct buf *b, const struct url_style *s,
          const struct fusion_query *q, unsigned offset)
{
    const char *own =
        strstr(q->resource, "://") == NULL ? NULL : pod_part(q->resource);

    buf_adds(b, s->base);
    if (own != NULL) {
        buf_adds(b, own);
    } else {
        buf_addf(b, "%s/%s", q->crm ? CRM : FSCM, q->resource);
    }
    put_params(b, s, q, offset);
}

void
query_path(struct buf *b, const struct url_style *s,
           const struct fusion_query *q, unsigned offset)
{
    const char *own = strstr(q->resource, "://") == NULL ?
                          NULL :
                          strstr(q->resource, FSCM "/");

    if (own != NULL) {
        buf_adds(b, own + strlen(FSCM));
    } else {
        buf_addf(b, "/%s", q->resource);
    }
    put_params(b, s, q, offset);
}

void
query_label(const char *resource, char *out, size_t n)
{
    const char *end = resource + strcspn(resource, "?");
    const char *last = resource;
    const char *child = strstr(resource, "/child/");

    while (child != NULL && child < end) {
        last = child + strlen("/child/");
        child = strstr(last, "/child/");
    }
    if (last == resource) {
        const char *own = strstr(resource, "11.13.18.05/");

        last = own != NULL ? own + strlen("11.13.18.05/") : resource;
    }
    (void)snprintf(out, n, "%s", last);
    out[strcspn(out, "/?")] = 0;
}

void
query_name(const char *resource, char *out, size_t n)
{
    if (strstr(resource, "://") != NULL) {
        query_label(resource, out, n);
        return;
    }
    (void)snprintf(out, n, "%s", resource);
    out[strcspn(out, "?")] = 0;
}
