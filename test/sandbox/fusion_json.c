/* SPDX-License-Identifier: UNLICENSED */
/*
 * Writes JSON as ADF does: two blanks of indent, `"key" : value`, empty
 * collections on one line. Numbers are written from exact integers without
 * trailing zeros (204.3, 2000). Time stamps show milliseconds when there are
 * any, else no fraction, though microseconds are stored.
 */
#include "fusion.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static void
newline(struct jw *j)
{
    static const char blanks[] = "\n                                        ";
    unsigned n = j->depth * 2;

    buf_add(j->b, blanks, 1U + (n < 40 ? n : 40));
}

static void
separate(struct jw *j)
{
    if (!j->first) {
        buf_addc(j->b, ',');
    }
    j->first = false;
    newline(j);
}

void
jw_open(struct jw *j, char c)
{
    buf_addc(j->b, c);
    j->depth++;
    j->first = true;
}

void
jw_close(struct jw *j, char c)
{
    j->depth--;
    if (!j->first) {
        newline(j);
    }
    buf_addc(j->b, c);
    j->first = false;
}

void
jw_key(struct jw *j, const char *name)
{
    separate(j);
    buf_addc(j->b, '"');
    buf_adds(j->b, name);
    buf_add(j->b, "\" : ", 4);
}

void
jw_element(struct jw *j)
{
    separate(j);
}

void
jw_str(struct jw *j, const char *s)
{
    const char *from = s;

    if (s == NULL) {
        jw_word(j, "null");
        return;
    }
    buf_addc(j->b, '"');
    for (; *s != 0; s++) {
        unsigned char c = (unsigned char)*s;

        if (c >= 0x20 && c != '"' && c != '\\') {
            continue;
        }
        buf_add(j->b, from, (size_t)(s - from));
        from = s + 1;
        if (c == '"' || c == '\\') {
            buf_addc(j->b, '\\');
            buf_addc(j->b, (char)c);
        } else {
            buf_addf(j->b, "\\u%04x", c);
        }
    }
    buf_add(j->b, from, (size_t)(s - from));
    buf_addc(j->b, '"');
}

void
jw_int(struct jw *j, int64_t n)
{
    char text[24];

    (void)snprintf(text, sizeof(text), "%" PRId64, n);
    buf_adds(j->b, text);
}

void
jw_word(struct jw *j, const char *s)
{
    buf_adds(j->b, s);
}

char *
dec_e_text(int64_t n, unsigned scale, char out[32])
{
    int64_t one = 1;
    int64_t rest = 0;

    for (unsigned i = 0; i < scale; i++) {
        one *= 10;
    }
    rest = (n < 0 ? -n : n) % one;
    (void)snprintf(out, 32, "%s%" PRId64, n < 0 ? "-" : "",
                   (n < 0 ? -n : n) / one);
    if (rest != 0) {
        size_t len = strlen(out);

        (void)snprintf(out + len, 32 - len, ".%0*" PRId64, (int)(scale % 10),
                       rest);
        for (len = strlen(out); out[len - 1] == '0'; len--) {
            out[len - 1] = 0;
        }
    }
    return out;
}

char *
stamp_text(int64_t us, int64_t offset_min, char out[TIME_TEXT_MAX])
{
    char whole[TIME_TEXT_MAX];
    int64_t ms = us / 1000 % 1000;
    int64_t away = offset_min < 0 ? -offset_min : offset_min;

    (void)time_format(us + offset_min * 60000000, whole);
    whole[19] = 0;
    if (ms != 0) {
        (void)snprintf(out, TIME_TEXT_MAX, "%.19s.%03d%c%02d:%02d", whole,
                       (int)ms, offset_min < 0 ? '-' : '+',
                       (int)(away / 60) % 100, (int)(away % 60));
    } else {
        (void)snprintf(out, TIME_TEXT_MAX, "%.19s%c%02d:%02d", whole,
                       offset_min < 0 ? '-' : '+', (int)(away / 60) % 100,
                       (int)(away % 60));
    }
    return out;
}

void
jw_val(struct jw *j, const struct fctx *c, const struct val *v)
{
    char text[TIME_TEXT_MAX];

    switch ((int)v->t) {
    case V_INT:
        jw_int(j, v->n);
        break;
    case V_DEC:
        (void)dec_e_text(v->n, v->scale, text);
        if (v->as_text) {
            jw_str(j, text);
        } else {
            jw_word(j, text);
        }
        break;
    case V_STR:
        jw_str(j, v->s);
        break;
    case V_DATE:
        jw_str(j, time_format_date(v->n * INT64_C(86400000000), text));
        break;
    case V_TIME:
        jw_str(j, stamp_text(v->n, c->pod->sw[SW_show_zone_min], text));
        break;
    case V_BOOL:
        jw_word(j, v->n != 0 ? "true" : "false");
        break;
    default:
        jw_word(j, "null");
        break;
    }
}
