/* SPDX-License-Identifier: UNLICENSED */
/*
 * industry: a Fusion classification to an option of HubSpot's company
 * property `industry`. The name decides where it is one of HubSpot's own; else
 * the code does: a SIC code (1987) by its major group of two digits, a NAICS
 * code by its longest prefix of up to three digits. A code list that mixes
 * trades which HubSpot keeps apart has no row and stays unmapped.
 */
#include <string.h>

#include "map_priv.h"

static const char *const options[] = {
#define INDUSTRY(option) #option,
#define SIC(code, option)
#define NAICS(code, option)
#include "industry.def"
#undef INDUSTRY
#undef SIC
#undef NAICS
};

struct code_row {
    const char *prefix, *option;
};

static const struct code_row sic_rows[] = {
#define INDUSTRY(option)
#define SIC(code, option) {code, #option},
#define NAICS(code, option)
#include "industry.def"
#undef INDUSTRY
#undef SIC
#undef NAICS
};

static const struct code_row naics_rows[] = {
#define INDUSTRY(option)
#define SIC(code, option)
#define NAICS(code, option) {code, #option},
#include "industry.def"
#undef INDUSTRY
#undef SIC
#undef NAICS
};

enum { NAME_MAX_BYTES = 128 };

/* Upper-case words joined by `_`, without "and", which HubSpot's own options
 * have here and not there. */
static void
normalise(const char *s, char out[NAME_MAX_BYTES])
{
    size_t n = 0;
    size_t word = 0;

    for (;; s++) {
        char c = *s >= 'a' && *s <= 'z' ? (char)(*s - 'a' + 'A') : *s;
        bool inside = (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');

        if (inside && n + 2 < NAME_MAX_BYTES) {
            out[n++] = c;
        }
        if (inside) {
            continue;
        }
        if (n - word == 3 && memcmp(out + word, "AND", 3) == 0) {
            n = word;
        }
        if (n > word && n + 2 < NAME_MAX_BYTES) {
            out[n++] = '_';
            word = n;
        }
        if (*s == '\0') {
            break;
        }
    }
    out[n] = '\0';
}

static const char *
by_name(const char *meaning)
{
    char want[NAME_MAX_BYTES];
    char have[NAME_MAX_BYTES];

    normalise(meaning, want);
    for (size_t i = 0; i < COUNT_OF(options); i++) {
        normalise(options[i], have);
        if (want[0] != '\0' && strcmp(want, have) == 0) {
            return options[i];
        }
    }
    return NULL;
}

static const char *
by_code(const struct code_row *rows, size_t n, const char *code)
{
    const char *found = NULL;
    size_t longest = 0;

    for (size_t i = 0; i < n; i++) {
        size_t len = strlen(rows[i].prefix);

        if (len > longest && text_has_prefix(code, rows[i].prefix)) {
            longest = len;
            found = rows[i].option;
        }
    }
    return found;
}

const char *
map_industry(const char *category, const char *code, const char *meaning)
{
    const char *found = meaning != NULL ? by_name(meaning) : NULL;
    char kind[NAME_MAX_BYTES];

    if (found != NULL || category == NULL || code == NULL ||
        strspn(code, "0123456789") < 2) {
        return found;
    }
    normalise(category, kind);
    if (strstr(kind, "NAICS") != NULL) {
        return by_code(naics_rows, COUNT_OF(naics_rows), code);
    }
    if (strstr(kind, "SIC") != NULL) {
        return by_code(sic_rows, COUNT_OF(sic_rows), code);
    }
    return NULL;
}
