/*
 * Calls: gate_call, endpoint_reply_receive, endpoint_restart and the ends of object/endpoint.c, both
 * ways of object/ipc_fast.c, wait_cancel of core/wait.c. Two callers and one server on CPUs of their
 * own; one caller's calls have deadlines, or the other is destroyed or interrupted at any moment; the
 * received calls may be restarted, and in the end the endpoint is destroyed. What happens under a
 * thread's lock is one step; between the steps under the endpoint's lock come those of others that take
 * only the thread's. The short way of a call takes none but the endpoint's: each change is a step.
 *
 * Properties: each call ends once, and its caller comes to know it: nobody is left waiting when the
 * endpoint is gone, or after an interruption; a reply reaches the call that it answers, or nobody; a
 * thread stands in one queue at most, and whoever takes it out holds the endpoint's lock.
 */
mtype = { RUNNING, READY, RECEIVING, CALLING, AWAITING, DEAD };
mtype = { NOWHERE, IN_RECEIVERS, IN_CALLERS, IN_AWAITING };
#define OK        1
#define TIMED_OUT 2
#define CLOSED    3
#define RESTARTED 4
#define INTERRUPTED 5

#define PATIENT 0 /* its calls have no deadline; it may be destroyed, or interrupted */
#define TIMED   1 /* it calls twice, so that a late reply could meet the next call */
#define SERVER  2
#define THREADS 3

bit endpoint_lock;
mtype state[THREADS] = RUNNING;
mtype place[THREADS] = NOWHERE;
byte sequence[THREADS];
byte status[THREADS];
byte ends[THREADS]; /* of the present wait */
byte answered[2];   /* the sequence that the reply was meant for */
bool armed;         /* the timer of TIMED */
bool interruption; /* of PATIENT */
bool dying;
bool gone;
bool token; /* of the call that was received last */
byte token_thread;
byte token_sequence;
bool kept; /* one that the server answers later */
byte kept_thread;
byte kept_sequence;

inline lock() { atomic { endpoint_lock == 0 -> endpoint_lock = 1 } }
inline unlock() { endpoint_lock = 0 }

inline finish(who, how)
{
    assert(place[who] == NOWHERE && state[who] != RUNNING && state[who] != READY);
    status[who] = how;
    state[who] = READY;
    ends[who]++
}

inline unlink(who)
{
#ifndef BUG_CANCEL_UNLOCKED
    assert(endpoint_lock == 1);
#endif
    assert(place[who] != NOWHERE);
    place[who] = NOWHERE
}

inline link(who, queue)
{
    assert(endpoint_lock == 1 && place[who] == NOWHERE && !gone);
    place[who] = queue
}

inline deliver(from)
{
    token = true;
    token_thread = from;
    token_sequence = sequence[from]
}

/* Wait until somebody made this thread run again. */
inline run_again(who)
{
    atomic {
        state[who] == RUNNING || state[who] == READY || state[who] == DEAD;
        if
        :: state[who] == DEAD
        :: else -> state[who] = RUNNING
        fi
    }
}

/* ipc_fast.c: both change places under the endpoint's lock. */
inline call_short(me)
{
    sequence[me]++;
#ifdef BUG_INTERRUPTION_EARLY
    refused = interruption;
#endif
    state[me] = AWAITING;
#ifndef BUG_INTERRUPTION_EARLY
    refused = interruption;
#endif
    if
    :: refused -> atomic { state[me] = RUNNING; status[me] = INTERRUPTED; ends[me] = 1; unlock() }
    :: else ->
       link(me, IN_AWAITING);
       atomic {
           unlink(SERVER);
           deliver(me);
           ends[SERVER]++;
           status[SERVER] = OK
       };
       state[SERVER] = RUNNING;
       unlock()
    fi
}

inline call_general(me)
{
    atomic {
        found = place[SERVER] == IN_RECEIVERS;
        if
        :: found -> unlink(SERVER); finish(SERVER, OK)
        :: else -> unlock()
        fi
    }
    if
    :: found ->
       atomic { unlink(me); state[me] = AWAITING; link(me, IN_AWAITING); deliver(me); unlock() }
    :: else
    fi
}

inline call(me)
{
#ifdef BUG_DYING_EARLY
    refused = dying;
#endif
    atomic {
        lock();
        ends[me] = 0;
#ifndef BUG_DYING_EARLY
        refused = dying;
#endif
        short_way = me == PATIENT && place[SERVER] == IN_RECEIVERS;
        if
        :: refused -> status[me] = CLOSED; ends[me] = 1; unlock()
        :: !refused && short_way
        :: !refused && !short_way && me == PATIENT && interruption ->
           refused = true; status[me] = INTERRUPTED; ends[me] = 1; unlock()
        :: else ->
           sequence[me]++;
           armed = armed || me == TIMED;
           state[me] = CALLING;
           link(me, IN_CALLERS)
        fi
    }
    if
    :: refused
    :: !refused && short_way -> call_short(me); run_again(me)
    :: else -> call_general(me); run_again(me)
    fi
}

