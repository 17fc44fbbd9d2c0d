/*
 * The only thread of a run queue: run_queue_put_only, run_queue_take_only, only_into_trees and
 * run_queue_empty of core/run_queue.[ch], scheduler_ready_here (core/switch.h) and choose. Billing is that of others: who comes to wait is
 * counted by who takes it; the hand-over of a count in scheduler_give_way is not in it. Two threads are woken,
 * each several times, by two CPUs; the queue's own CPU takes them, or sleeps; another CPU looks into
 * the queue, and takes one of those that it finds in the trees, or leaves it there.
 *
 * Properties: a thread that waits is in one place, is taken once, and is counted when it runs; the
 * CPU never sleeps for good while one waits in its queue.
 */
#define THREADS 2
#define WAKES   2
#define LOOKS   2
#define NONE    0

mtype = { WAITING, READY, RUNNING };
mtype state[3] = WAITING;
byte only = NONE;   /* 1, 2 */
bit in_trees[3];
byte ready;         /* of the trees */
bit queue_lock;
bit counted[3];
bit idle;
bit kicked;
byte runs;

inline lock() { atomic { queue_lock == 0 -> queue_lock = 1 } }
inline unlock() { queue_lock = 0 }

inline trees_add(who)
{
    atomic {
        assert(queue_lock == 1 && !in_trees[who] && state[who] == READY);
        counted[who] = 1;
        in_trees[who] = 1
    };
    ready++ /* as first_key: seen later */
}

/* only_into_trees */
inline merge(who)
{
    atomic { who = only; only = NONE };
    if
    :: who != NONE -> trees_add(who)
    :: else
    fi
}

inline go_on(who)
{
    atomic {
        assert(state[who] == READY && !in_trees[who] && only != who && counted[who]);
        state[who] = RUNNING;
        state[who] = WAITING;
        counted[who] = 0;
        runs++;
        who = NONE
    }
}

/* Under the lock: one that is in the trees, or NONE. */
inline tree_take(who)
{
    atomic {
        if
        :: in_trees[1] -> who = 1; in_trees[1] = 0; ready--
        :: in_trees[2] -> who = 2; in_trees[2] = 0; ready--
        :: else -> who = NONE
        fi
    }
}

/* run_queue_empty: in this order. */
inline look(nobody)
{
    nobody = only == NONE;
#ifndef BUG_LOCK_NOT_LOOKED_AT
    nobody = nobody && queue_lock == 0;
#endif
    nobody = nobody && ready == 0
}

active [THREADS] proctype waker()
{
    byte me = _pid + 1;
    byte other;
    byte wakes;
    bool put;
    do
    :: wakes < WAKES ->
       atomic { state[me] == WAITING -> state[me] = READY };
       put = false;
       if
       :: ready == 0 -> atomic { if :: only == NONE -> only = me; put = true :: else fi }
       :: else
       fi;
       if
       :: !put -> lock(); merge(other); trees_add(me); unlock()
       :: else
       fi;
#ifndef BUG_NOBODY_KICKED
       atomic { if :: idle -> idle = 0; kicked = 1 :: else fi };
#endif
       wakes++
    :: else -> break
    od
}

active proctype own_cpu()
{
    byte next;
    bool nobody;
    do
    :: runs == THREADS * WAKES -> break
    :: else ->
       idle = 1;
       next = NONE;
       if
       :: ready == 0 -> atomic { next = only; only = NONE }
       :: else
       fi;
       if
       :: next != NONE ->
#ifndef BUG_NOT_COUNTED
          counted[next] = 1
#endif
       :: else ->
          look(nobody);
          if
          :: !nobody -> lock(); merge(next); tree_take(next); unlock()
          :: else
          fi
       fi;
       if
       :: next != NONE -> idle = 0; go_on(next)
       :: else -> atomic { (kicked || runs == THREADS * WAKES) -> kicked = 0 }
       fi
    od
}

active proctype other_cpu()
{
    byte next;
    bool nobody;
    byte looks;
    do
    :: looks < LOOKS ->
       look(nobody);
       if
       :: !nobody ->
          lock();
          merge(next);
          if
          :: tree_take(next)
          :: next = NONE /* it does not go before the own one */
          fi;
          unlock();
          if
          :: next != NONE -> go_on(next)
          :: else
          fi
       :: else
       fi;
       looks++
    :: else -> break
    od
}
