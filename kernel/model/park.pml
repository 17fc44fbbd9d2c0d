/*
 * Parking: thread_park and thread_unpark of object/waits.h, call_thread_interrupt and thread_end_step
 * of object/thread.c, wait_cancel of core/wait.c, core/timers.c. One thread, which waits first for a flag, as for a
 * lock, then for an interruption, each time with or without a deadline; another raises the flag and
 * unparks it, a third interrupts it, the timer may end each wait, and a fourth may destroy it.
 *
 * Properties: the thread comes to its end (no wake-up is lost); each wait is ended once, by one of
 * them (finish); a timer ends the wait that it was armed for, and no other; a ready thread is put
 * into the run queue once; a destroyed thread runs no more.
 */
mtype = { STOPPED, READY, RUNNING, PARKED, DEAD };
#define OK          1
#define INTERRUPTED 2
#define TIMED_OUT   3
#define CLOSED      4
#define BLOCKED     5
#define DEADLINES   2 /* waits that have one: bounds the run */

mtype state = RUNNING;
bit thread_lock;
bit timer_lock;
bool unparked;
bool interruption; /* ATTENTION_INTERRUPT */
bool die;          /* ATTENTION_DIE */
bool interruptible;
bool timer_armed;
bool queued;
byte sequence;
byte armed_for;
byte status;
byte deadlines;
bool flag;
bool freed;

inline lock(l) { atomic { l == 0 -> l = 1 } }
inline unlock(l) { l = 0 }

/* wait_finish: under the thread's lock */
inline finish(how)
{
    assert(state == PARKED);
    status = how;
    state = READY;
}

inline disarm()
{
    lock(timer_lock);
    timer_armed = false;
    unlock(timer_lock);
}

inline ready()
{
    d_step {
        assert(!queued && state == READY);
        queued = true;
    }
}

/* wait_cancel, with wait_lock: `wanted` 0 for whichever wait; `filter` when only an interruptible one: INTERRUPTED. */
inline cancel(how, wanted, filter, ended)
{
    ended = false;
    do
    :: lock(thread_lock);
       seen = state;
       seen_sequence = sequence;
       allowed = !filter || interruptible;
       unlock(thread_lock);
       lock(thread_lock);
#ifndef BUG_CANCEL_BLIND
       if
       :: state != seen -> unlock(thread_lock); again = true
       :: else -> seen_sequence = sequence; allowed = !filter || interruptible
       fi;
#endif
       if
       :: again -> again = false
       :: else ->
          same = seen == PARKED && allowed && (wanted == 0 || wanted == seen_sequence);
          if
          :: same -> finish(how)
          :: else
          fi;
          unlock(thread_lock);
          if
          :: same ->
             disarm();
             ready();
             ended = true
          :: else
          fi;
          break
       fi
    od
}

/* The way out of the kernel: trap_attend, or on. */
inline run_again()
{
    if
    :: state == RUNNING
    :: atomic { queued -> queued = false; state = RUNNING } /* dequeue */
    :: state == DEAD -> goto end
    fi;
    if
    :: die ->
       lock(thread_lock);
       state = DEAD;
       unlock(thread_lock);
       goto end
    :: else
    fi
}

/* thread_park */
inline park(may_interrupt)
{
#ifdef BUG_PARK_UNLOCKED
    came_before = unparked;
    lock(thread_lock);
#else
    lock(thread_lock);
    came_before = unparked;
#endif
    if
    :: came_before -> unparked = false; status = OK
    :: !came_before && may_interrupt && interruption -> status = INTERRUPTED
    :: else ->
       sequence++;
       interruptible = may_interrupt;
       if
       :: deadlines < DEADLINES ->
          deadlines++;
          lock(timer_lock);
          assert(!timer_armed);
          timer_armed = true;
          armed_for = sequence;
          unlock(timer_lock)
       :: true
       fi;
       state = PARKED
    fi;
    unlock(thread_lock);
    run_again()
}

active proctype thread()
{
    bool came_before;
    do
    :: flag -> break
    :: else ->
       park(false);
       assert(status != INTERRUPTED)
    od;
    status = 0;
    do
    :: status == INTERRUPTED -> break
    :: else -> park(true)
    od;
    assert(interruption);
    lock(thread_lock);
    state = STOPPED; /* it has come through */
    unlock(thread_lock);
end:
    skip
}

active proctype waker()
{
    bool woken;
    flag = true;
    lock(thread_lock);
    woken = state == PARKED;
    if
    :: woken -> finish(OK)
    :: else -> unparked = true
    fi;
    unlock(thread_lock);
    if
    :: woken -> disarm(); ready()
    :: else
    fi
}

active proctype interrupter()
{
    mtype seen;
    byte seen_sequence;
    bool allowed, same, again, ended;
#ifndef BUG_INTERRUPT_ORDER
    interruption = true;
#endif
    cancel(INTERRUPTED, 0, true, ended);
#ifdef BUG_INTERRUPT_ORDER
    interruption = true
#endif
}

/* timers_expire: whenever, for deadlines are any */
active proctype timer()
{
    mtype seen;
    byte seen_sequence, mine, meant;
    bool allowed, same, again, ended;
end_idle:
    do
    :: timer_armed ->
       lock(timer_lock);
       if
       :: timer_armed ->
          mine = sequence;
          meant = armed_for;
          timer_armed = false;
          unlock(timer_lock);
          assert(mine == meant);
#ifdef BUG_TIMER_ANY_WAIT
          mine = 0;
#endif
          cancel(TIMED_OUT, mine, false, ended);
          assert(!ended || seen_sequence == meant)
       :: else -> unlock(timer_lock)
       fi
    od
}

/* thread_end_step, again and again */
active proctype killer()
{
    mtype seen;
    byte seen_sequence;
    bool allowed, same, again, ended, halted;
    if
    :: true -> goto spared
    :: true
    fi;
    do
    :: die = true;
       cancel(CLOSED, 0, false, ended);
       lock(thread_lock);
       d_step { /* scheduler_withdraw */
           if
           :: state == STOPPED || (state == READY && queued) -> queued = false; state = DEAD
           :: else
           fi
       };
       halted = state == DEAD;
       unlock(thread_lock);
       if
       :: halted -> break
       :: else -> (state != RUNNING || queued || state == DEAD) /* the next step: when it moved on */
       fi
    od;
    disarm();
    assert(!queued && !timer_armed && state == DEAD);
    freed = true;
spared:
    skip
}