proctype caller(byte me)
{
    byte calls = 0;
    bool refused, short_way, found;
    do
    :: calls <= me && state[me] != DEAD ->
       call(me);
       atomic {
           assert(state[me] == DEAD || ends[me] == 1);
           assert(state[me] == DEAD || status[me] != OK || answered[me] == sequence[me]);
           if
           :: me == TIMED -> armed = false /* timer_disarm, by who woke it */
           :: else
           fi;
           calls++;
           status[me] = 0;
           ends[me] = 0;
           answered[me] = 0;
           refused = false;
           short_way = false;
           found = false
       }
    :: else -> break
    od
}

/* reply_deliver: the caller that the token names, if it still waits for this reply */
inline reply(held, who, meant)
{
    atomic {
        lock();
        if
#ifdef BUG_TOKEN
        :: state[who] == AWAITING ->
#else
        :: state[who] == AWAITING && sequence[who] == meant ->
#endif
           answered[who] = meant;
           unlink(who);
           finish(who, OK)
        :: else
        fi;
        held = false;
        who = 0;
        meant = 0;
        unlock()
    }
}

/* call_deliver */
inline take(who)
{
    unlink(who);
    state[who] = AWAITING;
    link(who, IN_AWAITING);
    deliver(who)
}

proctype server()
{
    bool blocked;
    do
    :: if
       :: token -> reply(token, token_thread, token_sequence)
       :: kept -> reply(kept, kept_thread, kept_sequence)
       :: atomic { token && !kept ->
              kept = true; kept_thread = token_thread; kept_sequence = token_sequence;
              token = false; token_thread = 0; token_sequence = 0 }
       :: !token
       fi;
       atomic {
           lock();
           ends[SERVER] = 0;
           blocked = false;
           if
           :: dying -> unlock(); break
           :: !dying && place[PATIENT] == IN_CALLERS -> take(PATIENT)
           :: !dying && place[TIMED] == IN_CALLERS -> take(TIMED)
           :: else -> link(SERVER, IN_RECEIVERS); state[SERVER] = RECEIVING; blocked = true
           fi;
           unlock()
       }
       if
       :: blocked ->
          run_again(SERVER);
          assert(ends[SERVER] == 1);
          if
          :: status[SERVER] == CLOSED -> break
          :: else
          fi
       :: else
       fi
    od
}

#define WAITS (seen == RECEIVING || seen == CALLING || seen == AWAITING)

/* What cancel does once it has looked again. */
inline cancel_same(who, how, wanted)
{
    same = state[who] == seen;
    if
    :: same && WAITS && (wanted == 0 || wanted == sequence[who]) -> unlink(who); finish(who, how)
    :: else
    fi
}

/* wait_cancel, with wait_lock: the endpoint's lock is taken only for who waits there. */
inline cancel(who, how, wanted)
{
    do
    :: seen = state[who];
       if
#ifndef BUG_CANCEL_UNLOCKED
       :: WAITS -> atomic { lock(); cancel_same(who, how, wanted); unlock() }
#else
       :: WAITS -> cancel_same(who, how, wanted)
#endif
       :: else -> same = state[who] == seen
       fi;
       if
       :: same -> break
       :: else
       fi
    od;
    atomic { seen = 0; same = false }
}

/* A deadline passes: the sequence was read when the timer left the tree. */
proctype timer()
{
    mtype seen;
    byte mine;
    bool same;
end_idle:
    do
    :: atomic { armed -> armed = false; mine = sequence[TIMED] };
       cancel(TIMED, TIMED_OUT, mine)
    od
}

/* A step of thread_end_step. */
proctype killer()
{
    mtype seen;
    bool same;
    cancel(PATIENT, CLOSED, 0);
    atomic {
        if
        :: state[PATIENT] == READY -> state[PATIENT] = DEAD; assert(place[PATIENT] == NOWHERE)
        :: else /* it runs: the way out of the kernel sees to it */
        fi
    }
}

/* thread_interrupt: from then on it waits no more. */
proctype interrupter()
{
    mtype seen;
    bool same;
    interruption = true;
    cancel(PATIENT, INTERRUPTED, 0);
    atomic { endpoint_lock == 0 -> assert(state[PATIENT] != CALLING && state[PATIENT] != AWAITING) }
}

inline wake_all(queue, how)
{
    do
    :: atomic {
           lock();
           woken = THREADS;
           if
           :: place[PATIENT] == queue -> woken = PATIENT
           :: place[TIMED] == queue -> woken = TIMED
           :: place[SERVER] == queue -> woken = SERVER
           :: else
           fi;
           if
           :: woken != THREADS -> unlink(woken); finish(woken, how)
           :: else
           fi;
           unlock()
       }
       if
       :: woken == THREADS -> break
       :: else
       fi
    od
}

/* endpoint_restart, or not; then endpoint_end_step */
proctype ender()
{
    byte woken;
    if
    :: wake_all(IN_AWAITING, RESTARTED)
    :: true
    fi;
    dying = true;
    wake_all(IN_RECEIVERS, CLOSED);
    wake_all(IN_CALLERS, CLOSED);
    wake_all(IN_AWAITING, CLOSED);
    gone = true;
    assert(place[PATIENT] == NOWHERE && place[TIMED] == NOWHERE && place[SERVER] == NOWHERE)
}

init
{
    atomic {
        run caller(PATIENT);
        run caller(TIMED);
        run server();
        if
        :: run timer()
        :: run killer()
        :: run interrupter()
        fi;
        run ender()
    }
}
