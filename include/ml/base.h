/* SPDX-License-Identifier: UNLICENSED */
#ifndef ML_BASE_H
#define ML_BASE_H

/*
 * base: what every module stands on. Memory, buffers, lists, maps, a heap,
 * clocks, time stamps, exact decimals, errors, secrets, hashes, randomness.
 * No I/O, no threads, no callbacks.
 */
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MUST_USE __attribute__((warn_unused_result))
#define PRINTF_LIKE(fmt, first) __attribute__((format(printf, fmt, first)))
#define NORETURN __attribute__((noreturn))
#define BIT(n) (1U << (unsigned)(n))
#define COUNT_OF(a) (sizeof(a) / sizeof((a)[0]))

/* Ours, and on in every build: for our own mistakes only, never for what a
 * peer, a file or an operator sends. Prints file, line and text, aborts. */
#define ML_ASSERT(cond)                                                        \
    ((cond) ? (void)0 : base_assert_failed(__FILE__, __LINE__, #cond))
NORETURN void base_assert_failed(const char *file, int line, const char *text);

/* The struct that contains `member` at `ptr`. */
#define CONTAINER_OF(ptr, type, member)                                        \
    ((type *)(void *)((char *)(ptr)-offsetof(type, member)))

/* ---- errors ------------------------------------------------------------- */

enum err {
#define ERR(name, class, text) ERR_##name,
#include "ml/err.def"
#undef ERR
    ERR_COUNT
};

/* What happens next: AGAIN back off and retry, LATER wait as told, AUTH refresh
 * once then retry, REJECT this record is wrong, HALT a person is needed, BUG
 * abort. */
enum err_class {
    ERR_CLASS_NONE,
    ERR_CLASS_AGAIN,
    ERR_CLASS_LATER,
    ERR_CLASS_AUTH,
    ERR_CLASS_REJECT,
    ERR_CLASS_HALT,
    ERR_CLASS_BUG
};

const char *err_name(enum err err); /* "THROTTLED"; static */
const char *err_text(enum err err); /* the sentence; static */
enum err_class err_class(enum err err);
const char *err_class_name(enum err_class c); /* "again"; static */

enum { FAULT_MESSAGE_MAX = 512, FAULT_CODE_MAX = 64 };

/* What is known about a failure, beside its enum err. Plain value, no owner.
 * All texts are cut to fit and NUL-terminated. */
struct fault {
    enum err err;
    int http_status;                  /* 0: none */
    char code[FAULT_CODE_MAX];        /* the vendor's code or category, "" */
    char correlation[FAULT_CODE_MAX]; /* the vendor's request id, "" */
    char message[FAULT_MESSAGE_MAX];
};

void fault_clear(struct fault *f);
/* Sets err and the message; keeps status, code and correlation. Returns err. */
enum err fault_set(struct fault *f, enum err err, const char *fmt, ...)
    PRINTF_LIKE(3, 4);

/* ---- memory: never NULL; out of memory aborts with a line on stderr ----- */

void *mem_alloc(size_t size);               /* zeroed; size 0 gives 1 byte */
void *mem_array(size_t n, size_t size);     /* zeroed, overflow checked */
void *mem_resize(void *p, size_t size);     /* new bytes are undefined */
void mem_free(void *p);                     /* NULL does nothing */
char *mem_strdup(const char *s);            /* NULL gives NULL */
char *mem_strndup(const char *s, size_t n); /* up to a NUL, at most n */
char *mem_dup(const void *p, size_t n);     /* all n bytes, and a NUL */
char *mem_printf(const char *fmt, ...) PRINTF_LIKE(1, 2);
char *mem_vprintf(const char *fmt, va_list ap) PRINTF_LIKE(1, 0);
#define MEM_NEW(type) ((type *)mem_alloc(sizeof(type)))

/* An arena: many small allocations that die together. */
struct arena_block;
struct arena {
    struct arena_block *head;
    size_t used; /* bytes handed out since init or reset */
};
void arena_init(struct arena *a);
void arena_fini(struct arena *a);
void arena_reset(struct arena *a);               /* keeps the first block */
void *arena_alloc(struct arena *a, size_t size); /* zeroed, aligned to 16 */
void *arena_array(struct arena *a, size_t n, size_t size);
char *arena_strdup(struct arena *a, const char *s); /* NULL gives NULL */
char *arena_strndup(struct arena *a, const char *s, size_t n);
char *arena_printf(struct arena *a, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* ---- buffer: grows up to its ceiling; failure is sticky ----------------- */

/* data is NUL-terminated once something was added, else NULL. After the
 * ceiling was hit `failed` stays true and adding does nothing: check once at
 * the end. */
struct buf {
    char *data;
    size_t len;
    size_t cap;
    size_t max;
    bool failed;
};
void buf_init(struct buf *b, size_t max);
void buf_fini(struct buf *b);  /* safe twice; may be init'ed again */
void buf_reset(struct buf *b); /* len 0, failed false, memory kept */
void buf_add(struct buf *b, const void *p, size_t n);
void buf_adds(struct buf *b, const char *s);
void buf_addc(struct buf *b, char c);
void buf_addf(struct buf *b, const char *fmt, ...) PRINTF_LIKE(2, 3);
const char *buf_text(const struct buf *b);  /* never NULL: "" when empty */
char *buf_take(struct buf *b, size_t *len); /* gives the data; b is empty */

/* ---- intrusive doubly linked list --------------------------------------- */

struct list {
    struct list *next, *prev;
};
void list_init(struct list *l); /* a head; an element may also be all zero */
bool list_empty(const struct list *l);
void list_push(struct list *l, struct list *item); /* at the tail */
void list_push_front(struct list *l, struct list *item);
void list_remove(struct list *item); /* safe when not linked (inited) */
bool list_linked(const struct list *item);
struct list *list_first(const struct list *l); /* NULL when empty */
struct list *list_pop(struct list *l);         /* NULL when empty */
/* `item` may be removed inside the loop. */
#define LIST_EACH(l, item, nxt)                                                \
    for ((item) = (l)->next, (nxt) = (item)->next; (item) != (l);              \
         (item) = (nxt), (nxt) = (item)->next)

/* ---- hash map: text keys (copied) to pointers (borrowed) ---------------- */

struct map_slot;
struct map {
    struct map_slot *slots;
    size_t count, cap;
    size_t used; /* entries, deleted ones included */
};
void map_init(struct map *m);
void map_fini(struct map *m); /* values are the caller's */
void *map_get(const struct map *m, const char *key);        /* NULL: none */
void *map_put(struct map *m, const char *key, void *value); /* gives the old
                                                  value or NULL */
void *map_del(struct map *m, const char *key); /* gives the value or NULL */
/* Walk in the order of insertion: start with *it = 0; false at the end. key and
 * value may be NULL. Removing any entry is allowed, putting a new one is not;
 * the key just returned dies with its entry. */
bool map_next(const struct map *m, size_t *it, const char **key, void **value);

/* ---- binary heap of intrusive nodes, smallest `at` first ---------------- */

/* Ties leave in the order they were pushed. */
struct heap_node {
    int64_t at;
    uint64_t seq;
    size_t pos; /* 1-based; 0: not in a heap */
};
struct heap {
    struct heap_node **nodes;
    size_t count, cap;
    uint64_t next_seq;
};
void heap_init(struct heap *h);
void heap_fini(struct heap *h);
void heap_push(struct heap *h, struct heap_node *n, int64_t at);
void heap_remove(struct heap *h, struct heap_node *n); /* safe when not in */
struct heap_node *heap_first(const struct heap *h);    /* NULL when empty */

/* ---- clocks and time stamps --------------------------------------------- */

int64_t clock_mono_us(void); /* monotonic; for every interval and deadline */
int64_t clock_wall_us(void); /* since 1970 UTC; for people only: it may step */

enum { TIME_TEXT_MAX = 40 };
/* RFC 3339 and what Fusion really sends: `T` or a blank, fraction of 0 to 9
 * digits, `Z` or any +hh:mm / +hhmm offset; no offset means UTC; a bare date is
 * its midnight. Microseconds since 1970 UTC. ERR_TYPE when it is none. */
MUST_USE enum err time_parse(const char *s, size_t n, int64_t *us);
/* HTTP's Date header (IMF-fixdate). ERR_TYPE when it is none. */
MUST_USE enum err time_parse_http(const char *s, int64_t *us);
/* 2018-10-09T05:24:44.000Z: milliseconds, always Z. Gives out. */
char *time_format(int64_t us, char out[TIME_TEXT_MAX]);
/* 2018-10-09T05:24:44.123456Z. */
char *time_format_us(int64_t us, char out[TIME_TEXT_MAX]);
/* 2018-10-09 in UTC. */
char *time_format_date(int64_t us, char out[TIME_TEXT_MAX]);
/* Settings' durations: 250ms 30s 15m 12h 400d. Milliseconds. */
MUST_USE enum err duration_parse(const char *s, int64_t *ms);
char *duration_format(int64_t ms, char out[TIME_TEXT_MAX]);
/* Settings' sizes: 4096 64KiB 8MiB 1GiB. */
MUST_USE enum err size_parse(const char *s, uint64_t *bytes);

/* ---- exact decimals ----------------------------------------------------- */

/* Up to DEC_DIGITS_MAX significant digits, scale 0 to DEC_SCALE_MAX. A plain
 * value. Zero is never negative. The scale is kept as given: 100.10 stays
 * 100.10. */
enum { DEC_DIGITS_MAX = 72, DEC_SCALE_MAX = 36, DEC_TEXT_MAX = 80 };
struct dec {
    uint32_t limb[8]; /* base 1e9, least significant first */
    uint16_t scale;
    bool negative;
};
/* [+-]digits[.digits][e[+-]digits], JSON's form and a leading `+` or `.5`;
 * ERR_TYPE otherwise or when it does not fit. */
MUST_USE enum err dec_parse(const char *s, size_t n, struct dec *d);
char *dec_text(const struct dec *d, char out[DEC_TEXT_MAX]); /* plain, no e */
struct dec dec_zero(void);
struct dec dec_neg(struct dec a);
/* Both ERR_FULL when the result does not fit. The scale is the larger one for
 * add, the sum for mul. */
MUST_USE enum err dec_add(struct dec a, struct dec b, struct dec *sum);
MUST_USE enum err dec_mul(struct dec a, struct dec b, struct dec *product);
int dec_cmp(struct dec a, struct dec b); /* by value: 1.0 equals 1.00 */
int dec_sign(struct dec a);              /* -1, 0, 1 */
/* Half away from zero, to at most `scale` digits after the point. */
struct dec dec_round(struct dec a, unsigned scale);

/* ---- secrets, hashes, encodings, randomness ----------------------------- */

/* Bytes that nothing prints; wiped when freed. */
struct secret;
struct secret *secret_new(const void *p, size_t n);
struct secret *secret_dup(const struct secret *s); /* NULL gives NULL */
void secret_free(struct secret *s);                /* wipes; NULL is fine */
const unsigned char *secret_bytes(const struct secret *s); /* NUL follows */
size_t secret_len(const struct secret *s);
bool secret_equal(const struct secret *a, const struct secret *b); /* constant
                                                       time in the content */
void secret_wipe_bytes(void *p, size_t n); /* survives the optimizer */

enum { HASH_BYTES = 32, HASH_TEXT_MAX = 65 };
struct hash {
    unsigned char b[HASH_BYTES];
};
struct hash hash_sha256(const void *p, size_t n);
char *hash_text(const struct hash *h, char out[HASH_TEXT_MAX]); /* hex */

/* Base64 with padding. Gives text to free. */
char *base64_encode(const void *p, size_t n);
char *base64url_encode(const void *p, size_t n); /* without padding */
/* Strict. Gives bytes to free (NUL added) in *out; ERR_TYPE when wrong. */
MUST_USE enum err base64_decode(const char *s, unsigned char **out, size_t *n);

void random_bytes(void *p, size_t n);
uint64_t random_u64(void);
double random_share(void); /* at least 0, less than 1 */
/* lower-case hex of 16 random bytes, 32 characters: ids of ours. */
enum { RANDOM_ID_MAX = 33 };
char *random_id(char out[RANDOM_ID_MAX]);

/* ---- text --------------------------------------------------------------- */

bool text_equal(const char *a, const char *b); /* NULL equals NULL only */
bool text_has_prefix(const char *s, const char *prefix);
bool text_is_utf8(const char *s, size_t n);
/* What fits into max bytes with a NUL, whole characters only; bytes that are
 * not UTF-8 become '?'. NULL gives "". */
void text_copy(char *out, size_t max, const char *s);
/* The name of `names` (NULL-terminated) nearest to `s` by edit distance, for
 * "did you mean"; NULL when none is near. */
const char *text_nearest(const char *s, const char *const *names);
/* Whole file, at most max bytes; gives data to free (NUL added), ERR_FILE with
 * a message naming path and reason. */
MUST_USE enum err file_read(const char *path, size_t max, char **data,
                            size_t *n, struct fault *f);

/* ---- crash points ------------------------------------------------------- */

/*
 * CRASH_POINT("commit.before", "outcome"): a moment at which fault tests end the
 * process, before and after each commit and each send. Nothing in the product;
 * src/base/crash.c says what happens in the program of the tests.
 */
#ifdef ML_CRASH_POINTS
void crash_point(const char *where, const char *what);
#define CRASH_POINT(where, what) crash_point(where, what)
#else
#define CRASH_POINT(where, what) ((void)0)
#endif

#endif
