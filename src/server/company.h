/* Requests that one run may answer together: those that wait for it, and those that it answers.
 *
 *     join ----> waiting in a company ----> taken with its mates ----> left one by one
 *
 * A company is one model's requests whose inputs differ in their first axis alone.  Nothing here
 * looks at values.  The executor calls everything with its lock held. */
#ifndef BL_COMPANY_H
#define BL_COMPANY_H

#include "base/limits.h"
#include "server/engine.h"

typedef struct bl_company bl_company;
typedef struct bl_member  bl_member;

/* One request; lies in its entry. */
struct bl_member {
    const bl_engine *engine;
    void            *instance;
    bl_request      *request;
    bl_batching      batching;     /* of the model */
    size_t           rows;         /* that it brings; 0: it runs alone */
    uint64_t         submitted_ns; /* company counts from there */
    const void      *share;        /* whose it is: places in a run are dealt among shares */
    size_t          *places;       /* of that share, for bl_company_take() alone */

    bl_company *company; /* in which it waits; NULL before and after */
    bl_member  *next;    /* in the order of submission */
    bl_member  *mate;    /* a ring of those that the same run answers, itself among them */
};

/* Sets what bl_company_join() and bl_company_leave() need; the request's inputs are there. */
void bl_member_init(bl_member *m, const bl_engine *engine, void *instance, bl_request *request);

/* Puts a member where others may join it; one that runs alone is left as it is.
 * False when there is no memory. */
bool bl_company_join(bl_company **all, bl_member *m);
/* Takes a member out of its company, or from among its mates. */
void bl_company_leave(bl_company **all, bl_member *m);
/* True while more may come that this member should wait for. */
bool bl_company_holds(const bl_member *m, uint64_t now_ns);
/* When the first company that waits now has waited enough; 0: none waits. */
uint64_t bl_company_due_ns(const bl_company *all, uint64_t now_ns);
/* Ends the waiting of a member and makes those its mates that the same run answers.  Where more
 * wait than one run takes, each share gets its part, the rest goes by the order of submission. */
void bl_company_take(bl_company **all, bl_member *first);

/* How many rows a run of `rows` is padded to: a power of two or the most there may be. */
size_t bl_batch_planned(size_t rows, size_t max);
/* How many of `rows` that wait one run should answer, so that at most a quarter of it is padding.
 */
size_t bl_batch_wanted(size_t rows, size_t max);

#endif
