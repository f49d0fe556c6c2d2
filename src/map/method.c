/* SPDX-License-Identifier: UNLICENSED */
/*
 * method: the name of a Fusion receipt method to HubSpot's payment method. A
 * company names its receipt methods freely, so whole words decide, the first
 * row of the table that occurs; what names none of them is "other".
 */
#include <string.h>

#include "map_priv.h"

static const struct {
    const char *words, *option;
} methods[] = {
    {"check", "check"},
    {"checks", "check"},
    {"cheque", "check"},
    {"cheques", "check"},
    {"chk", "check"},
    {"chq", "check"},
    {"wire", "wire_transfer"},
    {"wires", "wire_transfer"},
    {"swift", "wire_transfer"},
    {"telegraphic transfer", "wire_transfer"},
    {"bank transfer", "wire_transfer"},
    {"ach", "ach"},
    {"eft", "ach"},
    {"nacha", "ach"},
    {"card", "card"},
    {"cards", "card"},
    {"creditcard", "card"},
    {"visa", "card"},
    {"mastercard", "card"},
    {"amex", "card"},
    {"american express", "card"},
    {"cash", "cash"},
};

static char
fold(char c)
{
    if (c >= 'A' && c <= 'Z') {
        return (char)(c - 'A' + 'a');
    }
    if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9')) {
        return c;
    }
    /* Letters beyond ASCII belong to a word, all else parts words. */
    return (unsigned char)c >= 0x80 ? c : ' ';
}

bool
map_has_words(const char *text, const char *words)
{
    for (const char *start = text; *start != '\0'; start++) {
        const char *t = start;
        const char *w = words;

        if (start > text && fold(start[-1]) != ' ') {
            continue;
        }
        while (*w != '\0' && *t != '\0' && fold(*t) == fold(*w)) {
            bool gap = fold(*t) == ' ';

            t++;
            w++;
            while (gap && *t != '\0' && fold(*t) == ' ') {
                t++;
            }
        }
        if (*w == '\0' && (*t == '\0' || fold(*t) == ' ')) {
            return true;
        }
    }
    return false;
}

const char *
map_method(const char *receipt_method)
{
    for (size_t i = 0; i < COUNT_OF(methods); i++) {
        if (map_has_words(receipt_method, methods[i].words)) {
            return methods[i].option;
        }
    }
    return "other";
}
