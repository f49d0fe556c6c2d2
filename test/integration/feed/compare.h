/* SPDX-License-Identifier: UNLICENSED */
#ifndef COMPARE_H
#define COMPARE_H

/*
 * What is here against what the pod has, and small acts on a database that
 * several files of tests need.
 */
#include "pod.h"

/* ---- counting ----------------------------------------------------------- */

int64_t records(struct pod *p, const char *kind);
/* Jobs the last round opened. */
size_t opened(struct pod *p);
/* The same; says which when they are not as many. */
void opened_is(struct pod *p, size_t want, const char *after);
/* Requests to the pod of the feed's last poll. */
int64_t cost(struct pod *p, const char *feed);
/* Audit events of this name. */
int64_t events(struct pod *p, const char *event);
/* What is wanted in HubSpot of this invoice says `text`. */
bool record_is(struct pod *p, int64_t id, const char *text);

/* ---- comparing ---------------------------------------------------------- */

/* Every invoice of the pod is here with as many lines as it has there. */
void invoices_are_equal(struct pod *p);
/* All records with their hashes, a line each; to free. */
char *digest(struct pod *p);
/* Fails with the first line that differs. */
void same_lines(const char *got, const char *want);
/* The records are what a new database gets in one round. */
void is_as_from_scratch(struct pod *p, const struct pod_spec *spec);
/* The same, but what Fusion deleted meanwhile may still be here. */
void has_all_of_scratch(struct pod *p, size_t index);
/* Nor contacts, which follow the newest of an account's invoices: of one that
 * went nobody tells. */
void has_all_but_contacts(struct pod *p, size_t index);
/* One round with these switches gives what it gives without. */
void reads_all_with(size_t index, const char *switches, int version,
                    unsigned page);

/* ---- acting ------------------------------------------------------------- */

/* As if all open jobs had been written to HubSpot. */
void settle(struct pod *p);
/* As if this record had never been read. */
void forget(struct pod *p, const char *kind, int64_t id);
/* The n-th open invoice by id, no draft. */
int64_t open_invoice(struct pod *p, int n);

#endif
