/*
 * Taking a thread out of whichever run queue it is in: scheduler_withdraw and run_queue_remove, while
 * CPUs put it into one queue or the other, and take it from there (core/run_queue.c). The destroyer
 * knows only where the thread ran last, and holds the lock of that queue, while the thread may be on
 * its way through the other one.
 *
 * Properties: who takes it out of a queue finds it there; it is taken out once.
 */
#define CPUS   2
#define ROUNDS 3
#define NONE   0

mtype = { IN_HAND, PLACED, READY, RUNNING, DEAD };
mtype state = IN_HAND; /* in the code the first two are READY as well */
byte in_trees = NONE;  /* 1, 2: the queue whose trees hold it */
byte cpu = 1;          /* where it runs, or ran last */
byte queued = NONE;
bit queue_lock[3];

inline lock(which) { atomic { queue_lock[which] == 0 -> queue_lock[which] = 1 } }
inline unlock(which) { queue_lock[which] = 0 }

/* group_leave; the lists, under the lock */
inline leave(which)
{
    atomic { assert(queue_lock[which] == 1 && in_trees == which); in_trees = NONE };
    queued = NONE
}

active [CPUS] proctype running()
{
    byte me = _pid + 1;
    byte queue, rounds;
    bool mine;
    do
    :: rounds < ROUNDS ->
       atomic { mine = state == IN_HAND; state = (mine -> PLACED : state) };
       if
       :: mine -> /* run_queue_add */
          if
          :: queue = 1
          :: queue = 2
          fi;
          cpu = queue;
          lock(queue);
          atomic { assert(in_trees == NONE); in_trees = queue };
          queued = queue;
          state = READY;
          unlock(queue)
       :: else
       fi;
       rounds++
    :: rounds < ROUNDS ->
       if
       :: queue = 1
       :: queue = 2
       fi;
       lock(queue);
       if
       :: in_trees == queue && state == READY -> /* run_queue_take */
          leave(queue);
          cpu = me;
          state = RUNNING;
          unlock(queue);
          state = IN_HAND /* preempted */
       :: else -> unlock(queue)
       fi;
       rounds++
    :: else -> break
    od
}

active proctype destroyer()
{
    byte queue;
    bool found;
    do
    :: state != DEAD ->
       queue = cpu;
       lock(queue);
#ifdef BUG_FLAG_AND_CPU
       found = queued != NONE;
       found = found && cpu == queue;
#else
       found = queued == queue;
#endif
       if
       :: found -> leave(queue); state = DEAD
       :: else
       fi;
       unlock(queue)
    :: break
    od
}
