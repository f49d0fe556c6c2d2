/* SPDX-License-Identifier: UNLICENSED */
/*
 * Work off the loop, in libuv's pool.
 *
 *     QUEUED --> RUNNING --> done(arg)
 *        +----------+------> cancelled: drop(arg), never done
 *
 * libuv calls back once whatever happens, so the struct dies in on_after. The
 * pool thread touches nothing but work and arg: `cancelled` is the loop's.
 */
#include "loop_priv.h"

enum { MAGIC_WORK = 0x574f524b };

struct loop_work {
    unsigned magic;
    uv_work_t req;
    struct loop *loop;
    loop_fn *work;
    loop_fn *done;
    loop_fn *drop;
    void *arg;
    bool cancelled;
};

static struct loop_work *
work_from(void *arg)
{
    struct loop_work *w = arg;

    ML_ASSERT(w != NULL && w->magic == MAGIC_WORK);
    return w;
}

static void
on_work(uv_work_t *req)
{
    struct loop_work *w = work_from(req->data);

    w->work(w->arg);
}

static void
on_after(uv_work_t *req, int status)
{
    struct loop_work *w = work_from(req->data);
    loop_fn *tell = w->cancelled ? w->drop : w->done;
    void *arg = w->arg;

    (void)status; /* ECANCELED only after our own cancel */
    if (w->cancelled) {
        w->loop->works_cancelled--;
    } else {
        w->loop->works--;
    }
    w->magic = 0;
    mem_free(w);
    if (tell != NULL) {
        tell(arg);
    }
}

struct loop_work *
loop_work(struct loop *l, loop_fn *work, loop_fn *done, loop_fn *drop,
          void *arg)
{
    struct loop_work *w = MEM_NEW(struct loop_work);
    int rc;

    ML_ASSERT(work != NULL && done != NULL && !l->freeing);
    w->magic = MAGIC_WORK;
    w->loop = l;
    w->work = work;
    w->done = done;
    w->drop = drop;
    w->arg = arg;
    w->req.data = w;
    rc = uv_queue_work(&l->uv, &w->req, on_work, on_after);
    ML_ASSERT(rc == 0);
    l->works++;
    return w;
}

void
loop_work_cancel(struct loop_work *w)
{
    if (w == NULL) {
        return;
    }
    (void)work_from(w);
    ML_ASSERT(!w->cancelled);
    w->cancelled = true;
    w->loop->works--;
    w->loop->works_cancelled++;
    /* Busy means that it runs: it ends by itself. */
    (void)uv_cancel((uv_req_t *)&w->req);
}
