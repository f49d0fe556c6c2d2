/* SPDX-License-Identifier: UNLICENSED */
/*
 * Errors: names, sentences and classes, all from err.def; the fault record
 * that travels beside an error; and the two ways this program ends itself,
 * a failed assertion and a fatal lack of something.
 *
 * A fault's message is always valid to store: it is cut at a character, never
 * inside one.
 */
#include "base_priv.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct {
    const char *name;
    const char *text;
    enum err_class class;
} errs[ERR_COUNT] = {
#define ERR(name, class, text) [ERR_##name] = {#name, text, ERR_CLASS_##class},
#include "ml/err.def"
#undef ERR
};

static const char *const class_names[] = {
    [ERR_CLASS_NONE] = "none",     [ERR_CLASS_AGAIN] = "again",
    [ERR_CLASS_LATER] = "later",   [ERR_CLASS_AUTH] = "auth",
    [ERR_CLASS_REJECT] = "reject", [ERR_CLASS_HALT] = "halt",
    [ERR_CLASS_BUG] = "bug",
};

const char *
err_name(enum err err)
{
    ML_ASSERT((unsigned)err < ERR_COUNT);
    return errs[err].name;
}

const char *
err_text(enum err err)
{
    ML_ASSERT((unsigned)err < ERR_COUNT);
    return errs[err].text;
}

enum err_class
err_class(enum err err)
{
    ML_ASSERT((unsigned)err < ERR_COUNT);
    return errs[err].class;
}

const char *
err_class_name(enum err_class c)
{
    ML_ASSERT((unsigned)c < COUNT_OF(class_names));
    return class_names[c];
}

void
fault_clear(struct fault *f)
{
    memset(f, 0, sizeof(*f));
}

enum err
fault_set(struct fault *f, enum err err, const char *fmt, ...)
{
    va_list ap;
    int n;

    if (f == NULL) {
        return err;
    }
    f->err = err;
    va_start(ap, fmt);
    n = vsnprintf(f->message, sizeof(f->message), fmt, ap);
    va_end(ap);
    if (n >= (int)sizeof(f->message)) {
        (void)base_trim_utf8(f->message, sizeof(f->message) - 1);
    }
    return err;
}

void
base_fatal(const char *what)
{
    (void)fprintf(stderr, "ml-connector: fatal: %s\n", what);
    abort();
}

void
base_assert_failed(const char *file, int line, const char *text)
{
    (void)fprintf(stderr, "%s:%d: assertion failed: %s\n", file, line, text);
    abort();
}
